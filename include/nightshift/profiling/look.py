"""What a column holds, date by date: enough to propose what must hold of it, without its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, reduce
from math import isfinite
from operator import or_
from statistics import median, stdev

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.checks import ColumnChecks
from nightshift.lake.tables import TableSpec
from nightshift.profiling.ranges import Extremes, Side, standing_apart
from nightshift.profiling.shapes import NONE, Shapes, shapes_of
from nightshift.quality.distributions import NUMBERS, ColumnDistribution, column_distributions

OUTERMOST = 5  # different values at either end of each date that are kept
HOUR = 3_600_000_000  # microseconds
MOVES = 0.5  # of the spread within a date, by which dates differ from each other
TIMES = ("date", "timestamp")


@dataclass(frozen=True)
class Look:
    """A column of one file.

    Attributes:
        profile: How it is distributed; of integers, too, with how many rows have each value.
        middle: The median of its finite numbers.
        lows: Its smallest different numbers, the smallest first, with how many rows have each.
        highs: Its largest ones, the largest first.
        infinite: How many numbers are not finite.
        clock: Whether its integers are times of a day, written HHMM.
        dates: Whether they are dates, written YYYYMMDD.
        shapes: The shapes of its texts.
        ages: By how many days its dates and instants are after the file's date, the least and the most.
        newest: How many hours before the end of the file's date its newest instant is.
        broken: How many values break each of the rules that are declared.
    """

    profile: ColumnDistribution
    middle: float | None = None
    lows: tuple[tuple[float, int], ...] = ()
    highs: tuple[tuple[float, int], ...] = ()
    infinite: int = 0
    clock: bool = False
    dates: bool = False
    shapes: Shapes = NONE
    ages: tuple[int, int] | None = None
    newest: float | None = None
    broken: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A column over all dates that have rows.

    Attributes:
        kind: Its type.
        looks: What each date's file holds.
    """

    kind: str
    looks: Mapping[date, Look]

    @property
    def profiles(self) -> dict[date, ColumnDistribution]:
        return {day: one.profile for day, one in self.looks.items()}

    @property
    def rows(self) -> dict[date, int]:
        return {day: one.profile.rows for day, one in self.looks.items()}

    @cached_property
    def total(self) -> int:
        return sum(self.rows.values())

    @cached_property
    def missing(self) -> int:
        return sum(one.profile.missing for one in self.looks.values())

    @property
    def values(self) -> int:
        return self.total - self.missing

    @property
    def told(self) -> dict[date, Look]:
        """The dates on which it has a value."""
        return {day: one for day, one in self.looks.items() if one.profile.rows > one.profile.missing}

    @cached_property
    def counts(self) -> dict[date, Mapping[str, int]] | None:
        """How many rows have each value; None if they are too many to know on each date."""
        told = {day: one.profile.counts for day, one in self.told.items()}
        return None if any(not counts for counts in told.values()) else told

    @cached_property
    def dates_of_values(self) -> Counter[str]:
        """On how many dates each value is there; nothing if they are too many."""
        return Counter(value for counts in (self.counts or {}).values() for value in counts)

    @property
    def shapes(self) -> Shapes:
        return reduce(or_, (one.shapes for one in self.told.values()), NONE)

    def side(self, upper: bool, aside: bool) -> Side:
        """One side of its numbers."""
        other = self._side(not upper, aside)
        return replace(self._side(upper, aside), opposite=other.without(standing_apart(other)).seen)

    def _side(self, upper: bool, aside: bool) -> Side:
        extremes: Extremes = {
            day: one.highs if upper else one.lows for day, one in self.looks.items() if one.middle is not None
        }
        middle = median(one.middle for one in self.looks.values() if one.middle is not None)
        return Side(extremes, middle, self.rows, self.values, upper, aside, self.kind == "integer", self.moves)

    @cached_property
    def moves(self) -> bool:
        """Whether the dates' medians differ more from each other than half as much as the values of a date do."""
        middles = [one.middle for one in self.looks.values() if one.middle is not None]
        known = [one.spread for one in self.profiles.values() if one.spread is not None]
        spreads = [spread for spread in known if isfinite(spread)]
        return len(middles) > 1 and bool(spreads) and stdev(middles) > MOVES * median(spreads)

    def broken(self, rule: str) -> dict[date, int]:
        """On which dates how many values break a declared rule."""
        return {day: one.broken[rule] for day, one in self.looks.items() if one.broken.get(rule)}


