"""Shares of rows by the hash of their key: what is computed by key is computed in memory, a share after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import pyarrow as pa
from pyarrow.dataset import Dataset

from nightshift.lake.in_memory import database_cursor

AT_ONCE = 2_000_000  # rows of a share, of which few columns are read


@dataclass(frozen=True)
class KeyShare:
    """The rows whose key has one of the hashes. Equal keys are in the same share, -0.0 and 0.0 being equal.

    Attributes:
        key: The columns of the key; of the same types wherever rows are matched by it.
        number: The number of the share, from 0.
        shares: How many shares there are.
    """

    key: tuple[str, ...]
    number: int
    shares: int

    def of(self, rows: pa.Table | Dataset) -> pa.Table:
        """The rows of this share, in their order; of a dataset, no others are in memory."""
        key = hash_of(pa.schema([rows.schema.field(name) for name in self.key]))
        with database_cursor() as database:
            database.execute("set timezone = 'UTC'")
            database.register("all_rows", rows)
            condition = f"{key} % {self.shares} = {self.number}"
            return database.sql(f"select * from all_rows where {condition}").to_arrow_table().cast(rows.schema)


def hash_of(key: pa.Schema) -> str:
    """DuckDB's expression of the hash of a key; -0.0 and 0.0 have the same."""
    columns = (f'"{field.name}"' + (" + 0.0" if pa.types.is_floating(field.type) else "") for field in key)
    return f"hash({', '.join(columns)})"


def shares_of(rows: int, key: Sequence[str]) -> list[KeyShare | None]:
    """The shares in which so many rows are read; None is all of them.

    Args:
        rows: The number of rows.
        key: The columns by which they are matched with others.
    """
    shares = ceil(rows / AT_ONCE)
    return [KeyShare(tuple(key), number, shares) for number in range(shares)] if shares > 1 else [None]
