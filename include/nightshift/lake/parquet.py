"""Reads and writes Parquet files, one or more for each partition: in the tasks themselves and in Spark's workers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.dataset import FileSystemDataset, ParquetFileFormat, ParquetFragmentScanOptions

from nightshift.errors import DataError
from nightshift.lake.damage import reading
from nightshift.lake.files import make_folder_of, open_fs, writing
from nightshift.lake.footers import with_checksum
from nightshift.lake.key_shares import KeyShare
from nightshift.lake.tables import ROW_NUMBER, TableSpec

MAX_ROWS_IN_MEMORY = 1_000_000  # of a worker, so that its memory stays flat
MAX_BYTES_IN_MEMORY = 2**28
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class FilePart:
    """Some row groups of a Parquet file.

    Attributes:
        file: The file's URI.
        row_groups: The positions of the first and past the last row group; every row group if None.
        first_row: The number of the file's first row in its set.
    """

    file: str
    row_groups: tuple[int, int] | None = None
    first_row: int = 0


def write_files(spec: TableSpec, rows: pa.Table, folder: str) -> dict[str, int]:
    """Writes rows into a folder, each partition into a file of its own, sorted by the table's key.

    Returns:
        The files as URIs, with their numbers of rows.
    """
    with writing(folder):
        make_folder_of(f"{folder}/")
    system, path = open_fs(folder)
    table = rows.select(spec.schema.names).cast(spec.schema)
    by = dict.fromkeys([*spec.partition_columns, *spec.key])
    table = table.sort_by([(column, "ascending") for column in by])
    written = {}
    for part in _partitions(table, spec.partition_columns):
        name = f"{part[spec.date_column][0]}-{uuid.uuid4().hex}.parquet"
        with writing(folder):
            pq.write_table(part, f"{path}/{name}", filesystem=system, compression="zstd", write_page_checksum=True)
            written[with_checksum(f"{folder}/{name}")] = part.num_rows
    return written


def with_columns(rows: pa.Table, schema: pa.Schema, constants: Mapping[str, Any] | None = None) -> pa.Table:
    """Rows with the columns of a schema alone: those that they have, others with one value in every row, or nulls.

    Args:
        rows: The rows.
        schema: The names and types of the columns.
        constants: The value of columns that the rows do not have.
    """
    values = constants or {}

    def column(field: pa.Field) -> pa.ChunkedArray | pa.Array:
        if field.name in rows.column_names:
            return rows[field.name].cast(field.type)
        if field.name in values:
            return pa.repeat(pa.scalar(values[field.name], field.type), rows.num_rows)
        return pa.nulls(rows.num_rows, field.type)

    return pa.table(list(map(column, schema)), schema=schema)


def read_files(
    uris: Sequence[str], spec: TableSpec, columns: Sequence[str] = (), share: KeyShare | None = None
) -> pa.Table:
    """The rows of files as they would be published, in the files' order; several are read at once.

    Args:
        uris: The files.
        spec: The table of the rows.
        columns: The columns to read; all if empty. A column that was declared after a file was written is null there.
        share: The rows to read, by their key, which is among the columns; all if None.

    Raises:
        DamagedFileError: If a file is missing or damaged.
    """
    stored = dataset_of(uris, pa.schema([spec.schema.field(name) for name in columns or spec.columns]))
    with reading(uris):
        return stored.to_table() if share is None else share.of(stored)


def dataset_of(uris: Sequence[str], schema: pa.Schema) -> FileSystemDataset:
    """Files as a dataset, which is read when it is asked for rows."""
    # With the checksums of its pages, a file that other bytes were written into is not read as other values.
    parquet = ParquetFileFormat(
        default_fragment_scan_options=ParquetFragmentScanOptions(page_checksum_verification=True)
    )
    # From fragments, not from paths: paths would be listed, and the names of their folders parsed.
    files = [parquet.make_fragment(path, system) for system, path in map(open_fs, uris)]
    return FileSystemDataset(files, schema, parquet)


def read_batches(
    parts: Iterable[FilePart], schema: pa.Schema, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows of files, in the order of the parts and of their rows; memory holds about a batch of them.

    Args:
        parts: The files, or parts of them.
        schema: The columns to read. One that a file lacks, since it was declared later, is null there; `ROW_NUMBER` is
            the number of each row in its set.
        batch_rows: The rows of a batch; small files are read into common ones.

    Raises:
        DamagedFileError: If a file is missing or damaged.
        DataError: If its column has another type.
    """
    batches = (batch for part in parts for batch in _part_batches(part, schema, batch_rows))
    for table in batches_to_tables(batches, batch_rows):
        yield from table.combine_chunks().to_batches()


def row_count(uri: str) -> int:
    """The number of rows in a file; only its metadata is read.

    Raises:
        DamagedFileError: If the file is missing or damaged.
    """
    return int(_metadata(uri).num_rows)


def row_group_count(uri: str) -> int:
    """The number of row groups in a file; only its metadata is read.

    Raises:
        DamagedFileError: If the file is missing or damaged.
    """
    return int(_metadata(uri).num_row_groups)


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


def joined_tables(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Concatenates neighbouring tables as long as they are small (`MAX_ROWS_IN_MEMORY`, `MAX_BYTES_IN_MEMORY`)."""
    pending, rows, size = list[pa.Table](), 0, 0
    for table in tables:
        rows, size = rows + table.num_rows, size + table.nbytes
        if pending and (rows > MAX_ROWS_IN_MEMORY or size > MAX_BYTES_IN_MEMORY):
            yield pa.concat_tables(pending)
            pending, rows, size = [], table.num_rows, table.nbytes
        pending.append(table)
    yield pa.concat_tables(pending)


def _metadata(uri: str) -> pq.FileMetaData:
    system, path = open_fs(uri)
    with reading([uri]):
        return pq.read_metadata(path, filesystem=system)


def _part_batches(part: FilePart, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    system, path = open_fs(part.file)
    with reading([part.file]), system.open_input_file(path) as stream:
        # An object store is asked for all columns of a row group at once, instead of one after the other.
        parquet = pq.ParquetFile(stream, pre_buffer=True, page_checksum_verification=True)
        first, end = part.row_groups or (0, parquet.num_row_groups)
        row = part.first_row + sum(parquet.metadata.row_group(number).num_rows for number in range(first))
        columns = _stored_columns(part.file, parquet.schema_arrow, schema)
        for batch in parquet.iter_batches(batch_rows, range(first, end), columns, use_threads=False):
            yield pa.RecordBatch.from_arrays([_values(batch, field, row) for field in schema], schema=schema)
            row += batch.num_rows


def _stored_columns(file: str, stored: pa.Schema, schema: pa.Schema) -> list[str]:
    """The columns that a file has, of those to read."""
    columns = [field for field in schema if field.name in stored.names]
    for field in columns:
        if (kind := stored.field(field.name).type) != field.type:
            raise DataError(
                "a column of a data file has another type than declared",
                where=f"{file}: {field.name}",
                received=str(kind),
                allowed=str(field.type),
                fix="publish the rows of its date again",
            )
    return [field.name for field in columns]


def _values(batch: pa.RecordBatch, field: pa.Field, first_row: int) -> pa.Array:
    if field.name == ROW_NUMBER:
        return pa.array(np.arange(first_row, first_row + batch.num_rows))
    if field.name in batch.schema.names:
        return batch.column(field.name)
    return pa.nulls(batch.num_rows, field.type)


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
