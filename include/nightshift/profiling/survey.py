"""What landed files look like, read one at a time: first how they are written, then what their columns hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from nightshift.compute.job import PROGRESS
from nightshift.definition.base import Name
from nightshift.definition.draft import Draft
from nightshift.definition.problem import RESERVED
from nightshift.definition.source import Column
from nightshift.errors import NightshiftError, TerminalError
from nightshift.lake.files import as_uri
from nightshift.lake.landing import LandingFile, landed_dates, landing_file, parse_landed, read_landed
from nightshift.lake.tables import Layer, TableSpec
from nightshift.profiling.declared import DeclaredRules
from nightshift.profiling.keys import Key, KeySearch
from nightshift.profiling.look import Look, Seen, look_at
from nightshift.profiling.times import Orders
from nightshift.profiling.written import Kind, Written, look, quote, type_of

LAYOUT = 0.8  # of the files have a column that the others are expected to have
IDENTIFYING = ("string", "integer", "date", "timestamp")  # types of columns that keys are made of
ALONE = ("string", "integer")  # and those of one column

Show = Callable[[str], None]


@dataclass(frozen=True)
class Survey:
    """What was seen of a source.

    Attributes:
        rows: The rows of each date's file.
        digests: Its SHA-256.
        kinds: The type of each column that can be declared, in the order of the files.
        columns: What each holds.
        lacking: Why a column of some files cannot be declared.
        key: Columns that identify a row, if some do.
        declared_key: Whether those do that are declared to.
        orders: Dates and instants of a row of which the first is never after the second.
        rules: What was seen of each rule that is declared.
        notes: What else is worth knowing.
    """

    rows: Mapping[date, int]
    digests: Mapping[date, str]
    kinds: Mapping[str, Kind]
    columns: Mapping[str, Seen]
    lacking: Mapping[str, str] = field(default_factory=dict)
    key: Key | None = None
    declared_key: bool = False
    orders: Mapping[tuple[str, str], int] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sketch:
    """A file before its columns have types."""

    file: LandingFile
    digest: str
    rows: int
    columns: Mapping[str, Written]
    doubled: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.columns, *self.doubled)


def days_landed(
    landing: str, draft: Draft, first: date | None = None, last: date | None = None, newest: int | None = None
) -> list[date]:
    """The dates of a source's landed files.

    Args:
        landing: The landing folder.
        draft: What is declared of the source.
        first: The first date, if not all.
        last: The last date, if not all.
        newest: So many newest of them, if not all.

    Raises:
        TerminalError: If there is none.
    """
    landed = landed_dates(landing, draft.source)
    days = [day for day in landed if (first or date.min) <= day <= (last or date.max)]
    if not days:
        between = f" dated {first or 'any'} to {last or 'any'}" if first or last else ""
        raise TerminalError(
            f"no file{between} has landed",
            where=f"{as_uri(landing)}/{draft.source.path}",
            allowed=f"{landed[0]} to {landed[-1]}" if landed else None,
            fix="choose other dates" if landed else "land files there, or mend the path",
        )
    return days[-newest:] if newest else days


def survey(landing: str, name: str, draft: Draft, days: Sequence[date], show: Show) -> Survey:
    """Reads the files of a source twice, one at a time: for the types of their columns, then as these types.

    Args:
        landing: The landing folder.
        name: The source.
        draft: What is declared of it.
        days: The dates whose files are read.
        show: Is told how far it is.

    Raises:
        TerminalError: If not one file can be read, or nothing in them can be declared.
    """
    files = [landing_file(landing, name, draft.source, day) for day in days]
    sketches, unread = _sketches(files, draft.zone, show)
    sketches, others = _of_one_layout(sketches)
    kinds, lacking = _kinds(sketches, draft)
    if not kinds:
        raise TerminalError("no column can be declared", where=sketches[0].file.uri, fix="; ".join(lacking.values()))
    key = draft.source.key if set(draft.source.key) <= set(kinds) else ()
    search = KeySearch(*_identifying(sketches, kinds), key)
    orders = Orders(_names(kinds))
    rules = DeclaredRules(draft.source.rules, _names(kinds))
    looks: dict[str, dict[date, Look]] = {column: {} for column in kinds}
    for day, rows, found in _looks(name, draft, kinds, [one.file for one in sketches if one.rows], show):
        search.look(rows)
        orders.look(rows)
        rules.look(day, rows)
        for column, seen in found.items():
            looks[column][day] = seen
    return Survey(
        rows={one.file.day: one.rows for one in sketches},
        digests={one.file.day: one.digest for one in sketches},
        kinds=kinds,
        columns={column: Seen(str(kinds[column].name), found) for column, found in looks.items()},
        lacking=lacking,
        key=search.best(),
        declared_key=bool(key) and search.is_unique(key),
        orders=orders.found,
        rules=rules.told,
        notes=(*unread, *others, *(f"column {quote(one)} is left out: {why}" for one, why in lacking.items())),
    )


def _looks(
    name: str, draft: Draft, kinds: Mapping[str, Kind], files: Sequence[LandingFile], show: Show
) -> Iterator[tuple[date, pa.Table, dict[str, Look]]]:
    """Of each file that has rows its date, its rows as the types they are to have, and what its columns hold."""
    types = _names(kinds)
    columns = {column: Column.model_validate({"type": kind}) for column, kind in types.items()}
    source = draft.source.model_copy(update={"columns": columns})
    spec = TableSpec(Layer.RAW, name, {"source_date": "date", **types}, "source_date", ())
    given = draft.given.get("columns") or {}
    declared = {column: rules for column, rules in draft.source.columns.items() if column in given}
    for number, file in enumerate(files):
        show(f"{PROGRESS}{name}, what columns hold: {number} of {len(files)}")
        rows, _ = read_landed(file, source, spec, draft.zone)
        yield file.day, rows, look_at(rows, spec, file.day, draft.zone, declared)


def _names(kinds: Mapping[str, Kind]) -> dict[str, str]:
    return {column: str(kind.name) for column, kind in kinds.items()}


def _identifying(sketches: Sequence[Sketch], kinds: Mapping[str, Kind]) -> tuple[list[str], list[str]]:
    """Columns that keys may be made of, none of which is ever missing; and those that may be one by themselves."""
    columns = [
        column
        for column, kind in kinds.items()
        if kind.name in IDENTIFYING and all(one.columns[column].values == one.rows for one in sketches)
    ]
    return columns, [column for column in columns if kinds[column].name in ALONE]


def _sketches(files: Sequence[LandingFile], zone: str, show: Show) -> tuple[list[Sketch], list[str]]:
    """How each file is written, without those that cannot be read."""
    found, unread = [], []
    for number, file in enumerate(files):
        show(f"{PROGRESS}{file.source}, how files are written: {number} of {len(files)}")
        try:
            rows, digest = parse_landed(file.uri)
        except NightshiftError as error:
            unread.append(error)
            continue
        names = Counter(rows.column_names)
        single = [name for name, times in names.items() if times == 1]
        columns = {name: look(rows[name], zone) for name in single}
        doubled = tuple(name for name, times in names.items() if times > 1)
        found.append(Sketch(file, digest, rows.num_rows, columns, doubled))
    if not found:
        raise TerminalError(f"not one of {len(files)} files can be read, the first: {unread[0]}")
    return found, [f"not read: {error}" for error in unread]


def _of_one_layout(sketches: Sequence[Sketch]) -> tuple[list[Sketch], list[str]]:
    """Without the few files that lack a column which nearly all have, and those by name: they would be refused."""
    counts = Counter(name for one in sketches for name in one.names)
    layout = [name for name, count in counts.items() if count >= LAYOUT * len(sketches)]
    kept, others = [], []
    for one in sketches:
        if lacking := [name for name in layout if name not in one.names]:
            has = f"{counts[lacking[0]]} of {len(sketches)} files have"
            others.append(f"not read: {one.file.uri}: column {quote(lacking[0])} is missing, which {has}")
        else:
            kept.append(one)
    return (kept, others) if kept else (list(sketches), [])


def _kinds(sketches: Sequence[Sketch], draft: Draft) -> tuple[dict[str, Kind], dict[str, str]]:
    """The type of each column that every file has and a definition can name; and why others cannot be declared."""
    names = dict.fromkeys(name for one in sketches for name in one.names)
    declared = draft.given.get("columns") or {}
    kinds, lacking = {}, {}
    for name in names:
        files = {one.file.day: one.columns[name] for one in sketches if name in one.columns}
        if why := _cannot_be_named(name):
            lacking[name] = why
        elif any(name in one.doubled for one in sketches):
            lacking[name] = "it is in a file more than once"
        elif len(files) < len(sketches):
            lacking[name] = f"in {len(files)} of {len(sketches)} files only, the last {max(files)}"
        elif (kind := type_of(files, (declared.get(name) or {}).get("type"))).name is None:
            lacking[name] = f"its values are of no type that can be declared{f': {kind.why}' if kind.why else ''}"
        else:
            kinds[name] = kind
    return kinds, lacking


def _cannot_be_named(name: str) -> str:
    if name in RESERVED:
        return "a reserved name"
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return "not a name: a lower-case letter, then lower-case letters, digits and _"
    return ""
