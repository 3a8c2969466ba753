"""The landing folder: which files a night needs, and reading them as declared.

Everything is read as text first and converted column by column, so that a message can name the file, the
column, the line and the first bad value.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from nightshift.definition.calendar import newest_partition, nights
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Column, Source
from nightshift.errors import DataError, NotYetAvailable, first_line
from nightshift.lake.files import as_uri, exists, list_files, read_bytes
from nightshift.lake.tables import ARROW, TableSpec

TYPE_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError)
TRUE, FALSE = ["true", "True", "TRUE", "1"], ["false", "False", "FALSE", "0"]


@dataclass(frozen=True)
class LandingFile:
    """A file a night reads: the source it belongs to, its date, and where it is."""

    source: str
    day: date
    uri: str


def landing_file(landing: str, name: str, source: Source, day: date) -> LandingFile:
    """Where the file of a source for a date lands."""
    path = source.path.replace("{date}", day.isoformat())
    return LandingFile(name, day, f"{as_uri(landing)}/{path}")


def needed_files(definition: ModelDefinition, landing: str, night: date) -> list[LandingFile]:
    """The files that a night waits for: of each daily source the newest partition available at its cutoff.

    A source of irregular cadence is needed in the newest version there is; if none has landed yet, the
    file named after the schedule's start is what the night waits for.
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
    """Files of days before the newest that have landed and may have landed again, corrected, since."""
    found = []
    for name, source in definition.sources.items():
        if source.restates is not None and source.cadence == "daily":
            newest = newest_partition(definition.schedule, source, night)
            first = max(newest - source.restates, definition.schedule.start)
            files = [landing_file(landing, name, source, day) for day in nights(first, newest - timedelta(days=1))]
            found += [file for file in files if exists(file.uri)]
    return found


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
    """The date of a landed file; None if it is another source's, or an upload under way."""
    before, after = source.path.split("{date}")
    named = re.search(f"/{re.escape(before)}(\\d{{4}}-\\d{{2}}-\\d{{2}}){re.escape(after)}$", uri)
    with suppress(ValueError):
        return date.fromisoformat(named[1]) if named else None
    return None


def missing_files(files: list[LandingFile]) -> list[LandingFile]:
    """Those that have not landed."""
    return [file for file in files if not exists(file.uri)]


def read_landed(file: LandingFile, source: Source, spec: TableSpec, zone: str = "UTC") -> tuple[pa.Table, str]:
    """Reads one landed file as its definition declares it.

    Args:
        file: The file.
        source: Its declaration.
        spec: The raw table it is for.
        zone: The time zone of instants that are written without one.

    Returns:
        The rows with the columns of `spec`, and the SHA-256 of the file.

    Raises:
        NotYetAvailable: If the file is not there.
        DataError: If it cannot be read, lacks a column, or holds a value of another type.
    """
    table, digest = parse_landed(file.uri)
    if lacking := [name for name in source.columns if name not in table.column_names]:
        raise DataError(
            f"column '{lacking[0]}' is missing",
            where=file.uri,
            received=", ".join(table.column_names),
            fix="land the file again with every declared column, or mend `columns` in the definition",
        )
    if doubled := [name for name in source.columns if table.column_names.count(name) > 1]:
        raise DataError(
            f"column '{doubled[0]}' is there more than once", where=file.uri, fix="land the file again with it once"
        )
    typed = {name: _typed(file, name, column, table[name], zone) for name, column in source.columns.items()}
    days = pa.repeat(pa.scalar(file.day, pa.date32()), table.num_rows)
    return pa.table({"source_date": days, **typed}).cast(spec.schema), digest


def parse_landed(uri: str) -> tuple[pa.Table, str]:
    """Reads a landed file as it is: columns of text from CSV, as they are stored from Parquet.

    Returns:
        The rows, and the SHA-256 of the file.

    Raises:
        NotYetAvailable: If the file is not there.
        DataError: If it cannot be read.
    """
    try:
        content = read_bytes(uri)
    except FileNotFoundError:
        raise NotYetAvailable("the file has not landed", where=uri) from None
    return _parse(uri, content), hashlib.sha256(content).hexdigest()


