"""The landing folder: what lies in it, and the refusal of symbolic links that lead out of it.

Object stores have no links: what they list lies below the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pyarrow import fs

from nightshift.errors import DataError
from nightshift.lake.files import files_with_times, local_path, open_fs


def landed_files(root: str, folder: str) -> dict[str, tuple[int, datetime]]:
    """The files below a folder with their sizes in bytes and when they were last written, sorted.

    A link within the landing folder is listed as what it leads to, and followed once. A link that leads out of it is
    not followed, and listed as a file by itself, so that `require_inside` names it.

    Args:
        root: The landing folder.
        folder: The folder, which is the landing folder or below it.
    """
    if not _is_local(folder):
        return files_with_times(folder)
    real = os.path.realpath(local_path(root))
    return {f"file://{path}": written for path, written in sorted(_walk(local_path(folder), real, frozenset()))}


def require_inside(root: str, uri: str) -> None:
    """Requires that what lies at a place of the landing folder lies in it.

    Raises:
        DataError: If a symbolic link leads out of it; the link is named.
    """
    if not _is_local(uri):
        return
    path, top = Path(local_path(uri)), Path(local_path(root))
    folder = os.path.realpath(top)
    if _is_below(os.path.realpath(path), folder):
        return
    parts = [part for part in (*reversed(path.parents), path) if part.is_relative_to(top)]
    link = next(part for part in parts if not _is_below(os.path.realpath(part), folder))
    raise DataError(
        "a symbolic link leads out of the landing folder",
        where=str(link),
        received=os.path.realpath(link),
        allowed=f"a link to what is below {folder}",
        fix="land the file itself, or let NIGHTSHIFT_LANDING name a folder that is above both",
    )


def _walk(folder: str, root: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, tuple[int, datetime]]]:
    """The files below a folder; `above` are the folders around it, to which a link back is not followed."""
    try:
        entries = list(os.scandir(folder))
        status = Path(folder).stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    around = above | {(status.st_dev, status.st_ino)}
    if len(around) == len(above):
        return
    for entry in entries:
        leads_out = entry.is_symlink() and not _is_below(os.path.realpath(entry.path), root)
        if not leads_out and entry.is_dir():
            yield from _walk(entry.path, root, around)
        elif leads_out or entry.is_file():
            try:
                written = entry.stat(follow_symlinks=not leads_out)
            except FileNotFoundError:  # it went meanwhile
                continue
            yield entry.path, (written.st_size, datetime.fromtimestamp(written.st_mtime, UTC))


def _is_local(uri: str) -> bool:
    return isinstance(open_fs(uri)[0], fs.LocalFileSystem)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
