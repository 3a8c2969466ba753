"""Which columns identify a row within its date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

MOST_COLUMNS = 4  # of a key
MOST_CANDIDATES = 10  # columns that are tried
ENOUGH = 5.0  # repeats that chance alone would have made: then none of them is hardly chance, one time in 150
SAMPLE = 20_000  # rows that most sets fail on

Columns = tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """Columns that no two rows of any file share.

    Attributes:
        columns: The columns.
        chance: How many pairs of rows would share them if they were independent of each other.
    """

    columns: Columns
    chance: float


class KeySearch:
    """Finds keys in one pass over files: sets of columns are dropped at the first file in which rows share them.

    That a few values differ in a few rows says nothing: sets of columns are weighed by how many rows would share them
    by chance.

    Args:
        columns: Columns that a key may be made of, none of which is ever missing.
        alone: Those of them that may be a key by themselves.
        declared: A set that is looked at in any case.
    """

    def __init__(self, columns: Sequence[str], alone: Sequence[str], declared: Columns = ()) -> None:
        tried = columns[:MOST_CANDIDATES]
        sets = [one for size in range(1, MOST_COLUMNS + 1) for one in combinations(tried, size)]
        self._left = [one for one in sets if len(one) > 1 or one[0] in alone]
        if declared and declared not in self._left:
            self._left.append(declared)
        self._chance = dict.fromkeys(self._left, 0.0)

    def look(self, rows: pa.Table) -> None:
        """Looks at the rows of one file."""
        codes = {name: _codes(rows[name]) for name in {name for one in self._left for name in one}}
        unique: list[Columns] = []
        for one in self._left:
            if any(set(other) <= set(one) for other in unique) or _is_unique([codes[name] for name in one]):
                unique.append(one)
        pairs = rows.num_rows * (rows.num_rows - 1) / 2
        same = {name: _same(values) for name, values in codes.items()}
        for one in unique:
            self._chance[one] += pairs * float(np.prod([same[name] for name in one]))
        self._left = unique

    def is_unique(self, columns: Columns) -> bool:
        """Whether no file had two rows that share these, which were tried."""
        return columns in self._left

    def best(self) -> Key | None:
        """The smallest set that is a key by more than chance; of several the one that is most unlikely to be one."""
        keys = [Key(one, self._chance[one]) for one in self._left if self._chance[one] >= ENOUGH]
        return min(keys, key=lambda key: (len(key.columns), -key.chance), default=None)


def _codes(values: pa.ChunkedArray) -> np.ndarray:
    """A number per value, the same for the same; missing values are all alike."""
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices, dtype=np.int64)


def _is_unique(columns: Sequence[np.ndarray]) -> bool:
    return _all_differ([one[:SAMPLE] for one in columns]) and (len(columns[0]) <= SAMPLE or _all_differ(columns))


def _all_differ(columns: Sequence[np.ndarray]) -> bool:
    together = columns[0]
    for one in columns[1:]:
        # Numbered anew after each column, so that the product stays small.
        together = np.unique(together * (one.max(initial=0) + 1) + one, return_inverse=True)[1]
    return len(np.unique(together)) == len(together)


def _same(codes: np.ndarray) -> float:
    """How likely two rows have the same value."""
    counts = np.bincount(codes)
    return float(np.sum((counts / max(len(codes), 1)) ** 2))
