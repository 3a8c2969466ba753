"""The sources that files in a landing folder look like: files whose names differ in their date alone, or in parts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from nightshift.definition.base import is_name
from nightshift.definition.source import DATE, PART, SOURCE_ENDINGS
from nightshift.errors import TerminalError
from nightshift.lake.files import as_uri
from nightshift.lake.landing_folder import landed_files
from nightshift.profiling.column_names import similar_name

_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
# What differs between the names of parts: numbers, and the random names that writers give.
_PART = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
SETTLED = "1h"  # proposed for parts without a marker
MARKED = 0.9  # of the dates have a marker, which the others still lack


@dataclass(frozen=True)
class LandedSource:
    """Files that can be declared as a source.

    Attributes:
        name: A name for it.
        path: The path of its files, with `{date}`; with `*` if dates have parts.
        files: The number of files.
        complete: What shows that a date is complete, if dates have parts; `settled` is a guess.
    """

    name: str
    path: str
    files: int
    complete: Mapping[str, str] = field(default_factory=dict)


def find_landed_sources(landing: str) -> tuple[list[LandedSource], list[str]]:
    """The sources that the files of a landing folder look like, and a note on the files that no source can have.

    Raises:
        TerminalError: If there is no file that a source can have.
    """
    root = as_uri(landing).rstrip("/") + "/"
    files = [uri.removeprefix(root) for uri in landed_files(root.rstrip("/"), root.rstrip("/"))]
    dated = {file: (path, day) for file in files if (path := _path_of(file)) and (day := _date_of(file))}
    readable = {file: pair for file, pair in dated.items() if file.endswith(SOURCE_ENDINGS)}
    if not readable:
        raise TerminalError(
            f"{len(files)} files, and none that a source can have" if files else "no file has landed",
            where=root,
            received=files[0] if files else None,
            allowed=f"files named by their date: measurements/2026-01-31.csv; {', '.join(SOURCE_ENDINGS)}",
            fix="land files there, or name another folder by NIGHTSHIFT_LANDING",
        )
    others: dict[str, set[str]] = defaultdict(set)
    for path, day in (pair for file, pair in dated.items() if file not in readable):
        others[path].add(day)
    sources = [
        LandedSource(name, path, sum(days.values()), _complete(path, days, others))
        for name, path, days in _named(_grouped(readable.values()))
    ]
    markers = {source.complete.get("marker") for source in sources}
    unfit = [file for file in files if file not in readable and _path_of(file) not in markers]
    kind = "without one date of the form 2026-01-31 in their names, or of another format"
    return sources, [f"not used: {len(unfit)} files {kind}: {unfit[0]}"] if unfit else []


def _date_of(file: str) -> str:
    """The date in the name of a file; empty if it has none, several, or one that no calendar has."""
    dates = _DATE.findall(file)
    with suppress(ValueError):
        return date.fromisoformat(dates[0]).isoformat() if len(dates) == 1 else ""
    return ""


def _path_of(file: str) -> str:
    """The path of a file with `{date}`; empty if it has no date or several."""
    return _DATE.sub(DATE, file) if _date_of(file) else ""


def _grouped(dated: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """The number of files of each date, by path: paths that differ in numbers are one if a date has several."""
    paths: dict[str, Counter[str]] = defaultdict(Counter)
    patterns: dict[str, set[str]] = defaultdict(set)
    for path, day in dated:
        paths[path][day] += 1
        patterns[_pattern_of(path)].add(path)
    grouped: dict[str, Counter[str]] = {}
    for pattern, members in patterns.items():
        days = sum((paths[path] for path in members), Counter[str]())
        grouped |= {pattern: days} if max(days.values()) > 1 else {path: paths[path] for path in members}
    return grouped


def _pattern_of(path: str) -> str:
    """A path with `*` in place of what may differ between parts, in the name of the file alone."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + DATE.join(_PART.sub(PART, text) for text in name.split(DATE))


def _complete(path: str, days: Counter[str], others: Mapping[str, set[str]]) -> dict[str, str]:
    """What shows that a date of parts is complete: a file of another kind beside them, or else a time."""
    if PART not in path:
        return {}
    folder = path.rpartition("/")[0]
    beside = [other for other, dates in others.items() if other.rpartition("/")[0] == folder]
    markers = [other for other in sorted(beside) if len(others[other] & days.keys()) >= MARKED * len(days)]
    return {"marker": markers[0]} if markers else {"settled": SETTLED}


def _named(grouped: Mapping[str, Counter[str]]) -> Iterator[tuple[str, str, Counter[str]]]:
    """Each path with a name of its own: of its file without the date and the parts, or else of its folder."""
    names: set[str] = set()
    for path, days in sorted(grouped.items()):
        ending = max((ending for ending in SOURCE_ENDINGS if path.endswith(ending)), key=len)
        plain = path.removesuffix(ending)
        before = plain.split(DATE)[0].rpartition("/")[0]  # the folder above that of the dates
        words = similar_name((before if PART in path and before else plain).replace(DATE, " ").replace(PART, " "))
        name = words if is_name(words) else f"source_{words}".rstrip("_")
        while name in names:
            name += "_2"
        names.add(name)
        yield name, path, days
