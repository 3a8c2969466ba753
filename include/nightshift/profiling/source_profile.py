"""Profiles the landed files of a source, one at a time: first for the types of their columns, then for their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa

from nightshift.compute.job import PROGRESS
from nightshift.definition.draft import Draft
from nightshift.definition.source import Column, Source
from nightshift.errors import NightshiftError, TerminalError
from nightshift.lake.declared_columns import notation_of
from nightshift.lake.landed_files import parse_parts, read_landed
from nightshift.lake.source_partitions import SourcePartition, landed_dates, place_of, source_partition
from nightshift.lake.tables import Layer, TableSpec
from nightshift.profiling.column_names import column_names, name_problem
from nightshift.profiling.column_profile import ColumnHistory, ColumnProfile, profile_file
from nightshift.profiling.column_types import ColumnType, StoredColumn, inspect_column, propose_type, quote
from nightshift.profiling.declared_rules import DeclaredRules
from nightshift.profiling.event_times import EventTimes, RowCounts, spark_name
from nightshift.profiling.keys import Key, KeySearch
from nightshift.profiling.recurrence import RecurrenceSearch
from nightshift.profiling.times import ColumnPair, TimeOrders
from nightshift.profiling.zones import zones_of

LAYOUT_SHARE = 0.8  # of the files have a column that every file is expected to have
KEY_TYPES = ("string", "integer", "date", "timestamp")
SINGLE_KEY_TYPES = ("string", "integer")  # of a key of one column

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class SourceProfile:
    """The profile of a source's landed files.

    Attributes:
        rows: The number of rows of each date's file.
        digests: The SHA-256 of each date's file.
        types: The type of each column that can be declared, in the order of the files.
        columns: The profiles of each of these columns.
        file_names: The name in the files of each column that has another one there.
        undeclarable: Why a column of some files cannot be declared, by column.
        key: The columns that identify a row, if there are any.
        declared_key_is_unique: Whether the declared key identifies a row.
        recurring: The share of a file's values that came before, of each column of two files or more that is never
            missing and may name something.
        orders: Pairs of dates or instants of which the first is never after the second, with the number of rows.
        rules: The evidence on each declared rule.
        landed: The dates of all files, also of those that could not be read.
        event_times: The rows by when their event happened, by each expression of it.
        notes: Notes for the reader: files that were skipped, columns that were omitted.
    """

    rows: Mapping[date, int]
    digests: Mapping[date, str]
    types: Mapping[str, ColumnType]
    columns: Mapping[str, ColumnHistory]
    file_names: Mapping[str, str] = field(default_factory=dict)
    undeclarable: Mapping[str, str] = field(default_factory=dict)
    key: Key | None = None
    declared_key_is_unique: bool = False
    recurring: Mapping[str, float] = field(default_factory=dict)
    orders: Mapping[ColumnPair, int] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    landed: tuple[date, ...] = ()
    event_times: Mapping[str, RowCounts] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def by_clock(self, zone: str) -> SourceProfile:
        """The same with the instants that are all of their files' dates by the clock of a time zone counted as such."""
        instants = {spark_name(name) for name, history in self.columns.items() if zone in zones_of(history)}
        counts = {
            expression: replace(count, late=0, early=0) if expression in instants else count
            for expression, count in self.event_times.items()
        }
        return replace(self, event_times=counts)


@dataclass(frozen=True)
class StoredFile:
    """A file as it is stored, before its columns have types.

    Attributes:
        file: The file.
        digest: Its SHA-256.
        rows: The number of its rows.
        columns: Its columns whose names occur once.
        repeated: The names that occur more than once.
    """

    file: SourcePartition
    digest: str
    rows: int
    columns: Mapping[str, StoredColumn]
    repeated: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.columns, *self.repeated)


def select_dates(
    landing: str, draft: Draft, first: date | None = None, last: date | None = None, newest: int | None = None
) -> list[date]:
    """The dates of a source's landed files.

    Args:
        landing: The landing folder.
        draft: The source as far as it is declared.
        first: The first date; all if None.
        last: The last date; all if None.
        newest: The number of newest dates; all if None.

    Raises:
        TerminalError: If there is no file.
    """
    landed = landed_dates(landing, draft.source)
    days = [day for day in landed if (first or date.min) <= day <= (last or date.max)]
    if not days:
        between = f" dated {first or 'any'} to {last or 'any'}" if first or last else ""
        raise TerminalError(
            f"no file{between} has landed",
            where=place_of(landing, draft.source),
            allowed=f"{landed[0]} to {landed[-1]}" if landed else None,
            fix="choose other dates" if landed else "land files there, or correct the path",
        )
    return days[-newest:] if newest else days


