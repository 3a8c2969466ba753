"""How landed files are written, before their columns have types: which types every value of a column is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.errors import shown
from nightshift.lake.landing import convert, first_mistyped_row

# In the order in which they are preferred.
KINDS = ("integer", "number", "boolean", "date", "timestamp", "string")
NUMBERS = frozenset(("integer", "number"))
NEARLY = 0.9  # of the dates: a type that holds on so many is worth a word where it does not hold on all
SHOWN = 40  # characters of a value that is quoted

_KEPT_ZEROS = r"^[+-]?0[0-9]"
_TOO_LONG = r"^[+-]?[0-9]{16,}"  # for a number to keep every digit
_POINT = r"[.eE]"


@dataclass(frozen=True)
class Written:
    """A column of one file.

    Attributes:
        rows: The rows.
        values: How many have a value.
        odd: By type that not every value is of: the first that is not, as text.
        apt: The types that fit how it is stored; any, of text.
        code: Digits that are more than a number: with zeros before it, or more than a number keeps.
        whole: Whether whole numbers are written as such, without a decimal point.
    """

    rows: int
    values: int
    odd: Mapping[str, str] = field(default_factory=dict)
    apt: tuple[str, ...] = KINDS
    code: str | None = None
    whole: bool = False


@dataclass(frozen=True)
class Kind:
    """The type of a column over all files.

    Attributes:
        name: The type; None if no type can be declared.
        why: What speaks for it, or against another; empty if there is nothing to say.
    """

    name: str | None
    why: str = ""


def look(values: pa.ChunkedArray, zone: str) -> Written:
    """Looks at a column of a file as it is stored."""
    stored = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    odd = {}
    for kind in KINDS:
        place = first_mistyped_row(values, kind, zone)
        if place is not None:
            odd[kind] = str(values[place].as_py()) if len(values) else str(stored)
    if not (pa.types.is_string(stored) or pa.types.is_large_string(stored) or pa.types.is_string_view(stored)):
        present = convert(values, "number", zone) if pa.types.is_floating(stored) else values
        apt = (*_apt(values, stored), "string")
        return Written(len(values), len(values) - present.null_count, odd, apt, whole=pa.types.is_integer(stored))
    texts = convert(values, "string", zone).drop_null()
    code = _first(texts, _KEPT_ZEROS) if "number" not in odd else None
    if code is None and "number" not in odd and "integer" in odd:
        code = _first(texts, _TOO_LONG)
    whole = "number" not in odd and _first(texts, _POINT) is None
    return Written(len(values), len(texts), odd, KINDS, code, whole)


def type_of(files: Mapping[date, Written], declared: str | None = None) -> Kind:
    """The type of a column: the most particular that every value of every file is of.

    Digits that are more than a number are text. Whole numbers that are written with a decimal point in every file are
    no integers; in some of the files they are, since that is how missing values come about in files that pandas wrote.

    Args:
        files: The column in each file.
        declared: The type it is declared as, which stays if it is possible.
    """
    told = {day: one for day, one in files.items() if one.values}
    possible = [kind for kind in KINDS if not any(kind in one.odd for one in files.values())]
    best = _best(told, [kind for kind in possible if all(kind in one.apt for one in told.values())])
    if declared in possible:
        return Kind(declared, "" if best.name in (declared, None) or not told else _instead(declared, best))
    why = best.why
    if declared is not None:
        why = f"declared {declared}, but {_odd(files, declared)}" + (f"; {why}" if why else "")
    return Kind(best.name, why)


def quote(value: str) -> str:
    """A value of a file as evidence quotes it: printable and short."""
    return f"'{shown(value if len(value) <= SHOWN else value[:SHOWN] + '…')}'"


def _apt(values: pa.ChunkedArray, stored: pa.DataType) -> tuple[str, ...]:
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


def _best(told: Mapping[date, Written], possible: list[str]) -> Kind:
    if not told:
        return Kind("string" if "string" in possible else next(iter(possible), None), "no value in any file")
    code = next((one.code for one in told.values() if one.code), None)
    if code is not None and "number" in possible:
        return Kind(
            "string" if "string" in possible else None, f"digits such as {quote(code)}, which a number would not keep"
        )
    if "integer" in possible and not any(one.whole for one in told.values()):
        return Kind("number", "whole numbers, but not written as such")
    best = next(iter(possible), None)
    return Kind(best, _nearly(told) if best == "string" else "")


def _nearly(told: Mapping[date, Written]) -> str:
    """The type that a text is on nearly every date, and where it is not."""
    for kind in KINDS[:-1]:
        held = [day for day, one in told.items() if kind not in one.odd]
        if NEARLY * len(told) <= len(held) < len(told):
            day = next(day for day in told if kind in told[day].odd)
            return f"{kind} on {len(held)} of {len(told)} dates, but {quote(told[day].odd[kind])} on {day}"
    return ""


def _odd(files: Mapping[date, Written], kind: str) -> str:
    days = [day for day, one in files.items() if kind in one.odd]
    more = f" and on {len(days) - 1} more dates" if len(days) > 1 else ""
    return f"{quote(files[days[0]].odd[kind])} on {days[0]}{more}"


def _instead(declared: str | None, best: Kind) -> str:
    if {declared, best.name} == NUMBERS:
        return ""
    return f"declared; the files suggest {best.name}" + (f": {best.why}" if best.why else "")


def _first(texts: pa.ChunkedArray, pattern: str) -> str | None:
    found = pc.index(pc.match_substring_regex(texts, pattern), True).as_py()
    return None if found < 0 else str(texts[found])
