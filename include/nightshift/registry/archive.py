"""A version's package as one file, from which it is served where neither MLflow nor tables are.

A `.tar.gz` whose files are at its root, as SageMaker unpacks one. `nightshift.json` names the files of the package and
the digest that was registered: whoever can write the archive can write both, so who serves it may demand the digest of
the archive, which is of its contents, whether they are packed or not.
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
) -> tuple[bytes, str]:
    """An archive and its digest, equal for equal versions.

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
    stream, members = io.BytesIO(), {CONTENTS: json.dumps(contents, indent=1).encode(), **dict(sorted(files.items()))}
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue(), package_digest(members)


def read_archive(location: str, digest: str | None = None) -> ArchivedVersion:
    """Reads a version from an archive, or from the folder that one was unpacked to.

    Args:
        location: A path or a URI.
        digest: The digest that it has to have; None: any.

    Raises:
        TerminalError: If it cannot be read, is no such archive, its package is not the one that it names, or it has
            another digest.
    """
    folder = Path(local_path(as_uri(location)))
    if folder.is_dir() and not (folder / CONTENTS).exists() and (packed := sorted(folder.glob("*.tar.gz"))):
        problem, fix = "this is a folder of archives", f"name one of them: --archive {packed[0]}"
        raise TerminalError(problem, where=location, received=", ".join(file.name for file in packed), fix=fix)
    read = partial(_read_unpacked, folder) if folder.is_dir() else _packed(location).__getitem__
    try:
        listing = read(CONTENTS)
        contents = json.loads(listing)
        version = ArchivedVersion(
            str(contents["model"]),
            str(contents["description"]),
            int(contents["version"]),
            str(contents["digest"]),
            tuple(contents["ignored"]),
            {str(name): read(name) for name in contents["files"]},
        )
        form = contents["format"]
    except KeyError as error:
        received = f"without the file or the key {error}"
        raise TerminalError("this is no archive of a version", where=location, received=received, fix=FIX) from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        missing = f"{CONTENTS} has another shape: {first_line(error)}"
        raise TerminalError("this is no archive of a version", where=location, received=missing, fix=FIX) from None
    if form != FORMAT:
        fix = "serve it by the release of Nightshift that made it"
        raise TerminalError(
            "the archive has another format", where=location, received=str(form), allowed=str(FORMAT), fix=fix
        )
    if (received := package_digest(dict(version.files))) != version.digest:
        problem = "the package in the archive is not the one that it names"
        raise TerminalError(problem, where=location, received=received, allowed=version.digest, fix=FIX)
    if digest and (received := package_digest({CONTENTS: listing, **version.files})) != digest:
        fix = "serve the archive whose digest NIGHTSHIFT_SERVING__DIGEST names"
        raise TerminalError("another archive is demanded", where=location, received=received, allowed=digest, fix=fix)
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
