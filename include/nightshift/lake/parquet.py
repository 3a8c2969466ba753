"""Writing rows as Parquet, each partition into a file of its own: in the loop itself and in Spark's workers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.dataset import FileSystemDataset, ParquetFileFormat

from nightshift.lake.files import open_fs
from nightshift.lake.tables import TableSpec

MAX_ROWS_IN_MEMORY = 1_000_000  # that a worker holds, so that its memory stays flat


def write_files(spec: TableSpec, rows: pa.Table, folder: str) -> dict[str, int]:
    """Writes rows into a folder, each partition into a file of its own, sorted by the table's key.

    Returns:
        The files as URIs, with their numbers of rows.
    """
    system, path = open_fs(folder)
    system.create_dir(path, recursive=True)
    table = rows.select(spec.schema.names).cast(spec.schema)
    by = dict.fromkeys([*spec.partition_columns, *spec.key])
    table = table.sort_by([(column, "ascending") for column in by])
    written = {}
    for part in _partitions(table, spec.partition_columns):
        name = f"{part[spec.date_column][0]}-{uuid.uuid4().hex}.parquet"
        pq.write_table(part, f"{path}/{name}", filesystem=system, compression="zstd")
        written[f"{folder}/{name}"] = part.num_rows
    return written


def read_files(uris: Sequence[str], spec: TableSpec, columns: Sequence[str] = ()) -> pa.Table:
    """The rows of files as they would be published, in the files' order; several are read at once.

    Args:
        uris: The files.
        spec: The table they are for.
        columns: Only these; all if empty. One that was declared after a file was written is null in its rows.
    """
    schema = pa.schema([spec.schema.field(name) for name in columns or spec.columns])
    parquet = ParquetFileFormat()
    # From files, not from their paths: those would be searched and their folders' names read.
    files = [parquet.make_fragment(path, system) for system, path in map(open_fs, uris)]
    return FileSystemDataset(files, schema, parquet).to_table()


def row_count(uri: str) -> int:
    """How many rows a file has; only its metadata is read."""
    system, path = open_fs(uri)
    return int(pq.read_metadata(path, filesystem=system).num_rows)


def date_of_parquet_file(file: str) -> date:
    """The date of the rows of a file that `write_files` wrote."""
    return date.fromisoformat(file.rsplit("/", 1)[-1][:10])


def batches_to_tables(batches: Iterable[pa.RecordBatch], most: int = MAX_ROWS_IN_MEMORY) -> Iterator[pa.Table]:
    """What comes in batches, as tables of about so many rows; none if there are no rows."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= most:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held)


def _partitions(table: pa.Table, columns: tuple[str, ...]) -> list[pa.Table]:
    """Slices of a sorted table, one a partition."""
    if table.num_rows == 0:
        return []
    lengths = table.group_by(list(columns), use_threads=False).aggregate([([], "count_all")])["count_all"].to_pylist()
    slices, start = [], 0
    for length in lengths:
        slices.append(table.slice(start, length))
        start += length
    return slices
