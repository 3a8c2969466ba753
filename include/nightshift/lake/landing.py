"""The landing folder: the files that a night needs, read as their source declares.

Every CSV column is read as text first and then converted (`conversions.py`), so that a message can name the file, the
column, the row and the first bad value.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from nightshift.definition.calendar import arriving_partitions, date_range, is_night
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import CSV_ENDINGS, PLAIN_CSV, CsvFormat, Source
from nightshift.errors import DataError, NotYetAvailable, first_line
from nightshift.lake.conversions import (
    CONVERSION_ERRORS,
    PLAIN_NOTATION,
    Notation,
    UnconvertibleError,
    conversion_of,
    convert,
    declarable_types,
)
from nightshift.lake.csv_files import repeated_header
from nightshift.lake.files import is_folder, read_bytes
from nightshift.lake.landed_parts import (
    LandingFile,
    combined_digest,
    content_digest,
    landed_dates,
    landed_parts,
    landing_file,
    why_incomplete,
)
from nightshift.lake.source_formats import parse_source_file
from nightshift.lake.tables import TableSpec


def needed_files(definition: ModelDefinition, landing: str, night: date) -> list[LandingFile]:
    """The files that a night waits for: of each daily source those that became available since the night before.

    A source that is read on the nights alone is not waited for on dates between them. Of a source of irregular
    cadence, the newest version that has landed; if none has, the file named after the schedule's start.
    """
    needed, schedule = [], definition.schedule
    for name, source in definition.sources.items():
        days = arriving_partitions(schedule, source, night)
        if source.cadence == "irregular":
            days = [max((d for d in landed_dates(landing, source) if d <= days[-1]), default=schedule.start)]
        else:
            days = [day for day in days if day >= schedule.start and _is_waited_for(definition, name, day, days[-1])]
        needed += [landing_file(landing, name, source, day) for day in days]
    return needed


def files_between(definition: ModelDefinition, landing: str, night: date) -> list[LandingFile]:
    """The landed files of dates since the night before that a night does not wait for: no date stays unpublished."""
    needed, between = needed_files(definition, landing, night), list[LandingFile]()
    for name, source in definition.sources.items():
        if source.cadence == "daily":
            days = arriving_partitions(definition.schedule, source, night)
            files = [landing_file(landing, name, source, day) for day in days if day >= definition.schedule.start]
            between += [file for file in files if file not in needed and not why_incomplete(file)]
    return between


def restated_files(definition: ModelDefinition, landing: str, night: date) -> list[LandingFile]:
    """The landed files of earlier days that may have been corrected since the night before.

    They are those within `restates` of a day that became the newest since then.
    """
    restated = []
    for name, source in definition.sources.items():
        if source.restates is not None and source.cadence == "daily":
            since = arriving_partitions(definition.schedule, source, night)[0]
            first = max(since - source.restates, definition.schedule.start)
            files = [landing_file(landing, name, source, day) for day in date_range(first, since - timedelta(days=1))]
            restated += [file for file in files if not why_incomplete(file)]
    return restated


def _is_waited_for(definition: ModelDefinition, name: str, day: date, newest: date) -> bool:
    """Whether a night waits for a date of a daily source, whose newest available date is given."""
    looked_up = any(lookup.source == name for lookup in definition.features.lookups.values())
    return (
        definition.is_read_between_nights(name) or is_night(definition.schedule, day) or (looked_up and day == newest)
    )


def read_landed(file: LandingFile, source: Source, spec: TableSpec, zone: str = "UTC") -> tuple[pa.Table, str]:
    """Reads what has landed for a date as its source declares it.

    Args:
        file: The file, or the parts.
        source: Their declaration.
        spec: The raw table of the source.
        zone: The time zone of instants that are written without one.

    Returns:
        The rows with the columns of `spec` that files have, part by part, and the SHA-256 of the file or of all parts.

    Raises:
        NotYetAvailable: If it has not landed completely.
        DataError: If a file cannot be read, lacks a column, or holds a value of another type.
        TransientError: If a part appears or changes meanwhile.
    """
    notation, tables, digests = notation_of(source.csv, zone), list[pa.Table](), list[str]()
    for uri, rows, digest in _parse_each(file, source.csv):
        tables.append(_as_declared(uri, rows, source, notation))
        digests.append(digest)
    typed = pa.concat_tables(tables)
    days = pa.repeat(pa.scalar(file.day, pa.date32()), typed.num_rows)
    schema = pa.schema([field for field in spec.schema if field.name in {"source_date", *typed.column_names}])
    columns = {"source_date": days, **dict(zip(typed.column_names, typed.columns, strict=True))}
    return pa.table(columns).select(schema.names).cast(schema), combined_digest(file, digests)


def _as_declared(uri: str, table: pa.Table, source: Source, notation: Notation) -> pa.Table:
    """The declared columns of a file, of their types."""
    if not table.num_columns and not uri.endswith(".parquet"):  # a file of JSON without lines
        table = pa.table({landed: pa.array([], pa.string()) for landed in source.file_columns.values()})
    for name, landed in source.file_columns.items():
        if landed not in table.column_names:
            raise DataError(
                f"column '{landed}' is missing",
                where=uri,
                received=", ".join(table.column_names),
                fix="land the file again with every declared column, or correct "
                + (f"`columns.{name}.from` in the definition" if landed != name else "`columns` in the definition"),
            )
    if repeated := [landed for landed in source.file_columns.values() if table.column_names.count(landed) > 1]:
        raise DataError(
            f"column '{repeated[0]}' occurs more than once",
            where=uri,
            fix="land the file again with every column once",
        )
    check_header(uri, table, source.csv)
    return pa.table(
        {
            name: _typed(uri, landed, source.columns[name].type, table[landed], notation)
            for name, landed in source.file_columns.items()
        }
    )


def parse_parts(file: LandingFile, written: CsvFormat = PLAIN_CSV) -> tuple[pa.Table, str]:
    """Reads what has landed for a date like `parse_landed`; a column that a part lacks is null there.

    Raises:
        NotYetAvailable: If it has not landed completely.
        DataError: If a file cannot be read, is the header once more, or a column has different types in parts.
    """
    tables, digests = list[pa.Table](), list[str]()
    for uri, rows, digest in _parse_each(file, written):
        check_header(uri, rows, written)
        tables.append(rows)
        digests.append(digest)
    try:
        rows = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        problem = f"parts differ in the type of a column: {first_line(error)}"
        raise DataError(problem, where=file.uri, fix="land them with the same types") from None
    return rows, combined_digest(file, digests)


def _parse_each(file: LandingFile, written: CsvFormat) -> Iterator[tuple[str, pa.Table, str]]:
    """Each part of a complete date as it is stored, with its SHA-256; after the last, that none changed meanwhile."""
    parts = landed_parts(file)
    for uri in parts.uris:
        rows, digest = parse_landed(uri, written)
        parts.check_rows(uri, rows.num_rows)
        yield uri, rows, digest
    parts.check_unchanged()


def parse_landed(uri: str, written: CsvFormat = PLAIN_CSV) -> tuple[pa.Table, str]:
    """Reads a landed file without a declaration of its columns: texts from CSV, the stored types from Parquet.

    Args:
        uri: The file.
        written: How its source's CSV files are written.

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
    except OSError:
        if not is_folder(uri):
            raise
        raise DataError("a folder, not a file", where=uri, fix="land a file of that name") from None
    return parse_source_file(uri, content, written), content_digest(content)


