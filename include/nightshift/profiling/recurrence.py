"""Which columns name something that comes again, such as a customer, and not something new, such as an order."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import fmean

import pyarrow as pa
import pyarrow.compute as pc

REMEMBERED = 14  # files before, whose values are compared with those of a file
# Numbers of orders hardly ever come again, those of rare events after months: a share of the values that tells them.
RECURRING_SHARE = 0.02


class RecurrenceSearch:
    """Counts in one pass over files, in the order of their dates, how many values of each file came before.

    Args:
        columns: The columns.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._earlier: dict[str, deque[pa.Array]] = {name: deque(maxlen=REMEMBERED) for name in columns}
        self._shares: dict[str, list[float]] = {name: [] for name in columns}

    def add_file(self, rows: pa.Table) -> None:
        """Compares the values of one file, which has rows, with those of the files before."""
        for name, earlier in self._earlier.items():
            values = pc.unique(rows[name].combine_chunks()).drop_null()
            if not len(values):
                continue
            if earlier:
                self._shares[name].append(pc.mean(pc.is_in(values, pa.concat_arrays(list(earlier)))).as_py())
            earlier.append(values)

    @property
    def shares(self) -> Mapping[str, float]:
        """The mean share of a file's distinct values that files before it had, of each column that two files have."""
        return {name: fmean(shares) for name, shares in self._shares.items() if shares}
