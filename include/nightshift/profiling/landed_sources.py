"""The sources that files in a landing folder look like: files whose names differ in their date alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from nightshift.definition.base import is_name
from nightshift.definition.source import SOURCE_ENDINGS
from nightshift.errors import TerminalError
from nightshift.lake.files import as_uri, list_files
from nightshift.profiling.column_names import similar_name

_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")


@dataclass(frozen=True)
class LandedSource:
    """Files that can be declared as a source.

    Attributes:
        name: A name for it.
        path: The path of its files, with `{date}`.
        files: The number of files.
    """

    name: str
    path: str
    files: int


def find_landed_sources(landing: str) -> tuple[list[LandedSource], list[str]]:
    """The sources that the files of a landing folder look like, and a note on the files that no source can have.

    Raises:
        TerminalError: If there is no file that a source can have.
    """
    root = as_uri(landing).rstrip("/") + "/"
    files = [uri.removeprefix(root) for uri in list_files(root.rstrip("/"))]
    paths = Counter(path for file in files if (path := _path_of(file)))
    unfit = [file for file in files if not _path_of(file)]
    if not paths:
        raise TerminalError(
            f"{len(files)} files, and none that a source can have" if files else "no file has landed",
            where=root,
            received=unfit[0] if unfit else None,
            allowed=f"one file per date, named by its date: measurements/2026-01-31.csv; {', '.join(SOURCE_ENDINGS)}",
            fix="land files there, or name another folder by NIGHTSHIFT_LANDING",
        )
    kind = "without one date of the form 2026-01-31 in their names, or of another format"
    return list(_named(paths)), [f"not used: {len(unfit)} files {kind}: {unfit[0]}"] if unfit else []


def _path_of(file: str) -> str | None:
    """The path of the source of a file; None if it has no date, several, or another format."""
    dates = _DATE.findall(file)
    if len(dates) != 1 or not file.endswith(SOURCE_ENDINGS):
        return None
    with suppress(ValueError):
        date.fromisoformat(dates[0])
        return _DATE.sub("{date}", file)
    return None


def _named(paths: Counter[str]) -> Iterable[LandedSource]:
    """Each path with a name of its own: of its file without the date, or else of its folder."""
    names: dict[str, str] = {}
    for path, count in sorted(paths.items()):
        ending = max((ending for ending in SOURCE_ENDINGS if path.endswith(ending)), key=len)
        words = similar_name(path.removesuffix(ending).replace("{date}", " "))
        name = words if is_name(words) else f"source_{words}".rstrip("_")
        while name in names:
            name += "_2"
        names[name] = path
        yield LandedSource(name, path, count)
