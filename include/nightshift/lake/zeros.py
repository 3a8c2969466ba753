"""Zeros without a sign: -0.0 and 0.0 are one value for SQL, and two for Arrow's hashes and for text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

V = TypeVar("V", pa.Array, pa.ChunkedArray)


def plain_zeros(values: V) -> V:
    """The values with 0.0 in place of -0.0."""
    return pc.add(values, pa.scalar(0.0, values.type)) if pa.types.is_floating(values.type) else values


def with_plain_zeros(rows: pa.Table, columns: Iterable[str]) -> pa.Table:
    """The rows with 0.0 in place of -0.0 in some columns, such as a key by which they are grouped or joined."""
    for name in columns:
        if pa.types.is_floating(rows.schema.field(name).type):
            rows = rows.set_column(rows.column_names.index(name), name, plain_zeros(rows[name]))
    return rows
