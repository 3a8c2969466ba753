"""State in a folder: of one machine, or one that several machines mount."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from nightshift.settings import make_folder
from nightshift.state.reentrance import ReentrantLocks


class FolderState:
    """Records are files; locks are the kernel's, which end with their process.

    Args:
        location: The folder, as a path or a `file://` URI.
    """

    def __init__(self, location: str) -> None:
        self.folder = Path(location.removeprefix("file://"))
        self.lock = ReentrantLocks(self._lock)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self.folder / name).read_bytes()
        return None

    def write(self, name: str, content: bytes) -> None:
        """Writes a file beside its place, and moves it there."""
        with self._complete_file(name, content) as (part, file):
            part.replace(file)

    def create(self, name: str, content: bytes) -> bool:
        """Links a complete file to its place, which fails if there is one already."""
        with self._complete_file(name, content) as (part, file):
            try:
                os.link(part, file)
            except FileExistsError:
                return False
            return True

    def names(self, folder: str) -> list[str]:
        """The files below a folder; those that are being written are none yet."""
        files = (file for file in (self.folder / folder).rglob("*") if file.is_file() and file.suffix != ".part")
        return sorted(str(file.relative_to(self.folder)) for file in files)

    def remove(self, name: str) -> None:
        """Removes a file, if it exists."""
        (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        file = self._place(f"locks/{name}.lock")
        with FileLock(file):
            yield

    @contextmanager
    def _complete_file(self, name: str, content: bytes) -> Iterator[tuple[Path, Path]]:
        file = self._place(name)
        handle, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            yield Path(part), file
        finally:
            Path(part).unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        file = self.folder / name
        make_folder(file.parent, "set NIGHTSHIFT_VAR, or NIGHTSHIFT_STATE, to one")
        return file
