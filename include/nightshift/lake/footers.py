"""Checksums of the footers of Parquet files, which Parquet has for pages alone.

A footer names the columns and says which values a row group can have. Of a changed name a column would be read as one
that was declared later, without a value, and of changed bounds a filter would leave rows out. So the name of a data
file ends with the checksum of its footer.
"""

from __future__ import annotations

import re
import zlib
from os import SEEK_END

from pyarrow import fs

from nightshift.lake.files import open_fs

MAGIC = b"PAR1"
TAIL_BYTES = 8  # the footer's length and the magic word, as the format has them at the end of a file
NAME = re.compile(r".*-[0-9a-f]{32}(?P<checksum>[0-9a-f]{8})\.parquet")


def with_checksum(uri: str) -> str:
    """Renames a finished data file, so that its name ends with the checksum of its footer.

    Only on local disks: an object store cannot rename, and has checksums of its own.

    Args:
        uri: The file, whose name ends with 32 hexadecimal digits.

    Returns:
        The file, as it is named now.
    """
    system, path = open_fs(uri)
    if not isinstance(system, fs.LocalFileSystem):
        return uri
    ending = f"{_checksum(system, path)}.parquet"
    system.move(path, path.removesuffix(".parquet") + ending)
    return uri.removesuffix(".parquet") + ending


def footer_problem(uri: str) -> str:
    """What is wrong with the footer of a data file, as a message says it; empty if nothing is known to be wrong.

    Args:
        uri: The file. That of an object store, or of an earlier release, has no checksum.
    """
    system, path = open_fs(uri)
    match = NAME.fullmatch(path)
    if match is None or not isinstance(system, fs.LocalFileSystem) or _checksum(system, path) == match["checksum"]:
        return ""
    return "cannot be read: its footer does not have the checksum that it was written with"


def _checksum(system: fs.LocalFileSystem, path: str) -> str:
    """The CRC-32 of a file's footer with its tail, as eight hexadecimal digits; empty if there is no footer."""
    with system.open_input_file(path) as file:
        size = file.size()
        if size < TAIL_BYTES:
            return ""
        file.seek(-TAIL_BYTES, SEEK_END)
        tail = file.read(TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > size - TAIL_BYTES:
            return ""
        file.seek(-TAIL_BYTES - length, SEEK_END)
        return f"{zlib.crc32(file.read(length) + tail):08x}"
