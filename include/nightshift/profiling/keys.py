"""Finds the columns that identify a row within its date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

MAX_COLUMNS = 4  # of a key
MAX_CANDIDATES = 10  # columns that are combined
# Pairs of rows that are expected to be equal by chance: with so many, the probability of none is 1 in 150.
MIN_CHANCE_PAIRS = 5.0
SAMPLE = 20_000  # rows; most column sets already repeat within them

ColumnSet = tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """Columns in which no two rows of any file are equal.

    Attributes:
        columns: The columns.
        chance_pairs: The number of pairs of rows that would be equal if the columns were independent.
    """

    columns: ColumnSet
    chance_pairs: float


class KeySearch:
    """Searches keys in one pass over files: a column set is dropped at the first file in which two rows are equal.

    That few rows with many values differ proves nothing. Column sets are weighed by how many rows would be equal by
    chance.

    Args:
        columns: Candidate columns, none of which is ever missing.
        single: The candidates that may be a key by themselves.
        declared: A column set that is always tested.
    """

    def __init__(self, columns: Sequence[str], single: Sequence[str], declared: ColumnSet = ()) -> None:
        candidates = columns[:MAX_CANDIDATES]
        sets = [names for size in range(1, MAX_COLUMNS + 1) for names in combinations(candidates, size)]
        self._unique = [names for names in sets if len(names) > 1 or names[0] in single]
        if declared and declared not in self._unique:
            self._unique.append(declared)
        self._chance_pairs = dict.fromkeys(self._unique, 0.0)

    def add_file(self, rows: pa.Table) -> None:
        """Tests the column sets on the rows of one file."""
        codes = {name: _codes(rows[name]) for name in {name for columns in self._unique for name in columns}}
        unique: list[ColumnSet] = []
        for columns in self._unique:
            if any(set(subset) <= set(columns) for subset in unique) or _is_unique([codes[name] for name in columns]):
                unique.append(columns)
        pairs = rows.num_rows * (rows.num_rows - 1) / 2
        equal = {name: _equal_probability(values) for name, values in codes.items()}
        for columns in unique:
            self._chance_pairs[columns] += pairs * float(np.prod([equal[name] for name in columns]))
        self._unique = unique

    def is_unique(self, columns: ColumnSet) -> bool:
        """Whether no file had two rows that are equal in a column set that was tested."""
        return columns in self._unique

    def best(self) -> Key | None:
        """The smallest set that is a key by more than chance; of several, the least likely to be one by chance."""
        keys = [
            Key(columns, self._chance_pairs[columns])
            for columns in self._unique
            if self._chance_pairs[columns] >= MIN_CHANCE_PAIRS
        ]
        return min(keys, key=lambda key: (len(key.columns), -key.chance_pairs), default=None)


def _codes(values: pa.ChunkedArray) -> np.ndarray:
    """An integer per row, equal for equal values; missing values are equal to each other."""
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices, dtype=np.int64)


def _is_unique(columns: Sequence[np.ndarray]) -> bool:
    return _all_differ([codes[:SAMPLE] for codes in columns]) and (len(columns[0]) <= SAMPLE or _all_differ(columns))


def _all_differ(columns: Sequence[np.ndarray]) -> bool:
    combined = columns[0]
    for codes in columns[1:]:
        # Renumbered after each column, so that the product stays small.
        combined = np.unique(combined * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    return len(np.unique(combined)) == len(combined)


def _equal_probability(codes: np.ndarray) -> float:
    """The probability that two rows have the same value."""
    counts = np.bincount(codes)
    return float(np.sum((counts / max(len(codes), 1)) ** 2))
