"""The declared columns of landed rows: they are there once, and each value is of its type.

Every CSV column is read as text first and then converted (`conversions.py`), so that a message can name the file, the
column, the row and the first bad value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from nightshift.definition.source import CSV_ENDINGS, JSON_ENDINGS, CsvFormat, Source
from nightshift.errors import DataError
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


def declared_tables(uri: str, tables: Iterable[pa.Table], source: Source, notation: Notation) -> Iterator[pa.Table]:
    """The declared columns of a landed file, of their types.

    Args:
        uri: The file.
        tables: Its rows as they are stored.
        source: The declaration.
        notation: How its values are written.

    Raises:
        DataError: If a column is missing or there twice, a row is the header, or a value is of another type.
    """
    row, names = 1, dict[str, None]()
    for table in tables:
        names |= dict.fromkeys(table.column_names)
        if uri.removesuffix(".gz").endswith(JSON_ENDINGS):  # a key may be in later lines alone
            table = _with_all_columns(table, source)
        _check_columns(uri, table.column_names, source)
        check_header(uri, table, source.csv, row)
        yield pa.table(
            {
                name: _typed(uri, landed, source.columns[name].type, table[landed], notation, row)
                for name, landed in source.file_columns.items()
            }
        )
        row += table.num_rows
    if names:  # not those of a file of JSON without lines
        _check_columns(uri, list(names), source)


def _with_all_columns(table: pa.Table, source: Source) -> pa.Table:
    for landed in source.file_columns.values():
        if landed not in table.column_names:
            table = table.append_column(landed, pa.nulls(table.num_rows, pa.string()))
    return table


def _check_columns(uri: str, names: Sequence[str], source: Source) -> None:
    for name, landed in source.file_columns.items():
        if landed not in names:
            raise DataError(
                f"column '{landed}' is missing",
                where=uri,
                received=", ".join(names),
                fix=f"{_how_to_give(source)}, or correct "
                + (f"`columns.{name}.from` in the definition" if landed != name else "`columns` in the definition"),
            )
    if repeated := [landed for landed in source.file_columns.values() if names.count(landed) > 1]:
        raise DataError(
            f"column '{repeated[0]}' occurs more than once",
            where=uri,
            fix="land the file again with every column once",
        )


def _how_to_give(source: Source) -> str:
    """How the place of a source's rows is made to have a column."""
    if source.query:
        return "select it in the query"
    return "add it to the table" if source.table else "land the file again with every declared column"


def check_header(uri: str, rows: pa.Table, written: CsvFormat, first_row: int = 1) -> None:
    """Refuses a CSV file in which a row is the header once more.

    Args:
        uri: The file.
        rows: Some of its rows.
        written: How it is written.
        first_row: The number of the first of them.

    Raises:
        DataError: If there is such a row.
    """
    row = repeated_header(rows, written) if uri.endswith(CSV_ENDINGS) else None
    if row is not None:
        raise DataError(
            "the header once more",
            where=f"{uri} row {first_row + row}",
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


def _typed(
    uri: str, name: str, kind: str, values: pa.ChunkedArray, notation: Notation, first_row: int
) -> pa.ChunkedArray:
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
        where=f"{uri} row {first_row + row}",
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