def convert(values: pa.ChunkedArray, kind: str, zone: str = "UTC") -> pa.ChunkedArray:
    """A column of a landed file as a type; what is missing in it is missing, however it is spelt.

    Raises:
        pyarrow.ArrowInvalid: If a value is not of that type.
        pyarrow.ArrowNotImplementedError: If no value stored like these is.
    """
    # Before, since an empty text is no number; and after, since the text "NAN" is one that is not.
    return _without_blanks(_cast(_without_blanks(_decoded(values)), ARROW[kind], zone))


def first_mistyped_row(values: pa.ChunkedArray, kind: str, zone: str = "UTC") -> int | None:
    """The place of the first value of a landed column that is not of a type; None if all are."""
    if _converts(values, kind, zone):
        return None
    # The first `good` values are of the type, the first `bad` are not: it is often among the very first.
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


def _parse(uri: str, content: bytes) -> pa.Table:
    try:
        if uri.endswith(".parquet"):
            return pq.ParquetFile(io.BytesIO(content)).read()
        if uri.endswith(".gz"):
            content = gzip.decompress(content)
        names = pc_csv.open_csv(io.BytesIO(content)).schema.names
        options = pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
        return pc_csv.read_csv(io.BytesIO(content), convert_options=options)
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        why = f"cannot be read: {first_line(error)}"
        raise DataError(why, where=uri, fix="land the file again, complete") from None


def _typed(file: LandingFile, name: str, column: Column, values: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """A column converted to its declared type, or an error that shows the first value that resists."""
    try:
        return convert(values, column.type, zone)
    except TYPE_ERRORS:
        row = first_mistyped_row(values, column.type, zone) or 0
    raise DataError(
        f"column '{name}' holds a value that is not of type {column.type}",
        where=f"{file.uri} row {row + 1}",
        received=values[row].as_py() if len(values) else str(values.type),
        allowed=column.type,
        fix="land the file again, or mend the type in the definition",
    )


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values themselves instead of codes, and texts as one type, however they are stored."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    return values


def _without_blanks(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Empty texts and numbers that are none as missing values: what a CSV file cannot tell apart, no file does."""
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
        known = pc.is_in(values, pa.array(TRUE + FALSE))
        if pc.any(pc.invert(pc.or_(known, pc.is_null(values)))).as_py():
            raise pa.ArrowInvalid("not a boolean")
        return pc.if_else(pc.is_null(values), pa.scalar(None, pa.bool_()), pc.is_in(values, pa.array(TRUE)))
    if pa.types.is_integer(target) and pa.types.is_string(values.type):
        values = values.cast(pa.decimal128(38, 9))  # whole numbers written as 17.0 or 2e3, every digit kept
    return values.cast(target)


def _instants(values: pa.ChunkedArray, target: pa.DataType, zone: str) -> pa.ChunkedArray:
    """Instants as written with an offset, or by the clock of a time zone.

    Where that clock is put back, a time it shows twice is the first of both; a time it skips is the instant it
    skips to.
    """
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp(target.unit))
    if pa.types.is_string(values.type):
        offset = pc.match_substring_regex(values, r"[T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)$")
        nothing = pa.scalar(None, values.type)
        told = pc.if_else(offset, values, nothing).cast(target)
        local = pc.if_else(offset, nothing, values).cast(pa.timestamp(target.unit))
        return pc.coalesce(told, _instants(local, target, zone))
    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        values = pc.assume_timezone(values, zone, ambiguous="earliest", nonexistent="latest")
    return values.cast(target)


def _converts(values: pa.ChunkedArray, kind: str, zone: str) -> bool:
    try:
        convert(values, kind, zone)
    except TYPE_ERRORS:
        return False
    return True
