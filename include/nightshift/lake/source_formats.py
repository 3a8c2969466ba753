"""The formats that source files land in: a function a format, from a file's bytes to rows.

To add a format, write its function here, list it in FORMATS, and add its ending to SOURCE_ENDINGS in
`nightshift.definition.source`. A format that stores no types gives text columns.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightshift.definition.source import JSON_ENDINGS, PLAIN_CSV, SOURCE_ENDINGS, CsvFormat
from nightshift.errors import DataError, first_line
from nightshift.lake.csv_files import parse_csv
from nightshift.lake.json_lines import parse_json_lines
from nightshift.lake.unreadable import UnreadableFileError

# What a broken file raises, whatever its format.
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError)


def read_gzipped_csv(content: bytes, written: CsvFormat) -> pa.Table:
    """A CSV file that is compressed by gzip."""
    return parse_csv(gzip.decompress(content), written)


def read_json_lines(content: bytes, _: CsvFormat) -> pa.Table:
    """A JSON object a line."""
    return parse_json_lines(content)


def read_gzipped_json_lines(content: bytes, _: CsvFormat) -> pa.Table:
    """A JSON object a line, compressed by gzip."""
    if not content:
        raise EOFError("the file is empty")
    return parse_json_lines(gzip.decompress(content))


def read_parquet(content: bytes, _: CsvFormat) -> pa.Table:
    """Parquet, with the types it stores. INT96 is an instant, as Spark writes it."""
    parquet = pq.ParquetFile(io.BytesIO(content), coerce_int96_timestamp_unit="us")
    rows, schema = parquet.read(), parquet.schema
    stored = {column.path for column in map(schema.column, range(len(schema.names))) if column.physical_type == "INT96"}
    if not stored & set(rows.column_names):
        return rows
    nanoseconds = pq.ParquetFile(io.BytesIO(content)).read()
    for place, name in enumerate(rows.column_names):
        if name in stored:
            rows = rows.set_column(place, name, _int96_instants(rows.column(place), nanoseconds.column(place)))
    return rows


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
FORMATS: dict[str, Callable[[bytes, CsvFormat], pa.Table]] = {
    ".csv": parse_csv,
    ".csv.gz": read_gzipped_csv,
    **dict.fromkeys(JSON_ENDINGS, read_json_lines),
    **{f"{ending}.gz": read_gzipped_json_lines for ending in JSON_ENDINGS},
    ".parquet": read_parquet,
}


def parse_source_file(uri: str, content: bytes, written: CsvFormat = PLAIN_CSV) -> pa.Table:
    """Reads a landed file in the format that its name ends with.

    Args:
        uri: The file.
        content: Its bytes.
        written: How its source's CSV files are written.

    Raises:
        DataError: If it cannot be read.
    """
    ending = next(ending for ending in SOURCE_ENDINGS if uri.endswith(ending))
    try:
        return FORMATS[ending](content, written)
    except UnreadableFileError as error:
        raise DataError(f"cannot be read: {error}", where=uri, fix=error.fix) from None
    except READ_ERRORS as error:
        problem = f"cannot be read: {first_line(error)}"
        raise DataError(problem, where=uri, fix="land the complete file again") from None
