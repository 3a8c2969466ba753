"""Durations as people write them: `30h`, `7d`, `90m`, `-6h`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from nightshift.definition.base import ValueType

_PATTERN = re.compile(r"(-?)(\d+)([smhd])")
LONGEST = timedelta(days=36500)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: object) -> timedelta:
    """Turns `7d` into a timedelta.

    Raises:
        PydanticCustomError: If the text is not a whole number followed by s, m, h or d.
    """
    if isinstance(text, timedelta):
        return text
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None:
        raise PydanticCustomError(
            "duration", "not a duration", {"allowed": "a whole number and a unit: 30s, 15m, 6h, 7d"}
        )
    sign, number, unit = match.groups()
    try:
        value = timedelta(**{_UNITS[unit]: int(sign + number)})
    except OverflowError:
        value = timedelta.max
    if abs(value) > LONGEST:
        raise PydanticCustomError("duration", "too long", {"allowed": f"at most {LONGEST.days}d"})
    return value


def format_duration(value: timedelta) -> str:
    """The shortest exact writing of a duration: 2 days is `2d`, 90 seconds is `90s`."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def parse_days(text: object) -> timedelta:
    """Turns `7d` into a timedelta of one day or more.

    Raises:
        PydanticCustomError: If the text is not a positive whole number of days.
    """
    value = _whole_days(text)
    if not value:
        raise PydanticCustomError("duration", "not a whole number of days", {"allowed": "1d, 7d, 28d, …"})
    return value


def _whole_days(text: object) -> timedelta:
    value = parse_duration(text)
    if value < timedelta(0) or value % timedelta(days=1):
        raise PydanticCustomError("duration", "not a whole number of days", {"allowed": "1d, 7d, 28d, …"})
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+[smhd]$"}),
    ValueType("duration"),
]
WholeDays = Annotated[
    timedelta,
    BeforeValidator(_whole_days),
    WithJsonSchema({"type": "string", "pattern": r"^\d+[smhd]$"}),
    ValueType("days"),
]
Days = Annotated[
    timedelta,
    BeforeValidator(parse_days),
    WithJsonSchema({"type": "string", "pattern": r"^\d+[smhd]$"}),
    ValueType("days"),
]
