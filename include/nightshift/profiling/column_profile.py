"""Profiles the columns of landed files, date by date: enough to propose checks without keeping the rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, reduce
from math import isfinite
from operator import or_
from statistics import median, stdev

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.checks import ColumnChecks
from nightshift.lake.tables import TableSpec
from nightshift.profiling.bounds import Extremes, Side, outliers
from nightshift.profiling.shapes import NO_SHAPES, Shapes, shapes_of
from nightshift.quality.distributions import NUMBERS, ColumnDistribution, column_distributions

OUTERMOST = 5  # distinct values at either end of a date's numbers that are stored
HOUR = 3_600_000_000  # microseconds
VARIATION = 0.5  # of the spread within a date: dates whose medians spread more differ from each other
TIMES = ("date", "timestamp")


@dataclass(frozen=True)
class ColumnProfile:
    """The profile of a column of one file.

    Attributes:
        distribution: Its distribution; for integers, too, with the number of rows by value.
        median: The median of its finite numbers.
        smallest: Its smallest distinct numbers in ascending order, with the number of rows that have them.
        largest: Its largest distinct numbers in descending order, with the number of rows that have them.
        infinite: The number of infinite values.
        is_clock: Whether its integers are times of day, written HHMM.
        is_calendar: Whether its integers are dates, written YYYYMMDD.
        shapes: The shapes of its texts.
        ages: The least and the most days by which its dates and instants are after the file's date.
        newest: Hours from its newest instant to the end of the file's date.
        instants: Its first and its last instant.
        violations: The number of values that break a declared check, by check.
    """

    distribution: ColumnDistribution
    median: float | None = None
    smallest: tuple[tuple[float, int], ...] = ()
    largest: tuple[tuple[float, int], ...] = ()
    infinite: int = 0
    is_clock: bool = False
    is_calendar: bool = False
    shapes: Shapes = NO_SHAPES
    ages: tuple[int, int] | None = None
    newest: float | None = None
    instants: tuple[datetime, datetime] | None = None
    violations: Mapping[str, int] = field(default_factory=dict)

    @property
    def values(self) -> int:
        return self.distribution.rows - self.distribution.missing


@dataclass(frozen=True)
class ColumnHistory:
    """The profiles of a column on all dates that have rows.

    Attributes:
        kind: The column's type.
        profiles: The profiles by date.
    """

    kind: str
    profiles: Mapping[date, ColumnProfile]

    @property
    def distributions(self) -> dict[date, ColumnDistribution]:
        return {day: profile.distribution for day, profile in self.profiles.items()}

    @property
    def rows(self) -> dict[date, int]:
        return {day: profile.distribution.rows for day, profile in self.profiles.items()}

    @cached_property
    def total(self) -> int:
        return sum(self.rows.values())

    @cached_property
    def missing(self) -> int:
        return sum(profile.distribution.missing for profile in self.profiles.values())

    @property
    def values(self) -> int:
        return self.total - self.missing

    @property
    def filled(self) -> dict[date, ColumnProfile]:
        """The profiles of the dates on which the column has a value."""
        return {day: profile for day, profile in self.profiles.items() if profile.values}

    @cached_property
    def counts(self) -> dict[date, Mapping[str, int]] | None:
        """The number of rows by value, of each date; None if a date has too many values to count."""
        counts = {day: profile.distribution.counts for day, profile in self.filled.items()}
        return None if any(not by_value for by_value in counts.values()) else counts

    @cached_property
    def dates_of_values(self) -> Counter[str]:
        """The number of dates on which each value occurs; empty if there are too many values."""
        return Counter(value for by_value in (self.counts or {}).values() for value in by_value)

    @property
    def shapes(self) -> Shapes:
        return reduce(or_, (profile.shapes for profile in self.filled.values()), NO_SHAPES)

    def side(self, upper: bool, quarantine: bool) -> Side:
        """The upper or lower end of its numbers."""
        opposite = self._side(not upper, quarantine)
        return replace(self._side(upper, quarantine), opposite=opposite.without(outliers(opposite)).extreme)

    def _side(self, upper: bool, quarantine: bool) -> Side:
        extremes: Extremes = {
            day: profile.largest if upper else profile.smallest
            for day, profile in self.profiles.items()
            if profile.median is not None
        }
        return Side(
            extremes,
            median(self._medians),
            self.rows,
            self.values,
            upper,
            quarantine,
            integers=self.kind == "integer",
            varies_by_date=self.varies_by_date,
        )

    @cached_property
    def varies_by_date(self) -> bool:
        """Whether the dates' medians spread more than half as much as the values within a date."""
        spreads = [daily.spread for daily in self.distributions.values() if daily.spread is not None]
        finite = [spread for spread in spreads if isfinite(spread)]
        return len(self._medians) > 1 and bool(finite) and stdev(self._medians) > VARIATION * median(finite)

    @property
    def _medians(self) -> list[float]:
        return [profile.median for profile in self.profiles.values() if profile.median is not None]

    def violations(self, check: str) -> dict[date, int]:
        """The number of values that break a declared check, of the dates on which any does."""
        return {
            day: profile.violations[check] for day, profile in self.profiles.items() if profile.violations.get(check)
        }


