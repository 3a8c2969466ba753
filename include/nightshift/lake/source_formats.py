"""The formats that source files land in: a function a format, from a file's bytes to tables of its rows.

To add a format, write its function here, list it in FORMATS, and add its ending to SOURCE_ENDINGS in
`nightshift.definition.source`. A format that stores no types gives text columns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightshift.definition.source import JSON_ENDINGS, PLAIN_CSV, SOURCE_ENDINGS, CsvFormat
from nightshift.errors import DataError, first_line
from nightshift.lake.csv_files import read_csv
from nightshift.lake.json_lines import read_json_lines
from nightshift.lake.landed_bytes import BLOCK_BYTES, LandedBytes, UnpackedBytes, require_plausible_size
from nightshift.lake.parquet_values import NUMBER_BYTES, rows_of_block
from nightshift.lake.unreadable import UnreadableFileError
from nightshift.service_errors import explain

# What a broken file raises, whatever its format.
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError)


class Block(NamedTuple):
    """Neighbouring row groups of a Parquet file.

    Attributes:
        rows: How many rows of them may be in memory.
        groups: Their numbers.
    """

    rows: int
    groups: list[int]


def read_gzipped_csv(file: LandedBytes, written: CsvFormat) -> Iterator[pa.Table]:
    """A CSV file that is compressed by gzip."""
    return read_csv(UnpackedBytes(file), written)


def read_json(file: LandedBytes, _: CsvFormat) -> Iterator[pa.Table]:
    """A JSON object a line."""
    return read_json_lines(file)


def read_gzipped_json(file: LandedBytes, _: CsvFormat) -> Iterator[pa.Table]:
    """A JSON object a line, compressed by gzip."""
    yield from read_json_lines(UnpackedBytes(file))
    if not file.position:
        raise EOFError("the file is empty")


def read_parquet(file: LandedBytes, _: CsvFormat) -> Iterator[pa.Table]:
    """Parquet, with the types it stores. INT96 is an instant, as Spark writes it."""
    stream = file.in_any_order()
    parquet = pq.ParquetFile(stream, coerce_int96_timestamp_unit="us")
    schema = parquet.schema
    require_plausible_size(_stored_bytes(parquet.metadata), file.position)
    stored = {column.path for column in map(schema.column, range(len(schema.names))) if column.physical_type == "INT96"}
    int96 = [place for place, name in enumerate(parquet.schema_arrow.names) if name in stored]
    blocks = list(_blocks(stream, parquet.metadata))
    if int96:
        yield from _tables(parquet.schema_arrow, _with_instants(parquet, pq.ParquetFile(stream), blocks, int96))
    else:
        yield from _tables(parquet.schema_arrow, _batches(parquet, blocks))


def _blocks(stream: BinaryIO, metadata: pq.FileMetaData) -> Iterator[Block]:
    """The row groups of a file, some at a time: Arrow keeps the pages of all that it was asked for to their end."""
    numbers, total, most = list[int](), 0, 0
    for number in range(metadata.num_row_groups):
        size, rows = metadata.row_group(number).num_rows, rows_of_block(stream, metadata, number)
        if numbers and total + size > min(most, rows):
            yield Block(most, numbers)
            numbers, total = [], 0
        most = min(most, rows) if numbers else rows
        numbers.append(number)
        total += size
    if numbers:
        yield Block(most, numbers)


def _batches(parquet: pq.ParquetFile, blocks: Iterable[Block]) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        yield from parquet.iter_batches(block.rows, block.groups)


def _tables(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows of batches in tables of about a block; at least one table."""
    parts, size, is_empty = list[pa.RecordBatch](), 0, True
    for batch in map(_without_dictionaries, batches):
        batch_size = max(batch.nbytes, NUMBER_BYTES * batch.num_rows * batch.num_columns)
        if parts and size + batch_size > BLOCK_BYTES:
            yield pa.Table.from_batches(parts)
            parts, size = [], 0
        parts.append(batch)
        size, is_empty = size + batch_size, False
    if parts or is_empty:
        yield pa.Table.from_batches(parts) if parts else schema.empty_table()


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with the values that its columns stand for: what they take in memory is counted."""
    columns = [
        values.dictionary_decode() if pa.types.is_dictionary(values.type) else values for values in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _stored_bytes(metadata: pq.FileMetaData) -> int:
    """How many bytes the pages of a file have when they are unpacked."""
    return sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))


def _with_instants(
    parquet: pq.ParquetFile, fine: pq.ParquetFile, blocks: Sequence[Block], int96: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """The rows of row groups with INT96 as instants, or as texts where a column has digits beyond the microsecond.

    Read once more in nanoseconds, since Arrow gives one unit of all columns, and before to see which column has some.

    Args:
        parquet: The file, with instants in microseconds.
        fine: The file, with instants in nanoseconds.
        blocks: The row groups.
        int96: The places of the columns.
    """
    texts = set[int]()
    for rows, nanoseconds in zip(_batches(parquet, blocks), _batches(fine, blocks), strict=True):
        texts |= {place for place in int96 if _digits_beyond(rows.column(place), nanoseconds.column(place)).any()}
    for rows, nanoseconds in zip(_batches(parquet, blocks), _batches(fine, blocks), strict=True):
        columns = rows.columns
        for place in int96:
            columns[place] = _int96_instants(columns[place], nanoseconds.column(place), is_text=place in texts)
        yield pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _int96_instants(microseconds: pa.Array, nanoseconds: pa.Array, *, is_text: bool) -> pa.Array:
    """INT96 as instants. Arrow cuts them to the microsecond, and those in nanoseconds end in the year 2262.

    Instants with digits beyond the microsecond stay texts with all of their digits: they are refused, by name.
    """
    if not is_text:
        return microseconds.cast(pa.timestamp("us", "UTC"))
    digits = pa.array([f"{number:03d}Z" for number in _digits_beyond(microseconds, nanoseconds).tolist()], pa.string())
    texts = pc.replace_substring(pc.strftime(microseconds, "%Y-%m-%dT%H:%M:%S"), "Z", "")
    return pc.binary_join_element_wise(texts, digits, "")


def _digits_beyond(microseconds: pa.Array, nanoseconds: pa.Array) -> npt.NDArray[np.int64]:
    """The nanoseconds of each instant beyond its microseconds."""
    coarse, fine = (
        values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) for values in (microseconds, nanoseconds)
    )
    return np.asarray(fine - coarse * 1000)  # both overflow alike


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
        problem = f"cannot be read: {error}"
        raise DataError(problem, where=uri, received=error.received, allowed=error.allowed, fix=error.fix) from None
    except READ_ERRORS as error:
        if explain(error):  # an object store's answer, not the file's fault
            raise
        problem = f"cannot be read: {first_line(error)}"
        raise DataError(problem, where=uri, fix="land the complete file again") from None
