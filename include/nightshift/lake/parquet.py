"""Reads and writes Parquet files, one or more for each partition: in the tasks themselves and in Spark's workers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.dataset import FileSystemDataset, ParquetFileFormat

from nightshift.lake.files import make_folder_of, open_fs
from nightshift.lake.tables import TableSpec

MAX_ROWS_IN_MEMORY = 1_000_000  # of a worker, so that its memory stays flat


def write_files(spec: TableSpec, rows: pa.Table, folder: str) -> dict[str, int]:
    """Writes rows into a folder, each partition into a file of its own, sorted by the table's key.

    Returns:
        The files as URIs, with their numbers of rows.
    """
    make_folder_of(f"{folder}/")
    system, path = open_fs(folder)
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
        spec: The table of the rows.
        columns: The columns to read; all if empty. A column that was declared after a file was written is null there.
    """
    return dataset_of(uris, pa.schema([spec.schema.field(name) for name in columns or spec.columns])).to_table()


def dataset_of(uris: Sequence[str], schema: pa.Schema) -> FileSystemDataset:
    """Files as a dataset, which is read when it is asked for rows."""
    parquet = ParquetFileFormat()
    # From fragments, not from paths: paths would be listed, and the names of their folders parsed.
    files = [parquet.make_fragment(path, system) for system, path in map(open_fs, uris)]
    return FileSystemDataset(files, schema, parquet)


def row_count(uri: str) -> int:
    """The number of rows in a file; only its metadata is read."""
    system, path = open_fs(uri)
    return int(pq.read_metadata(path, filesystem=system).num_rows)


def date_of_parquet_file(file: str) -> date:
    """The date of the rows in a file that `write_files` wrote."""
    return date.fromisoformat(file.rsplit("/", 1)[-1][:10])


def batches_to_tables(batches: Iterable[pa.RecordBatch], max_rows: int = MAX_ROWS_IN_MEMORY) -> Iterator[pa.Table]:
    """Concatenates batches to tables of about `max_rows` rows; none if there are no rows."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        pending.append(batch)
        rows += batch.num_rows
        if rows >= max_rows:
            yield pa.Table.from_batches(pending)
            pending, rows = [], 0
    if rows:
        yield pa.Table.from_batches(pending)


def _partitions(table: pa.Table, columns: tuple[str, ...]) -> list[pa.Table]:
    """The slices of a sorted table, one for each partition."""
    if table.num_rows == 0:
        return []
    lengths = table.group_by(list(columns), use_threads=False).aggregate([([], "count_all")])["count_all"].to_pylist()
    slices, start = [], 0
    for length in lengths:
        slices.append(table.slice(start, length))
        start += length
    return slices
