"""The landing folder: the files that a night needs, read as their source declares.

Every CSV column is read as text first and then converted, so that a message can name the file, the column, the row and
the first bad value.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_partition, nights
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Column, Source
from nightshift.errors import DataError, NotYetAvailable
from nightshift.lake.files import as_uri, exists, list_files, read_bytes
from nightshift.lake.source_formats import parse_source_file
from nightshift.lake.tables import ARROW, TableSpec

TYPE_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError)
TRUE, FALSE = ["true", "True", "TRUE", "1"], ["false", "False", "FALSE", "0"]


@dataclass(frozen=True)
class LandingFile:
    """A file that a night reads: its source, its date, and its location."""

    source: str
    day: date
    uri: str


def landing_file(landing: str, name: str, source: Source, day: date) -> LandingFile:
    """The file of a source for a date, whether or not it has landed."""
    path = source.path.replace("{date}", day.isoformat())
    return LandingFile(name, day, f"{as_uri(landing)}/{path}")


def needed_files(definition: ModelDefinition, landing: str, night: date) -> list[LandingFile]:
    """The files that a night waits for: of each daily source the newest partition available at its cutoff.

    Of a source of irregular cadence, the newest version that has landed; if none has, the file named after the
    schedule's start.
    """
    needed = []
    for name, source in definition.sources.items():
        day = newest_partition(definition.schedule, source, night)
        if source.cadence == "irregular":
            day = max((d for d in landed_dates(landing, source) if d <= day), default=definition.schedule.start)
        elif day < definition.schedule.start:
            continue
        needed.append(landing_file(landing, name, source, day))
    return needed


def restated_files(definition: ModelDefinition, landing: str, night: date) -> list[LandingFile]:
    """The landed files of earlier days that may have been corrected: those within `restates` of the newest day."""
    restated = []
    for name, source in definition.sources.items():
        if source.restates is not None and source.cadence == "daily":
            newest = newest_partition(definition.schedule, source, night)
            first = max(newest - source.restates, definition.schedule.start)
            files = [landing_file(landing, name, source, day) for day in nights(first, newest - timedelta(days=1))]
            restated += [file for file in files if exists(file.uri)]
    return restated


def digest_of(uri: str) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(read_bytes(uri)).hexdigest()


def landed_dates(landing: str, source: Source) -> list[date]:
    """The dates for which a file of a source has landed, sorted."""
    before, after = source.path.split("{date}")
    folder = before.rsplit("/", 1)[0] if "/" in before else ""
    files = list_files(f"{as_uri(landing)}/{folder}".rstrip("/"), after)
    start = f"{as_uri(landing)}/{before}"
    dates = [date_of_landing_file(source, uri) for uri in files if uri.startswith(start)]
    return sorted(day for day in dates if day is not None)


def date_of_landing_file(source: Source, uri: str) -> date | None:
    """The date of a landed file; None if the file belongs to another source or is an unfinished upload."""
    before, after = source.path.split("{date}")
    match = re.search(f"/{re.escape(before)}(\\d{{4}}-\\d{{2}}-\\d{{2}}){re.escape(after)}$", uri)
    with suppress(ValueError):
        return date.fromisoformat(match[1]) if match else None
    return None


def missing_files(files: list[LandingFile]) -> list[LandingFile]:
    """Those of the files that have not landed."""
    return [file for file in files if not exists(file.uri)]


def read_landed(file: LandingFile, source: Source, spec: TableSpec, zone: str = "UTC") -> tuple[pa.Table, str]:
    """Reads one landed file as its source declares it.

    Args:
        file: The file.
        source: Its declaration.
        spec: The raw table of the source.
        zone: The time zone of instants that are written without one.

    Returns:
        The rows with the columns of `spec`, and the SHA-256 of the file.

    Raises:
        NotYetAvailable: If the file has not landed.
        DataError: If it cannot be read, lacks a column, or holds a value of another type.
    """
    table, digest = parse_landed(file.uri)
    if missing := [name for name in source.columns if name not in table.column_names]:
        raise DataError(
            f"column '{missing[0]}' is missing",
            where=file.uri,
            received=", ".join(table.column_names),
            fix="land the file again with every declared column, or correct `columns` in the definition",
        )
    if repeated := [name for name in source.columns if table.column_names.count(name) > 1]:
        raise DataError(
            f"column '{repeated[0]}' occurs more than once",
            where=file.uri,
            fix="land the file again with every column once",
        )
    typed = {name: _typed(file, name, column, table[name], zone) for name, column in source.columns.items()}
    days = pa.repeat(pa.scalar(file.day, pa.date32()), table.num_rows)
    return pa.table({"source_date": days, **typed}).cast(spec.schema), digest


def parse_landed(uri: str) -> tuple[pa.Table, str]:
    """Reads a landed file without a declaration: text columns from CSV, the stored types from Parquet.

    Returns:
        The rows, and the SHA-256 of the file.

    Raises:
        NotYetAvailable: If the file has not landed.
        DataError: If it cannot be read.
    """
    try:
        content = read_bytes(uri)
    except FileNotFoundError:
        raise NotYetAvailable("the file has not landed", where=uri) from None
    return parse_source_file(uri, content), hashlib.sha256(content).hexdigest()


def convert(values: pa.ChunkedArray, kind: str, zone: str = "UTC") -> pa.ChunkedArray:
    """Converts a column of a landed file to a type; empty texts and NaN become null.

    Raises:
        pyarrow.ArrowInvalid: If a value is not of that type.
        pyarrow.ArrowNotImplementedError: If the stored type cannot be converted to that type.
    """
    # Before the cast, since an empty text cannot be cast; and after it, since the text "NAN" becomes NaN.
    return _without_blanks(_cast(_without_blanks(_decoded(values)), ARROW[kind], zone))


def first_mistyped_row(values: pa.ChunkedArray, kind: str, zone: str = "UTC") -> int | None:
    """The index of the first value of a landed column that is not of a type; None if all are."""
    if _converts(values, kind, zone):
        return None
    # The first `good` values convert, the first `bad` do not. The search starts small: the value is often near the top.
    good, bad = 0, 1
    while bad < len(values) and _converts(values.slice(good, bad - good), kind, zone):
        good, bad = bad, 2 * bad
    bad = min(bad, len(values))
    while bad - good > 1:
        middle = (good + bad) // 2
        if _converts(values.slice(good, middle - good), kind, zone):
            good = middle
        else:
            bad = middle
    return good


def _typed(file: LandingFile, name: str, column: Column, values: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """Converts a column to its declared type, or raises an error with the first value that does not convert."""
    try:
        return convert(values, column.type, zone)
    except TYPE_ERRORS:
        row = first_mistyped_row(values, column.type, zone) or 0
    raise DataError(
        f"column '{name}' holds a value that is not of type {column.type}",
        where=f"{file.uri} row {row + 1}",
        received=values[row].as_py() if len(values) else str(values.type),
        allowed=column.type,
        fix="land the file again, or correct the type in the definition",
    )


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replaces dictionary codes by their values, and every text type by one."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    return values


def _without_blanks(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replaces empty texts and NaN by null: a CSV file cannot distinguish them, so no format does."""
    if pa.types.is_floating(values.type):
        blank = pc.is_nan(values)
    elif pa.types.is_string(values.type):
        blank = pc.equal(values, "")
    else:
        return values
    return pc.if_else(blank, pa.scalar(None, values.type), values) if pc.any(blank).as_py() else values


