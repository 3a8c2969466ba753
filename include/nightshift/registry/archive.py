"""A version's package as one file, from which it is served where neither MLflow nor tables are.

A `.tar.gz` whose files are at its root, as SageMaker unpacks one. `nightshift.json` names the files of the package and
the digest that was registered: whoever can write the archive can write both, so who serves it may demand a digest.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nightshift.errors import TerminalError, first_line
from nightshift.lake.files import as_uri, local_path, read_bytes
from nightshift.registry.package import package_digest
from nightshift.registry.store import Version
from nightshift.service_errors import explain, explain_at

CONTENTS = "nightshift.json"
FORMAT = 1
MOST_BYTES = 4 * 2**30  # of all files: an archive of zeros may be a thousand times as large as its file
FIX = "make it by `nightshift export <model> --format archive`"


@dataclass(frozen=True)
class ArchivedVersion:
    """A version in an archive.

    Attributes:
        model: The model's name.
        description: What it is, by its definition.
        number: The version's number.
        digest: The digest of its package.
        ignored: The columns that callers may send beside its features.
        files: The files of its package.
    """

    model: str
    description: str
    number: int
    digest: str
    ignored: tuple[str, ...]
    files: Mapping[str, bytes] = field(repr=False)


def write_archive(
    files: Mapping[str, bytes], model: str, description: str, version: Version, ignored: Collection[str]
) -> bytes:
    """An archive, equal for equal versions.

    Args:
        files: The files of the version's package.
        model: The model's name.
        description: What it is.
        version: The version.
        ignored: The columns that callers may send beside its features.
    """
    contents = {
        "format": FORMAT,
        "model": model,
        "description": description,
        "version": version.number,
        "digest": version.digest,
        "ignored": sorted(ignored),
        "files": sorted(files),
    }
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in {CONTENTS: json.dumps(contents, indent=1).encode(), **dict(sorted(files.items()))}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def read_archive(location: str, digest: str | None = None) -> ArchivedVersion:
    """Reads a version from an archive, or from the folder that one was unpacked to.

    Args:
        location: A path or a URI.
        digest: The digest that its package has to have; None: the one that it says itself.

    Raises:
        TerminalError: If it cannot be read, is no such archive, or its package is another one.
    """
    folder = Path(local_path(as_uri(location)))
    read = partial(_read_unpacked, folder) if folder.is_dir() else _packed(location).__getitem__
    try:
        contents = json.loads(read(CONTENTS))
        version = ArchivedVersion(
            str(contents["model"]),
            str(contents["description"]),
            int(contents["version"]),
            str(contents["digest"]),
            tuple(contents["ignored"]),
            {str(name): read(name) for name in contents["files"]},
        )
        form = contents["format"]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        missing = f"{CONTENTS} or a file that it names is missing or has another shape: {first_line(error)}"
        raise TerminalError("this is no archive of a version", where=location, received=missing, fix=FIX) from None
    if form != FORMAT:
        fix = "serve it by the release of Nightshift that made it"
        raise TerminalError(
            "the archive has another format", where=location, received=str(form), allowed=str(FORMAT), fix=fix
        )
    allowed = digest or version.digest
    if (received := package_digest(dict(version.files))) != allowed:
        fix = "serve the archive whose digest NIGHTSHIFT_SERVING__DIGEST names" if digest else FIX
        problem = "the package in the archive is another one"
        raise TerminalError(problem, where=location, received=received, allowed=allowed, fix=fix)
    return version


def _read_unpacked(folder: Path, name: str) -> bytes:
    """A file of a folder, which may have others of any size.

    Raises:
        KeyError: If there is none of this name in it.
        TerminalError: If it cannot be read.
    """
    file = folder / name
    if file.name != name or not file.is_file():
        raise KeyError(name)
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(str(folder), first_line(error)) from None


def _packed(location: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(read_bytes(as_uri(location))), mode="r:gz") as archive:
            left = MOST_BYTES
            for member in archive:
                if member.isfile():
                    left -= member.size
                    if left < 0:
                        raise _unreadable(location, f"more than {MOST_BYTES} bytes")
                    files[member.name.removeprefix("./")] = _content(archive, member)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise (explain_at(location, error) if explain(error) else _unreadable(location, first_line(error))) from None
    return files


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream: Any = archive.extractfile(member)
    return bytes(stream.read())


def _unreadable(location: str, received: str) -> TerminalError:
    return TerminalError(
        "the archive cannot be read", where=location, received=received, fix=f"correct --archive, or {FIX}"
    )
