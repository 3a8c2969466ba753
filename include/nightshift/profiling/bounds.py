"""Proposes bounds for numbers, with room beyond the extremes of the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import floor, isfinite, log10
from sys import float_info

ROOM = 0.5  # beyond the extreme, as a share of its distance from the median
MIN_DATES = 7  # that a statement about every date needs
GROWTH_SHARE = 0.5  # of the dates bring a new extreme: no bound is proposed
YEAR = 330  # days after which all seasons were read
NEAR_ZERO = 0.1  # of the opposite extreme: values that vary by date and come so near to zero start there
PILED_SHARE = 0.05  # of the values equal the extreme: the extreme is the bound
OUTLIER_DISTANCE = 4.0  # times as far from the median as the next value
MAX_OUTLIERS = 3  # distinct values
MAX_OUTLIER_SHARE = 0.001  # of all values
MAX_OUTLIER_SHARE_OF_DATE = 0.05  # of the rows of a date
MIN_VALUES = 1000  # that outliers need
MIN_INLIERS = 4  # distinct values nearer to the median, that outliers need
GROUPED_FROM = 10_000  # whole numbers from here on are written with commas

# The outermost distinct values of each date, the outermost first, with the number of rows that have them.
Extremes = Mapping[date, Sequence[tuple[float, int]]]


@dataclass(frozen=True)
class Bound:
    """A proposed lower or upper bound.

    Attributes:
        value: The bound; None if no bound is proposed.
        evidence: What the files show.
        outlier_rows: The number of rows beyond it by date; they would be quarantined.
    """

    value: float | int | None
    evidence: str
    outlier_rows: Mapping[date, int]


@dataclass(frozen=True)
class Side:
    """The lower or upper end of a column's numbers, over all dates.

    Attributes:
        extremes: The outermost values.
        median: The median of the dates' medians.
        rows: The number of rows by date.
        values: The number of numbers.
        upper: Whether it is the upper end.
        quarantine: Whether rows may be quarantined.
        integers: Whether all values are whole numbers.
        varies_by_date: Whether dates differ from each other more than the values within a date.
        opposite: The outermost value of the other end.
    """

    extremes: Extremes
    median: float
    rows: Mapping[date, int]
    values: int
    upper: bool
    quarantine: bool = True
    integers: bool = False
    varies_by_date: bool = False
    opposite: float = 0.0

    @property
    def word(self) -> str:
        return "maximum" if self.upper else "minimum"

    @property
    def extreme(self) -> float:
        """The outermost value of all dates."""
        return self.outermost(values[0][0] for values in self.extremes.values())

    def outermost(self, values: Iterable[float]) -> float:
        return max(values) if self.upper else min(values)

    def without(self, outliers: Sequence[float]) -> Side:
        """A copy without some values; dates that are left without a value are dropped."""
        inliers = {
            day: [(value, count) for value, count in values if value not in outliers]
            for day, values in self.extremes.items()
        }
        return replace(self, extremes={day: values for day, values in inliers.items() if values})


def propose_bound(side: Side) -> Bound:
    """Proposes a bound: the extreme plus half of its distance from the median, rounded outward.

    Numbers that vary by date, such as temperatures, get as much room on either side as their whole range, until a year
    of files was read. There is no bound where most dates bring a new extreme. The bound is the extreme itself where
    many values equal it, and it does not cross zero. A few outliers are left beyond the bound.
    """
    if grows(side):
        return Bound(None, f"a new {side.word} on most dates, so no bound would last", {})
    outlier_values = outliers(side)
    counts = {
        day: sum(count for value, count in values if value in outlier_values) for day, values in side.extremes.items()
    }
    counts = {day: count for day, count in counts.items() if count}
    few = side.quarantine and sum(counts.values()) <= MAX_OUTLIER_SHARE * side.values
    few = few and all(count <= MAX_OUTLIER_SHARE_OF_DATE * side.rows[day] for day, count in counts.items())
    if outlier_values and few:
        bound = _bound(side.without(outlier_values))
        evidence = f"{bound.evidence}; {_describe_outliers(outlier_values, counts)} would be set aside"
        return Bound(bound.value, evidence, counts)
    bound = _bound(side)
    if not outlier_values:
        return bound
    return Bound(bound.value, f"{_describe_outliers(outlier_values, counts)}: a code for missing values?", {})


def grows(side: Side) -> bool:
    """Whether most dates bring a new extreme."""
    extreme, new = None, 0
    for day in sorted(side.extremes):
        value = side.extremes[day][0][0]
        if extreme is not None and value != extreme and side.outermost((value, extreme)) == value:
            new += 1
        extreme = value if extreme is None else side.outermost((value, extreme))
    return len(side.extremes) >= MIN_DATES and new >= GROWTH_SHARE * (len(side.extremes) - 1)


def outliers(side: Side) -> tuple[float, ...]:
    """The few values that lie far beyond all others, the outermost first."""
    distinct = {value for values in side.extremes.values() for value, _ in values}
    inward = sorted(distinct, reverse=side.upper)
    if side.values < MIN_VALUES:
        return ()
    most = min(MAX_OUTLIERS, len(inward) - MIN_INLIERS)
    distances = [abs(value - side.median) for value in inward]
    cuts = [n for n in range(1, most + 1) if distances[n - 1] > OUTLIER_DISTANCE * distances[n] > 0]
    return tuple(inward[: cuts[-1]]) if cuts else ()


def round_outward(value: float, room: float, upper: bool) -> int | float:
    """Rounds a bound away from the values, to the leading digit of the room beyond them."""
    place = floor(log10(room))
    step = Decimal(1).scaleb(place)
    steps = (Decimal(repr(value)) / step).to_integral_value(ROUND_CEILING if upper else ROUND_FLOOR)
    number = steps * step
    return int(number) if number == number.to_integral_value() else float(number)


def format_number(number: float) -> str:
    """A number as evidence shows it: six digits, commas in large whole numbers."""
    if number != int(number) or abs(number) >= 1e15:
        return f"{number:,.6g}"
    return f"{int(number):,}" if abs(number) >= GROUPED_FROM else f"{int(number)}"


def _bound(side: Side) -> Bound:
    extreme = side.extreme
    days = [day for day, values in side.extremes.items() if values[0][0] == extreme]
    piled = sum(side.extremes[day][0][1] for day in days)
    evidence = f"{side.word} {format_number(extreme)}"
    if len(side.extremes) >= MIN_DATES and len(days) >= len(side.extremes) / 2 and piled >= PILED_SHARE * side.values:
        return Bound(_integer_or_float(extreme), f"{evidence}, in {piled:,} of {side.values:,} values", {})
    distance, span = abs(extreme - side.median), abs(extreme - side.opposite)
    season = side.varies_by_date and (max(side.extremes) - min(side.extremes)).days < YEAR
    room = (span if season else distance * ROOM) or abs(extreme) * ROOM or 1.0
    room = max(room, 1.0) if side.integers else room
    end = extreme + room if side.upper else extreme - room
    # The room beyond a very large number is less than the distance to the next float.
    bound = side.outermost((round_outward(end, room, side.upper), _integer_or_float(extreme))) if isfinite(end) else end
    if abs(bound) > float_info.max:
        return Bound(None, f"{evidence}: no number lies far enough beyond it", {})
    crosses_zero = extreme <= 0 < bound if side.upper else bound < 0 <= extreme
    if crosses_zero and (not side.varies_by_date or abs(extreme) <= NEAR_ZERO * abs(side.opposite)):
        return Bound(0, f"{evidence}, never {'positive' if side.upper else 'negative'}", {})
    return Bound(bound, evidence + (", values vary by date and less than a year was read" if season else ""), {})


def _describe_outliers(values: Sequence[float], counts: Mapping[date, int]) -> str:
    """The outliers, their number of rows and their dates."""
    numbers = ", ".join(format_number(value) for value in values)
    rows, days = sum(counts.values()), sorted(counts)
    dates = str(days[0]) if len(days) == 1 else f"{len(days)} dates"
    return f"{numbers} in {rows:,} row{'s' if rows > 1 else ''} of {dates}"


def _integer_or_float(number: float) -> int | float:
    return int(number) if number == int(number) else number
