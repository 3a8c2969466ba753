"""Words the violation of an expectation as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from nightshift.definition.prediction import FINITE
from nightshift.errors import shown
from nightshift.quality.expectation import (
    ANCHORS,
    BETWEEN,
    DISTINCT,
    IN_SET,
    MATCHES,
    MEAN,
    MIX,
    NEWEST,
    NOT_NULL,
    PRESENT,
    ROW_COUNT,
    SPREAD,
    UNIQUE,
    UNIQUE_TOGETHER,
    ExpectationSpec,
)

Row = Mapping[str, Any]


def failure_message(expectation: ExpectationSpec, values: Mapping[str, Any], example: Row | None = None) -> str:
    """The violation and its extent, such as `carrier has 212 values outside the 16 allowed, first 'XX'`.

    Args:
        expectation: The expectation.
        values: The values of Great Expectations' result.
        example: The first row that breaks a rule, with the columns of the rule.
    """
    subject, kind = expectation.subject, expectation.kind
    observed, count = values.get("observed_value"), int(values.get("unexpected_count") or 0)
    first = (values.get("partial_unexpected_list") or [None])[0]
    if expectation.computed and kind == IN_SET:
        return _rule(expectation, count, example)
    if kind == NOT_NULL:
        return f"{subject} is missing in {_count(count, 'row')}"
    if kind in {BETWEEN, IN_SET, MATCHES}:
        return f"{subject} has {_count(count, 'value')} {_fault(expectation)}, first {_value(first)}"
    if kind in {UNIQUE, UNIQUE_TOGETHER}:
        columns = " + ".join(map(str, dict(expectation.arguments).get("column_list", [subject])))
        return f"{columns} is the same in {_count(count, 'row')}, first {_values(first)}"
    if kind in _MEASURED and isinstance(measured := plain_value(observed), int | float):
        return _MEASURED[kind](expectation, float(measured))
    if kind == MIX:
        return _mix(expectation, float(observed or 0), values["details"])
    return _custom(expectation, values)


def row_reason(expectation: ExpectationSpec, row: Row) -> str:
    """The reason why a row is in quarantine, such as `dep_delay is 99999.0, outside -180 to 2880`."""
    if expectation.computed:
        return f"{expectation.subject} does not hold: {expectation.note} ({_values(row)})"
    if expectation.kind == NOT_NULL:
        return f"{expectation.subject} is missing"
    return f"{expectation.subject} is {_value(row[expectation.subject])}, {_fault(expectation)}"


def plain_value(value: Any) -> Any:
    """A value of NumPy or pandas as Python's; None if it is missing."""
    if value is None or value != value:  # not a number, not a time
        return None
    return value.item() if hasattr(value, "item") else value


def _rule(expectation: ExpectationSpec, count: int, example: Row | None) -> str:
    first = f", first {_values(example)}" if example else ""
    share = dict(expectation.arguments).get("mostly", 1.0)
    allowed = f", at most {100 * (1 - share):.4g}% of the rows may" if share < 1 else ""
    return f"{expectation.subject} does not hold in {_count(count, 'row')}{allowed}: {expectation.note}{first}"


def _rows(expectation: ExpectationSpec, observed: float) -> str:
    return f"{_number(observed)} rows, expected {_expected(expectation)}"


def _missing(expectation: ExpectationSpec, observed: float) -> str:
    fewest, greatest = expectation.bounds
    least, most = 1 - (1.0 if greatest is None else greatest), 1 - (fewest or 0.0)
    note = f" ({expectation.note})" if expectation.note else ""
    return (
        f"{expectation.subject} is missing in {1 - observed:.1%} of the rows, expected {least:.1%} to {most:.1%}{note}"
    )


def _newest(expectation: ExpectationSpec, observed: float) -> str:
    if not expectation.computed:
        return f"the largest {expectation.subject} is {_number(observed)}, expected {_expected(expectation)}"
    within = -(expectation.bounds[0] or 0.0)
    return f"the newest row is {-observed:.1f} h before the end of its date, at most {within:.1f} h allowed"


def _measured(measure: str) -> Callable[[ExpectationSpec, float], str]:
    return lambda expectation, observed: (
        f"{measure} of {expectation.subject} is {_number(observed)}, expected {_expected(expectation)}"
    )


_MEASURED: Mapping[str, Callable[[ExpectationSpec, float], str]] = {
    ROW_COUNT: _rows,
    PRESENT: _missing,
    NEWEST: _newest,
    MEAN: _measured("the mean"),
    SPREAD: _measured("the spread"),
    DISTINCT: _measured("the number of values"),
}


def _mix(expectation: ExpectationSpec, observed: float, details: Mapping[str, Any]) -> str:
    most = dict(expectation.arguments)["max_distance"]
    value, share, expected = shown(repr(details["value"])), details["share"], details["expected"]
    return (
        f"{observed:.1%} of the values of {expectation.subject} differ from {expectation.note or 'the expected mix'}, "
        f"at most {most:.1%} may; the largest difference is {value}: {share:.1%} instead of {expected:.1%}"
    )


def _custom(expectation: ExpectationSpec, values: Mapping[str, Any]) -> str:
    """The violation of any other expectation, of Great Expectations or of the definition."""
    parts = {
        "observed": values.get("observed_value"),
        "unexpected": values.get("unexpected_count"),
        "first": next(iter(values.get("partial_unexpected_list") or []), None),
        "lacking": values.get("partial_missing_list") or None,
    }
    listed = ", ".join(f"{name} {_values(value)}" for name, value in parts.items() if value is not None)
    about = "" if expectation.subject == expectation.kind else f" of {expectation.subject}"
    return f"{expectation.kind}{about} does not hold{f': {listed}' if listed else ''}"


def _values(values: Any) -> str:
    """The values of a row or key with the columns' names, or a single value."""
    if isinstance(values, Mapping):
        return ", ".join(f"{name} {_values(value)}" for name, value in values.items())
    if isinstance(values, list | tuple):
        return f"[{', '.join(_values(value) for value in values)}]"
    value = plain_value(values)
    return "missing" if value is None else shown(str(value))


def _value(value: Any) -> str:
    """A single value; a text is quoted, which shows its blanks."""
    return shown(repr(value)) if isinstance(value, str) else _values(value)


def _fault(expectation: ExpectationSpec) -> str:
    arguments = dict(expectation.arguments)
    if expectation.kind == IN_SET:
        return f"outside the {len(arguments['value_set'])} allowed"
    if expectation.kind == MATCHES:
        return f"not of the form {arguments['regex'].removeprefix(ANCHORS[0]).removesuffix(ANCHORS[1])}"
    least, most = expectation.bounds
    if (least, most) == FINITE:
        return "that are no finite number"
    if least is None:
        return f"above {_number(most)}"
    return f"below {_number(least)}" if most is None else f"outside {_bounds(least, most)}"


def _expected(expectation: ExpectationSpec) -> str:
    note = f" ({expectation.note})" if expectation.note else ""
    return f"{_bounds(*expectation.bounds)}{note}"


def _bounds(least: float | None, most: float | None) -> str:
    if least == most:
        return _number(least)
    if least is None:
        return f"at most {_number(most)}"
    return f"at least {_number(least)}" if most is None else f"{_number(least)} to {_number(most)}"


def _number(value: Any) -> str:
    if isinstance(value, str | date):
        return str(value)
    number = float(value)
    return f"{number:.15g}" if number.is_integer() else f"{number:.4g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