def check_header(uri: str, rows: pa.Table, written: CsvFormat) -> None:
    """Refuses a CSV file in which a row is the header once more.

    Raises:
        DataError: If there is such a row.
    """
    row = repeated_header(rows, written) if uri.endswith(CSV_ENDINGS) else None
    if row is not None:
        raise DataError(
            "the header once more",
            where=f"{uri} row {row + 1}",
            fix="land the rows with the header in the first line only",
        )


def notation_of(written: CsvFormat, zone: str) -> Notation:
    """How the values of a source are written: as its CSV files declare, and times by the clock of a zone."""
    return Notation(zone, written.decimal, written.thousands or "")


def first_mistyped_row(values: pa.ChunkedArray, kind: str, notation: Notation = PLAIN_NOTATION) -> int | None:
    """The index of the first value of a landed column that is not of a type; None if all are."""
    if _refusal(values, kind, notation) is None:
        return None
    # The first `good` values convert, the first `bad` do not. The search starts small: the value is often near the top.
    good, bad = 0, 1
    while bad < len(values) and _refusal(values.slice(good, bad - good), kind, notation) is None:
        good, bad = bad, 2 * bad
    bad = min(bad, len(values))
    while bad - good > 1:
        middle = (good + bad) // 2
        if _refusal(values.slice(good, middle - good), kind, notation) is None:
            good = middle
        else:
            bad = middle
    return good


def shown_value(values: pa.ChunkedArray, row: int) -> Any:
    """A value of a landed column for a message; as text where Python cannot hold it, such as the year 10000."""
    try:
        return values[row].as_py()
    except (ValueError, OverflowError):
        return values.slice(row, 1).cast(pa.string())[0].as_py()


def _typed(uri: str, name: str, kind: str, values: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray:
    """Converts a column to its declared type, or raises an error with the first value that does not convert."""
    try:
        return convert(values, kind, notation)
    except CONVERSION_ERRORS:
        row = first_mistyped_row(values, kind, notation) or 0
    stored = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    conversion = conversion_of(stored, kind)
    if conversion is not None:
        allowed: str | list[str] = f"{kind}: {conversion.rule}".replace("`", "'")
    else:
        allowed = declarable_types(stored) or "another type in the file"
    refusal = _refusal(values.slice(row, 1), kind, notation) or _not_of_type(kind)
    raise DataError(
        f"column '{name}' {refusal.problem}",
        where=f"{uri} row {row + 1}",
        received=shown_value(values, row),
        allowed=allowed,
        fix=refusal.fix,
    )


def _refusal(values: pa.ChunkedArray, kind: str, notation: Notation) -> UnconvertibleError | None:
    """Why values of a column are not converted to a type; None if they are."""
    try:
        convert(values, kind, notation)
    except UnconvertibleError as error:
        return error
    except CONVERSION_ERRORS:
        return _not_of_type(kind)
    return None


def _not_of_type(kind: str) -> UnconvertibleError:
    fix = "land the file again, or correct the type in the definition"
    return UnconvertibleError(f"holds a value that is not of type {kind}", fix)
