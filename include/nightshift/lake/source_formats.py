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
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from nightshift.definition.source import SOURCE_ENDINGS
from nightshift.errors import DataError, first_line

# What a broken file raises, whatever its format.
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError)


def read_csv(content: bytes) -> pa.Table:
    """Comma-separated values with a header; every column is text."""
    names = pc_csv.open_csv(io.BytesIO(content)).schema.names
    options = pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
    return pc_csv.read_csv(io.BytesIO(content), convert_options=options)


def read_gzipped_csv(content: bytes) -> pa.Table:
    """The same, compressed by gzip."""
    return read_csv(gzip.decompress(content))


def read_parquet(content: bytes) -> pa.Table:
    """Parquet, with the types it stores."""
    return pq.ParquetFile(io.BytesIO(content)).read()


# By the ending of the file's name.
FORMATS: dict[str, Callable[[bytes], pa.Table]] = {
    ".csv": read_csv,
    ".csv.gz": read_gzipped_csv,
    ".parquet": read_parquet,
}


def parse_source_file(uri: str, content: bytes) -> pa.Table:
    """Reads a landed file in the format that its name ends with.

    Args:
        uri: The file.
        content: Its bytes.

    Raises:
        DataError: If it cannot be read.
    """
    ending = next(ending for ending in SOURCE_ENDINGS if uri.endswith(ending))
    try:
        return FORMATS[ending](content)
    except READ_ERRORS as error:
        problem = f"cannot be read: {first_line(error)}"
        raise DataError(problem, where=uri, fix="land the complete file again") from None
