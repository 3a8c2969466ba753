"""The bytes of a landed file, read in blocks, and their SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

from pyarrow import fs

from nightshift.errors import DataError, NotYetAvailable, TransientError
from nightshift.lake.files import is_folder, open_fs
from nightshift.lake.unreadable import UnreadableFileError

BLOCK_BYTES = 2**26  # how much of a file is in memory at once; a smaller file is read whole
LARGEST_RATIO = 200  # of the bytes of a file larger than a block to their compressed bytes


class Readable(Protocol):
    """A file that is read from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""


class LandedBytes:
    """A landed file that is open, whose bytes are hashed as they are read.

    Args:
        stream: The file, at its beginning.

    Attributes:
        position: How many bytes were read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hash = stream, hashlib.sha256()
        self.position, self._is_hashed = 0, False

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        content = bytes(self._stream.read(size))
        self._hash.update(content)
        self.position += len(content)
        return content

    def in_any_order(self) -> BinaryIO:
        """The file for a reader that goes back and forth, from its beginning; all of it is hashed before."""
        first = self.read(BLOCK_BYTES)
        self.digest()
        if self.position == len(first):
            return io.BytesIO(first)
        self._stream.seek(0)
        return self._stream

    def digest(self) -> str:
        """The SHA-256 of the whole file; what was not read yet is read."""
        while not self._is_hashed:
            self._is_hashed = not self.read(BLOCK_BYTES)
        return self._hash.hexdigest()


@contextmanager
def open_landed(uri: str) -> Iterator[LandedBytes]:
    """Opens a landed file.

    Raises:
        NotYetAvailable: If it has not landed.
        DataError: If there is a folder of its name.
        TransientError: If it is larger than a block, and changes before it is closed.
    """
    system, path = open_fs(uri)
    try:
        stream = system.open_input_file(path)
    except FileNotFoundError:
        raise NotYetAvailable("the file has not landed", where=uri) from None
    except OSError:
        if not is_folder(uri):
            raise
        raise DataError("a folder, not a file", where=uri, fix="land a file of that name") from None
    with stream:
        before = system.get_file_info(path) if stream.size() > BLOCK_BYTES else None
        try:
            yield LandedBytes(stream)
        except (DataError, OSError):  # what was read may be half of another file
            _check_unchanged(uri, before)
            raise
    _check_unchanged(uri, before)


def _check_unchanged(uri: str, before: fs.FileInfo | None) -> None:
    system, path = open_fs(uri)
    after = system.get_file_info(path) if before else None
    if before and after and (before.size, before.mtime_ns) != (after.size, after.mtime_ns):
        raise TransientError(
            "the file changed while it was read",
            where=uri,
            fix="it is read again by the next attempt; let files land under another name until they are complete",
        ) from None


def file_digest(uri: str) -> str:
    """The SHA-256 of a landed file.

    Raises:
        NotYetAvailable: If it has not landed.
    """
    with open_landed(uri) as file:
        return file.digest()


class UnpackedBytes:
    """What a file that gzip compressed holds, unpacked as it is read.

    Args:
        file: The compressed file, at its beginning.
    """

    def __init__(self, file: LandedBytes) -> None:
        self._packed = file
        self._stream, self._position = gzip.GzipFile(fileobj=cast(BinaryIO, file)), 0  # of which it only reads

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end.

        Raises:
            UnreadableFileError: If the file is unpacked to a size that no data have.
        """
        content = self._stream.read(size)
        self._position += len(content)
        require_plausible_size(self._position, self._packed.position)
        return content


def require_plausible_size(unpacked: int, packed: int) -> None:
    """Refuses what is unpacked to many times its size, as a file of zeros is: it would fill memory and staging.

    Rows of data are unpacked to 3 to 50 times their size, and what fits into a block does no harm.

    Args:
        unpacked: Bytes that were unpacked, or will be.
        packed: The compressed bytes that hold them.

    Raises:
        UnreadableFileError: If so.
    """
    if unpacked > BLOCK_BYTES and unpacked > LARGEST_RATIO * packed:
        raise UnreadableFileError(
            "it is unpacked to more bytes than data can have",
            "land the file again if it is not what was sent; if it is, land it without compression",
            received=f"{unpacked:,} bytes or more from {packed:,}",
            allowed=f"{BLOCK_BYTES:,} bytes, or {LARGEST_RATIO} times the compressed bytes",
        )


def chunks_of(file: Readable, size: int = 0) -> Iterator[bytes]:
    """A file in chunks of a size, `BLOCK_BYTES` by default, of which the last may be smaller."""
    while chunk := file.read(size or BLOCK_BYTES):
        yield chunk


def with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Chunks, each with whether it is the last; of none, an empty one."""
    previous: bytes | None = None
    for chunk in chunks:
        if previous is not None:
            yield previous, False
        previous = chunk
    yield previous or b"", True
