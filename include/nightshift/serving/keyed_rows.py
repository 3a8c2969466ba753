"""Rows that are found by their key, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


class KeyedRows:
    """Rows with a key each; a key with a null is that of no row.

    Args:
        keys: The columns of the key; none if there is one row for all.
        rows: The rows.
    """

    def __init__(self, keys: Sequence[pa.Array], rows: pa.Table) -> None:
        self.rows = rows.combine_chunks()
        self._places = {key: place for place, key in enumerate(_tuples(keys, rows.num_rows)) if None not in key}

    def find(self, keys: Sequence[pa.Array], count: int) -> pa.Table:
        """The row of each key, nulls where there is none.

        Args:
            keys: The columns of the keys, in the order of the rows' own.
            count: The number of keys.
        """
        places = [self._places.get(key) for key in _tuples(keys, count)]
        return self.rows.take(pa.array(places, pa.int64()))


def _tuples(keys: Sequence[pa.Array], count: int) -> list[tuple[object, ...]]:
    if not keys:
        return [()] * count
    return list(zip(*(column.to_pylist() for column in keys), strict=True))