def profile_landed_files(
    landing: str, name: str, draft: Draft, days: Sequence[date], report: ReportProgress
) -> SourceProfile:
    """Profiles the files of a source. Each is read twice: for the types of its columns, then with these types.

    Args:
        landing: The landing folder.
        name: The source.
        draft: The source as far as it is declared.
        days: The dates whose files are read.
        report: Is called with each progress line.

    Raises:
        TerminalError: If no file can be read, or no column can be declared.
    """
    files = [source_partition(landing, name, draft.source, day) for day in days]
    stored, unreadable = _stored_files(files, draft, report)
    stored, file_names = _with_column_names(stored, draft)
    stored, incomplete = _with_complete_layout(stored)
    types, undeclarable = _column_types(stored, draft)
    if not types:
        raise TerminalError("no column can be declared", where=stored[0].file.uri, fix="; ".join(undeclarable.values()))
    key = draft.source.key if set(draft.source.key) <= set(types) else ()
    candidates, names = _key_candidates(stored, types)
    search, recurrence = KeySearch(candidates, names, key), RecurrenceSearch(names)
    orders = TimeOrders(_type_names(types))
    rules = DeclaredRules(draft.source.rules, _type_names(types))
    events = EventTimes(_typed_source(draft, types, file_names), draft.zone)
    profiles: dict[str, dict[date, ColumnProfile]] = {column: {} for column in types}
    filled = [stored_file.file for stored_file in stored if stored_file.rows]
    for day, rows, daily_profiles in _daily_profiles(name, draft, types, file_names, filled, report):
        search.add_file(rows)
        recurrence.add_file(rows)
        orders.add_file(rows)
        rules.add_file(day, rows)
        events.add_file(rows)
        for column, profile in daily_profiles.items():
            profiles[column][day] = profile
    omitted = (f"column {quote(column)} is left out: {reason}" for column, reason in undeclarable.items())
    return SourceProfile(
        rows={stored_file.file.day: stored_file.rows for stored_file in stored},
        digests={stored_file.file.day: stored_file.digest for stored_file in stored},
        types=types,
        file_names=file_names,
        columns={column: ColumnHistory(str(types[column].name), by_date) for column, by_date in profiles.items()},
        undeclarable=undeclarable,
        key=search.best(),
        declared_key_is_unique=bool(key) and search.is_unique(key),
        recurring=recurrence.shares,
        orders=orders.pairs,
        rules=rules.evidence,
        landed=tuple(days),
        event_times=events.counts,
        notes=(*unreadable, *incomplete, *omitted),
    )


def _daily_profiles(
    name: str,
    draft: Draft,
    types: Mapping[str, ColumnType],
    file_names: Mapping[str, str],
    files: Sequence[SourcePartition],
    report: ReportProgress,
) -> Iterator[tuple[date, pa.Table, dict[str, ColumnProfile]]]:
    """The date, the typed rows and the column profiles of each file, which has rows."""
    names, source = _type_names(types), _typed_source(draft, types, file_names)
    spec = TableSpec(Layer.RAW, name, {"source_date": "date", **names}, "source_date", ())
    entries = draft.given.get("columns") or {}
    declared = {column: checks for column, checks in draft.source.columns.items() if column in entries}
    for number, file in enumerate(files):
        report(f"{PROGRESS}{name}, profiling columns: {number} of {len(files)}")
        rows, _ = read_landed(file, source, spec, draft.zone)
        yield file.day, rows, profile_file(rows, spec, file.day, draft.zone, declared)


def _typed_source(draft: Draft, types: Mapping[str, ColumnType], file_names: Mapping[str, str]) -> Source:
    """The source with the columns of its files, without their checks."""
    names = _type_names(types).items()
    columns = {name: Column.model_validate({"type": kind, "from": file_names.get(name)}) for name, kind in names}
    return draft.source.model_copy(update={"columns": columns})


