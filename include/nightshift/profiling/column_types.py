"""Proposes the type of a column from its values as they are stored in the landed files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.errors import shown
from nightshift.lake.conversions import Notation, convert
from nightshift.lake.declared_columns import first_mistyped_row, shown_value

# In order of preference.
TYPES = ("integer", "number", "boolean", "date", "timestamp", "string")
NUMBERS = frozenset(("integer", "number"))
NEARLY_ALL = 0.9  # of the dates: a type that fits so many is mentioned where it does not fit all
MAX_QUOTE = 40  # characters of a quoted value

_LEADING_ZERO = r"^[+-]?0[0-9]"
_TOO_LONG = r"^[+-]?[0-9]{16,}"  # for a number to keep every digit
_DECIMAL_POINT = r"[.,eE]"


@dataclass(frozen=True)
class StoredColumn:
    """A column of one file, as it is stored.

    Attributes:
        rows: The number of rows.
        values: The number of rows with a value.
        misfits: The first value, as text, that is not of a type; by type, for types that not every value is of.
        storable_types: The types that fit the stored type; all, of text.
        code: Digits that a number would not keep: with leading zeros, or too many.
        whole_numbers: Whether whole numbers are stored without a decimal point.
    """

    rows: int
    values: int
    misfits: Mapping[str, str] = field(default_factory=dict)
    storable_types: tuple[str, ...] = TYPES
    code: str | None = None
    whole_numbers: bool = False


@dataclass(frozen=True)
class ColumnType:
    """The proposed type of a column over all files.

    Attributes:
        name: The type; None if no type can be declared.
        evidence: What supports it or contradicts the declared type; empty if there is nothing to say.
    """

    name: str | None
    evidence: str = ""


def inspect_column(values: pa.ChunkedArray, notation: Notation) -> StoredColumn:
    """Inspects a column of a file as it is stored.

    Args:
        values: The column.
        notation: How the source writes its values.
    """
    stored = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    misfits = {}
    for kind in TYPES:
        place = first_mistyped_row(values, kind, notation)
        if place is not None:
            misfits[kind] = str(shown_value(values, place)) if len(values) else str(stored)
    if not (pa.types.is_string(stored) or pa.types.is_large_string(stored) or pa.types.is_string_view(stored)):
        present = convert(values, "number") if pa.types.is_floating(stored) else values
        storable = (*_storable_types(values, stored), "string")
        whole_numbers = pa.types.is_integer(stored)
        return StoredColumn(
            len(values), len(values) - present.null_count, misfits, storable, whole_numbers=whole_numbers
        )
    texts = convert(values, "string").drop_null()
    are_numbers = not misfits.keys() >= NUMBERS
    code = _first_match(texts, _LEADING_ZERO) if are_numbers else None
    if code is None and "number" not in misfits and "integer" in misfits:
        code = _first_match(texts, _TOO_LONG)
    whole_numbers = are_numbers and _first_match(texts, _DECIMAL_POINT) is None
    return StoredColumn(len(values), len(texts), misfits, TYPES, code, whole_numbers)


def propose_type(files: Mapping[date, StoredColumn], declared: str | None = None) -> ColumnType:
    """Proposes the type of a column: the most specific one that every value of every file is of.

    Digits that a number would not keep are text. Whole numbers are not integers if every file writes them with a
    decimal point; they are if only some files do, since pandas writes integers so where values are missing.

    Args:
        files: The column in each file.
        declared: The declared type, which stays if it fits.
    """
    filled = {day: column for day, column in files.items() if column.values}
    possible = [kind for kind in TYPES if not any(kind in column.misfits for column in files.values())]
    storable = [kind for kind in possible if all(kind in column.storable_types for column in filled.values())]
    best = _best_type(filled, storable)
    if declared in possible:
        return ColumnType(declared, "" if best.name in (declared, None) or not filled else _alternative(declared, best))
    evidence = best.evidence
    if declared is not None:
        evidence = f"declared {declared}, but {_misfit(files, declared)}" + (f"; {evidence}" if evidence else "")
    return ColumnType(best.name, evidence)


def quote(value: str) -> str:
    """A value of a file as evidence quotes it: printable and short."""
    return f"'{shown(value if len(value) <= MAX_QUOTE else value[:MAX_QUOTE] + '…')}'"


def _storable_types(values: pa.ChunkedArray, stored: pa.DataType) -> tuple[str, ...]:
    """The types that fit values which are not stored as text."""
    if pa.types.is_integer(stored) or pa.types.is_floating(stored) or pa.types.is_decimal(stored):
        return ("integer", "number")
    if pa.types.is_boolean(stored):
        return ("boolean",)
    if pa.types.is_date(stored):
        return ("date", "timestamp")
    if pa.types.is_timestamp(stored):
        midnights = stored.tz is None and pc.all(pc.equal(pc.floor_temporal(values, unit="day"), values)).as_py()
        return ("date", "timestamp") if midnights is not False else ("timestamp",)
    return ()


def _best_type(files: Mapping[date, StoredColumn], possible: list[str]) -> ColumnType:
    if not files:
        return ColumnType("string" if "string" in possible else next(iter(possible), None), "no value in any file")
    code = next((column.code for column in files.values() if column.code), None)
    if code is not None and NUMBERS & set(possible):
        name = "string" if "string" in possible else None
        return ColumnType(name, f"digits such as {quote(code)}, which a number would not keep")
    if "integer" in possible and not any(column.whole_numbers for column in files.values()):
        return ColumnType("number", "whole numbers, written with a decimal point")
    best = next(iter(possible), None)
    return ColumnType(best, _nearly_fitting(files) if best == "string" else "")


def _nearly_fitting(files: Mapping[date, StoredColumn]) -> str:
    """The type that fits a text column on nearly every date, and a value that it does not fit."""
    for kind in TYPES[:-1]:
        fitting = [day for day, column in files.items() if kind not in column.misfits]
        if NEARLY_ALL * len(files) <= len(fitting) < len(files):
            day = next(day for day in files if kind in files[day].misfits)
            return f"{kind} on {len(fitting)} of {len(files)} dates, but {quote(files[day].misfits[kind])} on {day}"
    return ""


def _misfit(files: Mapping[date, StoredColumn], kind: str) -> str:
    days = [day for day, column in files.items() if kind in column.misfits]
    further = f" and on {len(days) - 1} more dates" if len(days) > 1 else ""
    return f"{quote(files[days[0]].misfits[kind])} on {days[0]}{further}"


def _alternative(declared: str | None, best: ColumnType) -> str:
    if {declared, best.name} == NUMBERS:
        return ""
    return f"declared; the files suggest {best.name}" + (f": {best.evidence}" if best.evidence else "")


def _first_match(texts: pa.ChunkedArray, pattern: str) -> str | None:
    place = pc.index(pc.match_substring_regex(texts, pattern), True).as_py()
    return None if place < 0 else str(texts[place])
