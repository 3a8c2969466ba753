"""Bodies of requests as a stream of Arrow's IPC format: many rows without the time that JSON takes.

A body comes from anywhere, so nothing of it may take more memory than it is long: compressed batches and types whose
values are stored once for many rows are refused, and every offset is checked before it is followed.
"""

from __future__ import annotations

import struct

import pyarrow as pa
from pyarrow import ipc

from nightshift.errors import first_line
from nightshift.serving.request_body import SentRows, check_row_count, malformed

CONTENT_TYPE = "application/vnd.apache.arrow.stream"
TEXTS = (pa.string(), pa.large_string())
NUMBERS = (
    *(pa.float64(), pa.float32()),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
)
ALLOWED = f"columns of {', '.join(map(str, (*NUMBERS, *TEXTS)))}, without compression"
# Positions of fields in the tables of Arrow's format (Message.fbs), and the kind of message that a batch of rows is.
HEADER_TYPE, HEADER, COMPRESSION = 1, 2, 3
RECORD_BATCH = 3


def read_arrow(body: bytes, most_rows: int) -> SentRows:
    """The rows of a body.

    Args:
        body: The body.
        most_rows: The number of rows that a request may have.

    Raises:
        RequestRefusal: If it is no such stream, has other types of columns, or has too many rows.
    """
    try:
        schema = ipc.open_stream(body).schema
        _check_schema(schema)
        _check_messages(body)
        table = ipc.open_stream(body).read_all()
        table.validate(full=True)
    except (pa.ArrowException, ValueError, OSError, EOFError, struct.error) as error:
        raise malformed(f"the body is no stream of Arrow: {first_line(error)}", None, ALLOWED) from None
    check_row_count(table.num_rows, most_rows)
    columns = {name: column.combine_chunks() for name, column in zip(table.column_names, table.columns, strict=True)}
    return SentRows(columns, table.num_rows)


def _check_schema(schema: pa.Schema) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise malformed("two columns have the same name", schema.names, "each name once")
    for field in schema:
        if field.type not in (*NUMBERS, *TEXTS):
            raise malformed(f"column '{field.name}' has another type", field.type, ALLOWED)


def _check_messages(body: bytes) -> None:
    """Requires that every message after the schema is a batch of rows without compression."""
    messages = ipc.MessageReader.open_stream(body)
    messages.read_next_message()
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            return
        metadata = message.metadata.to_pybytes()
        root = struct.unpack_from("<I", metadata)[0]
        kind, header = _field(metadata, root, HEADER_TYPE), _field(metadata, root, HEADER)
        if not kind or metadata[kind] != RECORD_BATCH:
            raise malformed("the stream has another message than batches of rows", message.type, ALLOWED)
        batch = header + struct.unpack_from("<I", metadata, header)[0]
        if _field(metadata, batch, COMPRESSION):
            raise malformed("the stream is compressed", None, ALLOWED)


def _field(metadata: bytes, table: int, field: int) -> int:
    """Where a field of a table of a flatbuffer is; 0 if the table has none."""
    offsets = table - struct.unpack_from("<i", metadata, table)[0]
    if 4 + 2 * field >= struct.unpack_from("<H", metadata, offsets)[0]:
        return 0
    offset = struct.unpack_from("<H", metadata, offsets + 4 + 2 * field)[0]
    return table + offset if offset else 0
