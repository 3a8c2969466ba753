"""Whether a key occurs once: by the hashes of all keys, in one process, where they are all different.

Different hashes prove different keys. Where two are equal, which happens to 50 million different keys once in fifteen
thousand times, nothing is proven, and Great Expectations compares the keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import pyarrow as pa

from nightshift.lake.damage import reading
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.key_shares import hash_of
from nightshift.lake.parquet import dataset_of
from nightshift.lake.tables import TableSpec

AT_ONCE = 2**25  # hashes of 8 bytes that are sorted at once


def are_distinct(files: Sequence[str], rows: int, spec: TableSpec, columns: Sequence[str]) -> bool:
    """Whether a key is proven to occur once in the rows of files; a missing value is a value.

    Args:
        files: Parquet files.
        rows: How many rows they have.
        spec: Their table.
        columns: The columns of the key.
    """
    schema = pa.schema([spec.schema.field(name) for name in columns])
    passes = ceil(rows / AT_ONCE)
    for number in range(passes):
        with reading(files), database_cursor() as database:
            database.execute("set timezone = 'UTC'")
            database.register("all_rows", dataset_of(files, schema))
            hashes = f"select {hash_of(schema)} as key_hash from all_rows"
            query = database.sql(f"select key_hash from ({hashes}) where key_hash % {passes} = {number}")
            parts = [batch.column(0).to_numpy() for batch in query.to_arrow_reader()]
        ordered = np.concatenate(parts) if parts else np.empty(0, np.uint64)
        del parts
        ordered.sort()
        if np.any(ordered[1:] == ordered[:-1]):
            return False
    return True
