"""The formats that source files land in: a function a format, from a file's bytes to tables of its rows.

To add a format, write its function here, list it in FORMATS, and add its ending to SOURCE_ENDINGS in
`nightshift.definition.source`. A format that stores no types gives text columns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

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
from nightshift.lake.unreadable import UnreadableFileError
from nightshift.service_errors import explain

# What a broken file raises, whatever its format.
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError)


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
    block_rows = _block_rows(parquet.metadata, len(parquet.schema_arrow.names))
    # Some row groups at a time: Arrow keeps the pages of all that it was asked for to their end.
    sizes = [parquet.metadata.row_group(number).num_rows for number in range(parquet.num_row_groups)]
    groups = list(_neighbours(sizes, block_rows))
    if int96:
        yield from _with_instants(parquet, pq.ParquetFile(stream), groups or [[]], int96)
    elif not parquet.metadata.num_rows:
        yield parquet.schema_arrow.empty_table()
    else:
        for numbers in groups:
            for batch in parquet.iter_batches(block_rows, numbers):
                yield pa.Table.from_batches([batch])


def _block_rows(metadata: pq.FileMetaData, columns: int) -> int:
    """How many rows of a file are about a block."""
    bytes_of_row = max(
        8 * columns, _stored_bytes(metadata) / max(1, metadata.num_rows), 1
    )  # more than stored, where values repeat
    return max(1, int(BLOCK_BYTES / bytes_of_row))


def _stored_bytes(metadata: pq.FileMetaData) -> int:
    """How many bytes the pages of a file have when they are unpacked."""
    return sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))


def _with_instants(
    parquet: pq.ParquetFile, fine: pq.ParquetFile, groups: Sequence[Sequence[int]], int96: Sequence[int]
) -> Iterator[pa.Table]:
    """The rows of row groups with INT96 as instants, or as texts where a column has digits beyond the microsecond.

    Read once more in nanoseconds, since Arrow gives one unit of all columns, and before to see which column has some.

    Args:
        parquet: The file, with instants in microseconds.
        fine: The file, with instants in nanoseconds.
        groups: The numbers of the row groups of each table.
        int96: The places of the columns.
    """
    texts = set[int]()
    for numbers in groups:
        rows, nanoseconds = (_read_groups(each, numbers) for each in (parquet, fine))
        texts |= {place for place in int96 if _digits_beyond(rows.column(place), nanoseconds.column(place)).any()}
    for numbers in groups:
        rows, nanoseconds = (_read_groups(each, numbers) for each in (parquet, fine))
        for place in int96:
            instants = _int96_instants(rows.column(place), nanoseconds.column(place), is_text=place in texts)
            rows = rows.set_column(place, rows.column_names[place], instants)
        yield rows


def _read_groups(parquet: pq.ParquetFile, numbers: Sequence[int]) -> pa.Table:
    return parquet.read_row_groups(numbers) if numbers else parquet.schema_arrow.empty_table()


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


def _int96_instants(microseconds: pa.ChunkedArray, nanoseconds: pa.ChunkedArray, *, is_text: bool) -> pa.ChunkedArray:
    """INT96 as instants. Arrow cuts them to the microsecond, and those in nanoseconds end in the year 2262.

    Instants with digits beyond the microsecond stay texts with all of their digits: they are refused, by name.
    """
    if not is_text:
        return microseconds.cast(pa.timestamp("us", "UTC"))
    digits = pa.array([f"{number:03d}Z" for number in _digits_beyond(microseconds, nanoseconds).tolist()], pa.string())
    texts = pc.replace_substring(pc.strftime(microseconds, "%Y-%m-%dT%H:%M:%S"), "Z", "")
    return pa.chunked_array([pc.binary_join_element_wise(texts.combine_chunks(), digits, "")])


def _digits_beyond(microseconds: pa.ChunkedArray, nanoseconds: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The nanoseconds of each instant beyond its microseconds."""
    coarse, fine = (
        values.combine_chunks().cast(pa.int64()).fill_null(0).to_numpy() for values in (microseconds, nanoseconds)
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
