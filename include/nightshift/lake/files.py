"""Paths that may be local or URIs (`s3://…`), through Arrow's file systems."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from nightshift.aws import s3_file_system
from nightshift.errors import TerminalError
from nightshift.service_errors import explain_disk


def as_uri(location: str | Path) -> str:
    """A URI for a local path; URIs stay as they are.

    Raises:
        TerminalError: If it is empty, which would be the current folder.
    """
    if not (text := str(location)):
        raise TerminalError("an empty path", received=text, allowed="a path or a URI", fix="name a file or a folder")
    # Not Path.as_uri: Spark, Arrow and Iceberg take names as they are, without percent signs for spaces.
    return text if "://" in text else f"file://{Path(text).resolve()}"


def local_path(uri: str) -> str:
    """The plain path of a `file://` URI; anything else stays as it is."""
    return uri.removeprefix("file://")


@lru_cache(maxsize=16)
def _file_system(scheme: str, authority: str) -> fs.FileSystem:
    if scheme == "file":
        return fs.LocalFileSystem()
    if scheme == "s3":
        return s3_file_system()
    try:
        return fs.FileSystem.from_uri(f"{scheme}://{authority}")[0]
    except pa.ArrowInvalid as error:
        where, allowed = f"{scheme}://{authority}", "a path, s3://, gs://, abfs:// or hdfs://"
        raise TerminalError(
            f"no such file system: {error}",
            where=where,
            allowed=allowed,
            fix="correct the option or the setting that names it",
        ) from None


def open_fs(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a location, and the path in it.

    Raises:
        TerminalError: If there is no such file system, or nothing says where it is.
    """
    if "://" not in uri:
        return _file_system("file", ""), uri
    scheme, rest = uri.split("://", 1)
    return _file_system(scheme, "" if scheme in ("file", "s3") else rest.split("/", 1)[0]), rest


def make_folder_of(uri: str) -> None:
    """Makes the folder of a file that is about to be written; object stores have no folders."""
    system, path = open_fs(uri)
    if isinstance(system, fs.LocalFileSystem):
        system.create_dir(path.rsplit("/", 1)[0], recursive=True)


def exists(uri: str) -> bool:
    """Whether there is a file at a location."""
    system, path = open_fs(uri)
    return bool(system.get_file_info(path).type == fs.FileType.File)


def is_folder(uri: str) -> bool:
    """Whether there is a folder at a location."""
    system, path = open_fs(uri)
    return bool(system.get_file_info(path).type == fs.FileType.Directory)


def list_files(uri: str, ending: str = "") -> list[str]:
    """The files below a folder, as URIs, sorted; none if the folder does not exist."""
    return list(file_sizes(uri, ending))


def file_sizes(uri: str, ending: str = "") -> dict[str, int]:
    """The files below a folder with their sizes in bytes, sorted; none if the folder does not exist."""
    return {file: info.size for file, info in _file_infos(uri).items() if info.path.endswith(ending)}


def files_with_times(uri: str) -> dict[str, tuple[int, datetime]]:
    """The files below a folder with their sizes in bytes and when they were last written, sorted."""
    earliest = datetime.min.replace(tzinfo=UTC)
    return {file: (info.size, info.mtime or earliest) for file, info in _file_infos(uri).items()}


def files_older_than(uri: str, limit: datetime) -> list[str]:
    """The files below a folder that were last written before an instant, sorted."""
    return [file for file, info in _file_infos(uri).items() if info.mtime is not None and info.mtime < limit]


def remove_empty_folders(uri: str, limit: datetime) -> None:
    """Removes the folders below one that are empty and were last written to before an instant.

    An object store has no empty folders.
    """
    if not uri.startswith("file://"):
        return
    folders = [path for path in Path(local_path(uri)).rglob("*") if path.is_dir()]
    # Before any is removed: that is written to the folder above.
    old = [folder for folder in folders if folder.stat().st_mtime < limit.timestamp()]
    for folder in sorted(old, reverse=True):
        with suppress(OSError):  # it has files, or gets one just now
            folder.rmdir()


def _file_infos(uri: str) -> dict[str, fs.FileInfo]:
    system, path = open_fs(uri)
    try:
        entries = system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    except NotADirectoryError:  # a file of that name
        return {}
    prefix = uri.split("://", 1)[0] + "://" if "://" in uri else "file://"
    files = {prefix + info.path: info for info in entries if info.type == fs.FileType.File}
    return dict(sorted(files.items()))


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """Says what a disk does not write within, and why.

    Raises:
        FullDiskError: If no space is left.
        ReadOnlyError: If this process may not write there.
    """
    try:
        yield
    except OSError as error:
        if disk := explain_disk(error, uri):
            raise disk from None
        raise


@contextmanager
def _complete_file(uri: str) -> Iterator[tuple[fs.FileSystem, str]]:
    """A file that is there, complete, once it is written within; on local disks it is renamed, else put at once.

    Yields:
        The file system, and the path to write to.
    """
    system, path = open_fs(uri)
    is_local = isinstance(system, fs.LocalFileSystem)
    target = f"{path}.part" if is_local else path
    with writing(uri):
        make_folder_of(uri)
        try:
            yield system, target
        except OSError:
            if is_local:  # so that there is space for others
                remove(target)
            raise
        if is_local:
            system.move(target, path)


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a file atomically: a reader sees the complete file or none.

    On local disks a finished file is renamed; object stores have an atomic put.
    """
    # Arrow compresses what ends with .gz unless it is told not to.
    with _complete_file(uri) as (system, path), system.open_output_stream(path, compression=None) as stream:
        stream.write(content)


def write_file(uri: str, source: Path) -> None:
    """Writes a copy of a local file of any size, atomically like `write_bytes`."""
    with (
        source.open("rb") as file,
        _complete_file(uri) as (system, path),
        system.open_output_stream(path, compression=None) as stream,
    ):
        shutil.copyfileobj(file, stream, 2**24)


def read_bytes(uri: str) -> bytes:
    """The content of a file."""
    system, path = open_fs(uri)
    with system.open_input_file(path) as stream:
        return bytes(stream.read())


def remove(uri: str) -> None:
    """Removes a file, if it exists."""
    system, path = open_fs(uri)
    with suppress(FileNotFoundError):
        system.delete_file(path)