def profile_file(
    rows: pa.Table, spec: TableSpec, day: date, zone: str, declared: Mapping[str, ColumnChecks]
) -> dict[str, ColumnProfile]:
    """Profiles the columns of one file, which has at least one row.

    Args:
        rows: The rows, with the table's types.
        spec: The table.
        day: The file's date.
        zone: The time zone of the source's clock.
        declared: The declared checks, by column.
    """
    kinds = {name: kind for name, kind in spec.columns.items() if name != spec.date_column}
    distributions = column_distributions(rows, spec, list(kinds))[day]
    integers = [name for name, kind in kinds.items() if kind == "integer"]
    if integers:
        counted = replace(spec, columns=spec.columns | dict.fromkeys(integers, "category"))
        for name, values in column_distributions(rows, counted, integers)[day].items():
            distributions[name] = replace(distributions[name], distinct=values.distinct, counts=values.counts)
    return {
        name: _profile_column(distributions[name], rows[name], kind, day, zone, declared.get(name))
        for name, kind in kinds.items()
    }


def _profile_column(
    distribution: ColumnDistribution,
    values: pa.ChunkedArray,
    kind: str,
    day: date,
    zone: str,
    declared: ColumnChecks | None,
) -> ColumnProfile:
    violations = count_violations(values, declared) if declared is not None else {}
    if kind in NUMBERS:
        return _profile_numbers(distribution, values.drop_null(), kind, violations)
    if kind in TIMES:
        present = values.drop_null()
        ages, newest = _ages(present, kind, day, zone)
        instants = _instants(present) if kind == "timestamp" else None
        return ColumnProfile(distribution, ages=ages, newest=newest, instants=instants, violations=violations)
    shapes = shapes_of(values) if kind == "string" else NO_SHAPES
    return ColumnProfile(distribution, shapes=shapes, violations=violations)


def _profile_numbers(
    distribution: ColumnDistribution, values: pa.ChunkedArray, kind: str, violations: Mapping[str, int]
) -> ColumnProfile:
    numbers = values.to_numpy()
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return ColumnProfile(distribution, infinite=len(numbers), violations=violations)
    distinct, counts = np.unique(finite, return_counts=True)
    lowest, highest = slice(None, OUTERMOST), slice(None, -OUTERMOST - 1, -1)
    return ColumnProfile(
        distribution,
        median=float(np.median(finite)),
        smallest=tuple(zip(distinct[lowest].tolist(), counts[lowest].tolist(), strict=True)),
        largest=tuple(zip(distinct[highest].tolist(), counts[highest].tolist(), strict=True)),
        infinite=len(numbers) - len(finite),
        is_clock=kind == "integer" and _are_clock_times(distinct),
        is_calendar=kind == "integer" and _are_calendar_dates(distinct),
        violations=violations,
    )


def _are_clock_times(values: np.ndarray) -> bool:
    return bool(np.all((values >= 0) & (values <= 2400) & (values % 100 < 60)))


def _are_calendar_dates(values: np.ndarray) -> bool:
    month, day = values // 100 % 100, values % 100
    fit = (values >= 19000101) & (values <= 21991231) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(np.all(fit))


def _ages(values: pa.ChunkedArray, kind: str, day: date, zone: str) -> tuple[tuple[int, int] | None, float | None]:
    """The age range in days by the source's clock, and the hours from the newest instant to the end of the date."""
    if not len(values):
        return None, None
    clock = pa.timestamp("us", zone)
    local = pc.local_timestamp(values.cast(clock)) if kind == "timestamp" else values.cast(pa.timestamp("us"))
    ends = pc.min_max(local.cast(pa.int64()))
    least, most, midnight = ends["min"].as_py(), ends["max"].as_py(), (day - date(1970, 1, 1)).days
    newest = 24 - (most - midnight * 24 * HOUR) / HOUR if kind == "timestamp" else None
    return (least // (24 * HOUR) - midnight, most // (24 * HOUR) - midnight), newest


def _instants(values: pa.ChunkedArray) -> tuple[datetime, datetime] | None:
    """The first and the last instant."""
    if not len(values):
        return None
    ends = pc.min_max(values.cast(pa.timestamp("us", "UTC")))
    return ends["min"].as_py(), ends["max"].as_py()


def count_violations(values: pa.ChunkedArray, checks: ColumnChecks) -> dict[str, int]:
    """The number of values that break each check of a column."""
    present = values.drop_null()
    numeric = pa.types.is_integer(present.type) or pa.types.is_floating(present.type)
    text = pa.types.is_string(present.type)
    violations = {"required": values.null_count} if checks.required else {}
    if checks.min is not None and numeric:
        violations["min"] = _count(pc.less(present, checks.min))
    if checks.max is not None and numeric:
        violations["max"] = _count(pc.greater(present, checks.max))
    if checks.values is not None:
        allowed = set(checks.values)
        violations["values"] = _count_of(present, lambda value: value not in allowed)
    if checks.pattern is not None and text:
        pattern = re.compile(checks.pattern)
        violations["pattern"] = _count_of(present, lambda value: pattern.fullmatch(str(value)) is None)
    return violations


def _count(violations: pa.ChunkedArray) -> int:
    return int(pc.sum(violations).as_py() or 0)


def _count_of(values: pa.ChunkedArray, violates: Callable[[object], bool]) -> int:
    return sum(entry["counts"] for entry in pc.value_counts(values).to_pylist() if violates(entry["values"]))