def look_at(
    rows: pa.Table, spec: TableSpec, day: date, zone: str, declared: Mapping[str, ColumnChecks]
) -> dict[str, Look]:
    """Looks at the columns of one file's rows, of which there is at least one.

    Args:
        rows: The rows, as their types.
        spec: Their table.
        day: The file's date.
        zone: The time zone of the source's clock.
        declared: What is declared of its columns.
    """
    kinds = {name: kind for name, kind in spec.columns.items() if name != spec.date_column}
    profiles = column_distributions(rows, spec, list(kinds))[day]
    integers = [name for name, kind in kinds.items() if kind == "integer"]
    if integers:
        counted = replace(spec, columns=spec.columns | dict.fromkeys(integers, "category"))
        for name, profile in column_distributions(rows, counted, integers)[day].items():
            profiles[name] = replace(profiles[name], distinct=profile.distinct, counts=profile.counts)
    return {
        name: _look(profiles[name], rows[name], kind, day, zone, declared.get(name)) for name, kind in kinds.items()
    }


def _look(
    profile: ColumnDistribution, values: pa.ChunkedArray, kind: str, day: date, zone: str, declared: ColumnChecks | None
) -> Look:
    broken = broken_values(values, declared) if declared is not None else {}
    if kind in NUMBERS:
        return _numbers(profile, values.drop_null(), kind, broken)
    if kind in TIMES:
        ages, newest = _times(values.drop_null(), kind, day, zone)
        return Look(profile, ages=ages, newest=newest, broken=broken)
    return Look(profile, shapes=shapes_of(values) if kind == "string" else NONE, broken=broken)


def _numbers(profile: ColumnDistribution, values: pa.ChunkedArray, kind: str, broken: Mapping[str, int]) -> Look:
    numbers = values.to_numpy()
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return Look(profile, infinite=len(numbers), broken=broken)
    different, counts = np.unique(finite, return_counts=True)
    lowest, highest = slice(None, OUTERMOST), slice(None, -OUTERMOST - 1, -1)
    return Look(
        profile,
        float(np.median(finite)),
        tuple(zip(different[lowest].tolist(), counts[lowest].tolist(), strict=True)),
        tuple(zip(different[highest].tolist(), counts[highest].tolist(), strict=True)),
        len(numbers) - len(finite),
        kind == "integer" and _is_clock(different),
        kind == "integer" and _are_dates(different),
        broken=broken,
    )


def _is_clock(values: np.ndarray) -> bool:
    return bool(np.all((values >= 0) & (values <= 2400) & (values % 100 < 60)))


def _are_dates(values: np.ndarray) -> bool:
    month, day = values // 100 % 100, values % 100
    fit = (values >= 19000101) & (values <= 21991231) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(np.all(fit))


def _times(values: pa.ChunkedArray, kind: str, day: date, zone: str) -> tuple[tuple[int, int] | None, float | None]:
    """The ages of dates and instants by the source's clock, and how near the newest instant is to the date's end."""
    if not len(values):
        return None, None
    clock = pa.timestamp("us", zone)
    local = pc.local_timestamp(values.cast(clock)) if kind == "timestamp" else values.cast(pa.timestamp("us"))
    ends = pc.min_max(local.cast(pa.int64()))
    least, most, midnight = ends["min"].as_py(), ends["max"].as_py(), (day - date(1970, 1, 1)).days
    newest = 24 - (most - midnight * 24 * HOUR) / HOUR if kind == "timestamp" else None
    return (least // (24 * HOUR) - midnight, most // (24 * HOUR) - midnight), newest


def broken_values(values: pa.ChunkedArray, rules: ColumnChecks) -> dict[str, int]:
    """How many values break each rule of a column."""
    present = values.drop_null()
    numeric = pa.types.is_integer(present.type) or pa.types.is_floating(present.type)
    text = pa.types.is_string(present.type)
    found = {"required": values.null_count} if rules.required else {}
    if rules.min is not None and numeric:
        found["min"] = _count(pc.less(present, rules.min))
    if rules.max is not None and numeric:
        found["max"] = _count(pc.greater(present, rules.max))
    if rules.values is not None:
        allowed = set(rules.values)
        found["values"] = _count_of(present, lambda value: value not in allowed)
    if rules.pattern is not None and text:
        pattern = re.compile(rules.pattern)
        found["pattern"] = _count_of(present, lambda value: pattern.fullmatch(str(value)) is None)
    return found


def _count(broken: pa.ChunkedArray) -> int:
    return int(pc.sum(broken).as_py() or 0)


def _count_of(values: pa.ChunkedArray, breaks: Callable[[object], bool]) -> int:
    return sum(one["counts"] for one in pc.value_counts(values).to_pylist() if breaks(one["values"]))
