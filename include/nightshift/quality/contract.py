"""What staged rows must satisfy, derived from the definition: a list of named expectations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from math import ceil, floor
from statistics import median
from types import MappingProxyType
from typing import Any

from nightshift.definition.model import Column, ModelDefinition, Severity, Source, Usual

NOT_NULL = "ExpectColumnValuesToNotBeNull"
BETWEEN = "ExpectColumnValuesToBeBetween"
IN_SET = "ExpectColumnValuesToBeInSet"
MATCHES = "ExpectColumnValuesToMatchRegex"
UNIQUE = "ExpectColumnValuesToBeUnique"
UNIQUE_TOGETHER = "ExpectCompoundColumnsToBeUnique"
FEWEST_WEEKS = 3  # before which nothing is usual
WHOLE = (r"^(?:", r")\Z")  # around a pattern that the whole value is to match
ROW_COUNT = "ExpectTableRowCountToBeBetween"


@dataclass(frozen=True)
class Expectation:
    """One Great Expectations expectation.

    Attributes:
        kind: Its class name.
        subject: What it is about: a column, several, or rows.
        arguments: Its arguments.
        severity: What follows where it does not hold.
        note: Where its bounds come from, if the definition does not name them.
    """

    kind: str
    subject: str
    arguments: tuple[tuple[str, Any], ...]
    severity: Severity = "fail"
    note: str = ""


@dataclass(frozen=True)
class Contract:
    """Every expectation over one table.

    Attributes:
        table: The table.
        expectations: What must hold.
        share: The largest share of rows that may be set aside.
    """

    table: str
    expectations: tuple[Expectation, ...]
    share: float = 0.0


def source_contract(
    name: str,
    source: Source,
    *,
    days: int = 1,
    day: date | None = None,
    history: Mapping[date, int] = MappingProxyType({}),
) -> Contract:
    """The checks of a source over a staged set.

    Args:
        name: The source.
        source: Its declaration.
        days: How many dates the set covers.
        day: Its date, if it is one.
        history: How many rows the published dates have.
    """
    found = _of_rows(source)
    if source.key:
        found.append(_unique(["source_date", *source.key]))
    most = None if source.rows.max is None else source.rows.max * days
    found.append(_row_count(source.rows.min * days, most))
    if day is not None and source.rows.usual is not None:
        found += _usual(source.rows.usual, day, history)
    return Contract(f"raw.{name}", tuple(found), source.quarantine.share)


def row_contract(name: str, source: Source) -> Contract:
    """Those checks of a source that look at a row by itself, whatever their severity; no row is too many."""
    rules = tuple(replace(one, severity="quarantine") for one in _of_rows(source))
    return Contract(f"quarantine.{name}", rules, 1.0)


def features_contract(definition: ModelDefinition, observations: int) -> Contract:
    """Exactly one row an observation, and no rate outside [0, 1]."""
    key = ["score_date", *definition.observations.key]
    found = [_expect(NOT_NULL, column) for column in key]
    for name, aggregate in definition.aggregate_features.items():
        if aggregate.agg == "rate":
            found.append(_expect(BETWEEN, name, min_value=0, max_value=1))
    return Contract(f"features.{definition.name}", (*found, _unique(key), _row_count(observations, observations)))


def scores_contract(definition: ModelDefinition, observations: int) -> Contract:
    """Exactly one row an observation, each with a probability and the version that made it."""
    key = ["score_date", *definition.observations.key]
    found = [_expect(NOT_NULL, column) for column in [*key, "score", "model_version"]]
    found.append(_expect(BETWEEN, "score", min_value=0, max_value=1))
    return Contract(f"scores.{definition.name}", (*found, _unique(key), _row_count(observations, observations)))


def _usual(usual: Usual, day: date, history: Mapping[date, int]) -> Iterator[Expectation]:
    """As many rows as the same weekday had in the weeks before; nothing is expected of the first weeks."""
    before = sorted(known for known in history if known < day and known.weekday() == day.weekday())[-usual.weeks :]
    if len(before) < FEWEST_WEEKS:
        return
    middle, weekday = median(history[known] for known in before), f"{day:%A}"
    bounds = (("min_value", ceil(usual.min * middle)), ("max_value", floor(usual.max * middle)))
    note = f"{usual.min:g} to {usual.max:g} times {middle:g}, the median of the last {len(before)} {weekday}s"
    yield Expectation(ROW_COUNT, f"rows of a usual {weekday}", bounds, usual.severity, note)


def _of_rows(source: Source) -> list[Expectation]:
    """What looks at a row by itself."""
    return [one for column, declared in source.columns.items() for one in _column(column, declared)]


def _column(name: str, declared: Column) -> Iterator[Expectation]:
    severity = declared.severity
    if declared.required:
        yield _expect(NOT_NULL, name, severity)
    if declared.min is not None or declared.max is not None:
        yield _expect(BETWEEN, name, severity, min_value=declared.min, max_value=declared.max)
    if declared.values is not None:
        yield _expect(IN_SET, name, severity, value_set=list(declared.values))
    if declared.pattern is not None:
        yield _expect(MATCHES, name, severity, regex=declared.pattern.join(WHOLE))


def _expect(kind: str, column: str, severity: Severity = "fail", **arguments: Any) -> Expectation:
    return Expectation(kind, column, (("column", column), *arguments.items()), severity)


def _unique(columns: list[str]) -> Expectation:
    if len(columns) == 1:
        return _expect(UNIQUE, columns[0])
    return Expectation(UNIQUE_TOGETHER, " + ".join(columns), (("column_list", columns),))


def _row_count(least: int, most: int | None) -> Expectation:
    return Expectation(ROW_COUNT, "rows", (("min_value", least), ("max_value", most)))