def _type_names(types: Mapping[str, ColumnType]) -> dict[str, str]:
    return {column: str(kind.name) for column, kind in types.items()}


def _key_candidates(stored: Sequence[StoredFile], types: Mapping[str, ColumnType]) -> tuple[list[str], list[str]]:
    """Columns that may be part of a key, none of which is ever missing; and those that may be one by themselves."""
    columns = [
        column
        for column, kind in types.items()
        if kind.name in KEY_TYPES
        and all(stored_file.columns[column].values == stored_file.rows for stored_file in stored)
    ]
    return columns, [column for column in columns if types[column].name in SINGLE_KEY_TYPES]


def _stored_files(
    files: Sequence[SourcePartition], draft: Draft, report: ReportProgress
) -> tuple[list[StoredFile], list[str]]:
    """Each readable file as it is stored, and a note on each file that cannot be read."""
    stored, errors = [], []
    notation = notation_of(draft.source.csv, draft.zone)
    for number, file in enumerate(files):
        report(f"{PROGRESS}{file.source}, reading types: {number} of {len(files)}")
        try:
            rows, digest = parse_parts(file, draft.source.csv)
        except NightshiftError as error:
            errors.append(error)
            continue
        counts = Counter(rows.column_names)
        columns = {name: inspect_column(rows[name], notation) for name, count in counts.items() if count == 1}
        repeated = tuple(name for name, count in counts.items() if count > 1)
        stored.append(StoredFile(file, digest, rows.num_rows, columns, repeated))
    if not stored:
        raise TerminalError(f"none of {len(files)} files can be read; the first error: {errors[0]}")
    return stored, [f"not read: {error}" for error in errors]


def _with_column_names(stored: Sequence[StoredFile], draft: Draft) -> tuple[list[StoredFile], dict[str, str]]:
    """The files with columns by the names that a definition has for them; and the names in the files that differ."""
    declared = draft.source.file_columns if draft.given.get("columns") else {}
    columns = column_names((name for stored_file in stored for name in stored_file.names), declared)
    renamed = [
        replace(
            stored_file,
            columns={columns[name]: column for name, column in stored_file.columns.items() if name in columns},
            repeated=tuple(columns[name] for name in stored_file.repeated if name in columns),
        )
        for stored_file in stored
    ]
    return renamed, {column: name for name, column in columns.items() if column != name}


def _with_complete_layout(stored: Sequence[StoredFile]) -> tuple[list[StoredFile], list[str]]:
    """The files with every column that nearly all have, and a note on each other file, which ingest would refuse."""
    counts = Counter(name for stored_file in stored for name in stored_file.names)
    layout = [name for name, count in counts.items() if count >= LAYOUT_SHARE * len(stored)]
    complete, notes = [], []
    for stored_file in stored:
        if missing := [name for name in layout if name not in stored_file.names]:
            column, share = quote(missing[0]), f"{counts[missing[0]]} of {len(stored)} files have"
            notes.append(f"not read: {stored_file.file.uri}: column {column} is missing, which {share}")
        else:
            complete.append(stored_file)
    return (complete, notes) if complete else (list(stored), [])


def _column_types(stored: Sequence[StoredFile], draft: Draft) -> tuple[dict[str, ColumnType], dict[str, str]]:
    """The type of each column that every file has and a definition can name; and why others cannot be declared."""
    names = dict.fromkeys(name for stored_file in stored for name in stored_file.names)
    declared = draft.given.get("columns") or {}
    types, undeclarable = {}, {}
    for name in names:
        columns = {
            stored_file.file.day: stored_file.columns[name] for stored_file in stored if name in stored_file.columns
        }
        if problem := name_problem(name):
            undeclarable[name] = f"{problem}; `from` can give it another one"
        elif any(name in stored_file.repeated for stored_file in stored):
            undeclarable[name] = "it is in a file more than once"
        elif len(columns) < len(stored):
            undeclarable[name] = f"in only {len(columns)} of {len(stored)} files, the last {max(columns)}"
        elif (kind := propose_type(columns, (declared.get(name) or {}).get("type"))).name is None:
            evidence = f": {kind.evidence}" if kind.evidence else ""
            undeclarable[name] = f"its values have no type that can be declared{evidence}"
        else:
            types[name] = kind
    return types, undeclarable