def _cast(values: pa.ChunkedArray, target: pa.DataType, zone: str) -> pa.ChunkedArray:
    if pa.types.is_timestamp(target):
        return _instants(values, target, zone)
    if pa.types.is_boolean(target) and pa.types.is_string(values.type):
        valid = pc.or_(pc.is_in(values, pa.array(TRUE + FALSE)), pc.is_null(values))
        if pc.any(pc.invert(valid)).as_py():
            raise pa.ArrowInvalid("not a boolean")
        return pc.if_else(pc.is_null(values), pa.scalar(None, pa.bool_()), pc.is_in(values, pa.array(TRUE)))
    if pa.types.is_integer(target) and pa.types.is_string(values.type):
        values = values.cast(pa.decimal128(38, 9))  # accepts 17.0 and 2e3, and keeps every digit
    return values.cast(target)


def _instants(values: pa.ChunkedArray, target: pa.DataType, zone: str) -> pa.ChunkedArray:
    """Converts texts, dates and local times to instants: by their own offset, or by the clock of a time zone.

    Where that clock is put back, a time that occurs twice is the first of the two; a time that the clock skips is the
    instant it skips to.
    """
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp(target.unit))
    if pa.types.is_string(values.type):
        offset = pc.match_substring_regex(values, r"[T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)$")
        null = pa.scalar(None, values.type)
        with_offset = pc.if_else(offset, values, null).cast(target)
        local = pc.if_else(offset, null, values).cast(pa.timestamp(target.unit))
        return pc.coalesce(with_offset, _instants(local, target, zone))
    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        values = pc.assume_timezone(values, zone, ambiguous="earliest", nonexistent="latest")
    return values.cast(target)


def _converts(values: pa.ChunkedArray, kind: str, zone: str) -> bool:
    try:
        convert(values, kind, zone)
    except TYPE_ERRORS:
        return False
    return True
