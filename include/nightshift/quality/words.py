"""What a check found, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.errors import shown
from nightshift.quality.contract import BETWEEN, IN_SET, MATCHES, NOT_NULL, ROW_COUNT, WHOLE, Expectation


def sentence(expectation: Expectation, observed: float, first: Any) -> str:
    """What broke an expectation, and how often, such as `carrier has 212 values outside the 16 allowed, first 'XX'`."""
    subject, kind = expectation.subject, expectation.kind
    if kind == ROW_COUNT:
        note = f" ({expectation.note})" if expectation.note else ""
        return f"{observed:.0f} rows, expected {_bounds(dict(expectation.arguments))}{note}"
    if kind == NOT_NULL:
        return f"{subject} is missing in {_count(observed, 'row')}"
    if kind in {BETWEEN, IN_SET, MATCHES}:
        return f"{subject} has {_count(observed, 'value')} {_fault(expectation)}, first {shown(repr(first))}"
    return f"{subject} is the same in {_count(observed, 'row')}, first {_key(first)}"


def reason(expectation: Expectation, value: Any) -> str:
    """Why a row was set aside, such as `dep_delay is 99999.0, outside -180 to 2880`."""
    if expectation.kind == NOT_NULL:
        return f"{expectation.subject} is missing"
    return f"{expectation.subject} is {shown(repr(value))}, {_fault(expectation)}"


def _key(values: Any) -> str:
    """The values of a key with the columns' names, or the one value."""
    if isinstance(values, Mapping):
        return ", ".join(f"{name} {_key(value)}" for name, value in values.items())
    missing = values is None or values != values  # not a number, not a time
    return "missing" if missing else shown(str(values))


def _fault(expectation: Expectation) -> str:
    arguments = dict(expectation.arguments)
    if expectation.kind == IN_SET:
        return f"outside the {len(arguments['value_set'])} allowed"
    if expectation.kind == MATCHES:
        return f"not of the form {arguments['regex'].removeprefix(WHOLE[0]).removesuffix(WHOLE[1])}"
    least, most = arguments["min_value"], arguments["max_value"]
    if least is None:
        return f"above {_number(most)}"
    return f"below {_number(least)}" if most is None else f"outside {_bounds(arguments)}"


def _bounds(arguments: dict[str, Any]) -> str:
    least, most = arguments["min_value"], arguments["max_value"]
    if least == most:
        return _number(least)
    return f"at least {_number(least)}" if most is None else f"{_number(least)} to {_number(most)}"


def _number(value: float) -> str:
    return f"{value:.15g}"


def _count(number: float, what: str) -> str:
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"
