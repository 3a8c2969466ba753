"""Rows that are published and yet counted by no aggregate, or matched by no look-up: how many a set has, and why.

They leave the features silently: what happened after a partition was available is from the future and left out, `last`
ignores rows without an event time, a missing key matches nothing. A few are normal; many mean that the definition does
not describe the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nightshift.definition.calendar import zone_of
from nightshift.definition.features import Aggregate
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Source
from nightshift.definition.spark_sql import UntranslatableError, columns_of, instant_of, to_duckdb
from nightshift.errors import NightshiftError
from nightshift.quality.computed import quoted
from nightshift.quality.expectation import ComputedColumn
from nightshift.types import Check

EVENT_TIME = "event_time"
LATE, EARLY, OLD, MISSING, NULL_KEY = "late", "early", "old", "without_event_time", "null_key"


class CountedRows(Protocol):
    """Rows of which those that satisfy conditions can be counted."""

    rows: int

    def count(self, conditions: Mapping[str, ComputedColumn]) -> dict[str, int]:
        """How many rows satisfy each condition."""


@dataclass(frozen=True)
class Condition:
    """A condition under which a row is left out.

    Attributes:
        statistic: Its name among the measured values.
        subject: What it is about: `event_time`, or the columns of a key.
        predicate: What is said of the rows that satisfy it, and what follows.
        column: The condition, as a computed column; None if only Spark can evaluate it.
        share: The largest share of rows that may satisfy it without a warning; 1 if any number is normal.
        problem: Why it cannot be evaluated, if so.
    """

    statistic: str
    subject: str
    predicate: str
    column: ComputedColumn | None
    share: float
    problem: str = ""

    def check(self, count: int | str, rows: int) -> Check:
        """The check of a number of rows that satisfy it, or of the reason why they cannot be counted."""
        if isinstance(count, str):
            return Check(self.statistic, self.subject, True, None, f"not counted here: {count}", "warn")
        passed = count <= self.share * rows
        detail = "" if passed else f"{count:,} of {rows:,} rows {self.predicate}; at most {self.share:.4g} of them may"
        return Check(self.statistic, self.subject, passed, float(count), detail, "warn")


def uncounted_checks(definition: ModelDefinition, name: str, rows: CountedRows) -> list[Check]:
    """Counts the rows of a source's set that are left out, for each reason.

    Args:
        definition: The model definition.
        name: The source.
        rows: The rows of the set.
    """
    conditions = list(left_out_conditions(definition, name))
    counts = count_conditions(conditions, rows)
    return [condition.check(count, rows.rows) for condition, count in zip(conditions, counts, strict=True)]


def count_conditions(conditions: Sequence[Condition], rows: CountedRows) -> list[int | str]:
    """How many rows satisfy each condition; the reason for one that cannot be evaluated."""
    columns = {str(number): condition.column for number, condition in enumerate(conditions) if condition.column}
    try:
        counts: dict[str, int | str] = dict(rows.count(columns)) if columns else {}
    except NightshiftError:  # which of them cannot be evaluated
        counts = {number: _count(column, rows) for number, column in columns.items()}
    return [counts.get(str(number), condition.problem) for number, condition in enumerate(conditions)]


def _count(column: ComputedColumn, rows: CountedRows) -> int | str:
    try:
        return rows.count({"rows": column})["rows"]
    except NightshiftError as error:  # such as a value that DuckDB cannot convert; Spark says what it makes of it
        return error.problem


def left_out_conditions(definition: ModelDefinition, name: str) -> Iterator[Condition]:
    """The conditions under which a model leaves out rows of a source."""
    source = definition.sources[name]
    aggregates = [part for part in definition.features.aggregates.values() if part.source == name]
    label = definition.label if definition.label.window is not None and definition.label.source == name else None
    if (aggregates or label) and source.event_time is not None:
        days = max((window.days for part in aggregates for window in part.windows), default=None)
        values = [_value_of(part) for part in aggregates if part.agg == "last"]
        values += ["true"] if label else []
        yield from event_time_conditions(source, zone_of(definition.schedule, source), days, values)
    for columns, consequence in _keys(definition, name).items():
        if condition := _null_key(source, columns, consequence):
            yield condition


def _value_of(last: Aggregate) -> str:
    """Whether a row has a value for a `last`, in Spark SQL."""
    value = f"({last.value}\n) is not null"
    return f"{value} and ({last.where}\n)" if last.where else value


def event_time_conditions(
    source: Source, zone: str, days: int | None = None, needed: Sequence[str] = ()
) -> Iterator[Condition]:
    """The conditions on the event time of a source's rows.

    Args:
        source: The source.
        zone: The time zone of its dates and clock.
        days: The days of the longest window over it; None if that is not known.
        needed: The conditions under which an aggregate needs the event time of a row, in Spark SQL.
    """
    share = source.uncounted
    try:
        at, problem = instant_of(to_duckdb(str(source.event_time), source), zone), ""
        needs = " or ".join(to_duckdb(condition, source) for condition in needed) or "true"
        columns = columns_of(f"({at}) is null and ({needs})", source.landed | {"source_date": "date"})
    except UntranslatableError as error:
        at, needs, problem, columns = "", "", str(error), ()

    def condition(statistic: str, sql: str, predicate: str, share: float) -> Condition:
        column = None if problem else ComputedColumn(sql, tuple(dict.fromkeys([*columns, "source_date"])))
        return Condition(statistic, EVENT_TIME, predicate, column, share, problem)

    seconds = source.available.after.total_seconds()
    begins = instant_of("source_date", zone)
    yield condition(
        LATE,
        f"{at} >= {instant_of(f'cast(source_date as timestamp) + to_seconds({seconds:.0f})', zone)}",
        "happened after their file was available, so no aggregate counts them: compare `event_time` and "
        "`available.after` with the column that the files are dated by",
        share,
    )
    ignored = "have no event time" + (", so `last` and labels over a window ignore them" if needed else "")
    yield condition(MISSING, f"({at}) is null and ({needs})", ignored, share if needed else 1.0)
    yield condition(EARLY, f"{at} < {begins}", "happened before the date of their file", 1.0)
    if days is not None:
        yield condition(
            OLD,
            f"{at} < {instant_of(f'cast(source_date as timestamp) - to_days({days})', zone)}",
            f"happened more than {days} days before the date of their file, and are counted as of that date: compare "
            "`event_time` with the column that the files are dated by",
            share,
        )


def _keys(definition: ModelDefinition, name: str) -> dict[tuple[str, ...], str]:
    """The keys by which rows of a source are matched, each with what becomes of a row that lacks it."""
    observed = definition.observations.source == name
    keys: dict[tuple[str, ...], str] = {}
    if observed and definition.observations.within is not None:
        keys[definition.observations.key] = "so they make no observation"
    if name == definition.label.source and definition.label.window is not None:
        keys.setdefault(definition.label_key, "so no label counts them")
    for aggregate in definition.features.aggregates.values():
        if aggregate.by and aggregate.source == name:
            keys.setdefault(aggregate.by, "so no aggregate by it counts them")
        if aggregate.by and observed:
            keys.setdefault(aggregate.by, "so no aggregate by it has a value for them")
    for lookup, part in definition.features.lookups.items():
        if part.source == name:
            keys.setdefault(part.key, f"so the look-up '{lookup}' never returns them")
        if observed:
            keys.setdefault(part.key, f"so the look-up '{lookup}' has no row for them")
    return keys


def _null_key(source: Source, columns: tuple[str, ...], consequence: str) -> Condition | None:
    """The condition that a row lacks a part of a key; None if none can be missing."""
    nullable = [name for name in columns if name not in source.always_present]
    if not nullable:
        return None
    subject, predicate = " + ".join(columns), f"lack {' or '.join(nullable)}, {consequence}"
    try:
        parts = [quoted(name) if name in source.columns else to_duckdb(name, source) for name in nullable]
    except UntranslatableError as error:
        return Condition(NULL_KEY, subject, predicate, None, source.uncounted, str(error))
    sql = " or ".join(f"({part}) is null" for part in parts)
    used = columns_of(sql, source.landed | {"source_date": "date"})
    return Condition(NULL_KEY, subject, predicate, ComputedColumn(sql, used), source.uncounted)
