"""The formats that source files land in: a function a format, from a file's bytes to tables of its rows.

To add a format, write its function here, list it in FORMATS, and add its ending to SOURCE_ENDINGS in
`nightshift.definition.source`. A format that stores no types gives text columns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightshift.definition.source import JSON_ENDINGS, PLAIN_CSV, SOURCE_ENDINGS, CsvFormat
from nightshift.errors import DataError, first_line
from nightshift.lake.csv_files import read_csv
from nightshift.lake.json_lines import read_json_lines
from nightshift.lake.landed_bytes import BLOCK_BYTES, LandedBytes, as_gzip
from nightshift.lake.unreadable import UnreadableFileError
from nightshift.service_errors import explain

# What a broken file raises, whatever its format.
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError)


def read_gzipped_csv(file: LandedBytes, written: CsvFormat) -> Iterator[pa.Table]:
    """A CSV file that is compressed by gzip."""
    return read_csv(as_gzip(file), written)


def read_json(file: LandedBytes, _: CsvFormat) -> Iterator[pa.Table]:
    """A JSON object a line."""
    return read_json_lines(file)


def read_gzipped_json(file: LandedBytes, _: CsvFormat) -> Iterator[pa.Table]:
    """A JSON object a line, compressed by gzip."""
    yield from read_json_lines(as_gzip(file))
    if not file.position:
        raise EOFError("the file is empty")


def read_parquet(file: LandedBytes, _: CsvFormat) -> Iterator[pa.Table]:
    """Parquet, with the types it stores. INT96 is an instant, as Spark writes it."""
    stream = file.in_any_order()
    parquet = pq.ParquetFile(stream, coerce_int96_timestamp_unit="us")
    schema = parquet.schema
    stored = {column.path for column in map(schema.column, range(len(schema.names))) if column.physical_type == "INT96"}
    int96 = sorted(stored & set(parquet.schema_arrow.names))
    block_rows = _block_rows(parquet.metadata, len(parquet.schema_arrow.names))
    if not parquet.metadata.num_rows:
        yield _with_instants(parquet.schema_arrow.empty_table(), pq.ParquetFile(stream), [], int96)
    # Some row groups at a time: Arrow keeps the pages of all that it was asked for to their end.
    sizes = [parquet.metadata.row_group(number).num_rows for number in range(parquet.num_row_groups)]
    for numbers in _neighbours(sizes, block_rows):
        if int96:
            yield _with_instants(parquet.read_row_groups(numbers), pq.ParquetFile(stream), numbers, int96)
        else:
            yield from map(_table_of, parquet.iter_batches(block_rows, numbers))


def _block_rows(metadata: pq.FileMetaData, columns: int) -> int:
    """How many rows of a file are about a block."""
    stored = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    bytes_of_row = max(8 * columns, stored / max(1, metadata.num_rows), 1)  # more than stored, where values repeat
    return max(1, int(BLOCK_BYTES / bytes_of_row))


def _table_of(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])


def _with_instants(rows: pa.Table, parquet: pq.ParquetFile, numbers: Sequence[int], int96: Sequence[str]) -> pa.Table:
    """The rows of row groups with INT96 as instants: read once more, since Arrow gives one unit of all columns."""
    fine = parquet.read_row_groups(numbers, columns=int96) if numbers else parquet.schema_arrow.empty_table()
    for name in int96:
        instants = _int96_instants(rows.column(name), fine.column(name))
        rows = rows.set_column(rows.schema.get_field_index(name), name, instants)
    return rows


def _neighbours(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """The places of neighbouring sizes that are at most `most` together, or one."""
    numbers, total = list[int](), 0
    for number, size in enumerate(sizes):
        if numbers and total + size > most:
            yield numbers
            numbers, total = [], 0
        numbers.append(number)
        total += size
    if numbers:
        yield numbers


def _int96_instants(microseconds: pa.ChunkedArray, nanoseconds: pa.ChunkedArray) -> pa.ChunkedArray:
    """INT96 as instants. Arrow cuts them to the microsecond, and those in nanoseconds end in the year 2262.

    Instants with digits beyond the microsecond stay texts with all of their digits: they are refused, by name.
    """
    coarse, fine = (
        values.combine_chunks().cast(pa.int64()).fill_null(0).to_numpy() for values in (microseconds, nanoseconds)
    )
    rest = fine - coarse * 1000  # both overflow alike
    instants = microseconds.cast(pa.timestamp("us", "UTC"))
    if not rest.any():
        return instants
    digits = pa.array([f"{number:03d}Z" for number in rest.tolist()])
    texts = pc.replace_substring(pc.strftime(microseconds, "%Y-%m-%dT%H:%M:%S"), "Z", "")
    return pa.chunked_array([pc.binary_join_element_wise(texts.combine_chunks(), digits, "")])


# By the ending of the file's name.
FORMATS: dict[str, Callable[[LandedBytes, CsvFormat], Iterator[pa.Table]]] = {
    ".csv": read_csv,
    ".csv.gz": read_gzipped_csv,
    **dict.fromkeys(JSON_ENDINGS, read_json),
    **{f"{ending}.gz": read_gzipped_json for ending in JSON_ENDINGS},
    ".parquet": read_parquet,
}


def read_source_file(uri: str, file: LandedBytes, written: CsvFormat = PLAIN_CSV) -> Iterator[pa.Table]:
    """Reads a landed file in the format that its name ends with.

    Args:
        uri: The file.
        file: Its bytes.
        written: How its source's CSV files are written.

    Yields:
        Its rows, a table of about a block after the other; at least one table. Tables of JSON have more and more
        columns; those of other formats have the same.

    Raises:
        DataError: If it cannot be read.
    """
    ending = next(ending for ending in SOURCE_ENDINGS if uri.endswith(ending))
    try:
        yield from FORMATS[ending](file, written)
    except UnreadableFileError as error:
        raise DataError(f"cannot be read: {error}", where=uri, fix=error.fix) from None
    except READ_ERRORS as error:
        if explain(error):  # an object store's answer, not the file's fault
            raise
        problem = f"cannot be read: {first_line(error)}"
        raise DataError(problem, where=uri, fix="land the complete file again") from None
