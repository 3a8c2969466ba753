"""Paths that may be local or URIs (`s3://…`), through Arrow's file systems."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pyarrow import fs


def as_uri(location: str | Path) -> str:
    """A URI for a local path; URIs stay as they are."""
    text = str(location)
    # Not Path.as_uri: Spark, Arrow and Iceberg take names as they are, without percent signs for spaces.
    return text if "://" in text else f"file://{Path(text).resolve()}"


def local_path(uri: str) -> str:
    """The plain path of a `file://` URI; anything else stays as it is."""
    return uri.removeprefix("file://")


@lru_cache(maxsize=16)
def _file_system(root: str) -> fs.FileSystem:
    return fs.FileSystem.from_uri(root)[0]


def open_fs(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a location, and the path in it."""
    if uri.startswith("file://") or "://" not in uri:
        return _file_system("file:///"), local_path(uri)
    scheme, rest = uri.split("://", 1)
    return _file_system(f"{scheme}://{rest.split('/', 1)[0]}"), rest


def exists(uri: str) -> bool:
    """Whether there is a file at a location."""
    system, path = open_fs(uri)
    return bool(system.get_file_info(path).type == fs.FileType.File)


def list_files(uri: str, ending: str = "") -> list[str]:
    """The files below a folder, as URIs, sorted; none if the folder does not exist."""
    return list(file_sizes(uri, ending))


def file_sizes(uri: str, ending: str = "") -> dict[str, int]:
    """The files below a folder with their sizes in bytes, sorted; none if the folder does not exist."""
    system, path = open_fs(uri)
    entries = system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    prefix = uri.split("://", 1)[0] + "://" if "://" in uri else "file://"
    files = [info for info in entries if info.type == fs.FileType.File and info.path.endswith(ending)]
    return dict(sorted((prefix + info.path, info.size) for info in files))


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a file atomically: a reader sees the complete file or none.

    On local disks a finished file is renamed; object stores have an atomic put.
    """
    system, path = open_fs(uri)
    parent = path.rsplit("/", 1)[0]
    system.create_dir(parent, recursive=True)
    target = f"{path}.part" if isinstance(system, fs.LocalFileSystem) else path
    with system.open_output_stream(target) as stream:
        stream.write(content)
    if target != path:
        system.move(target, path)


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
