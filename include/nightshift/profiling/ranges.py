"""Bounds for numbers, with room beyond what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import floor, isfinite, log10
from sys import float_info

ROOM = 0.5  # beyond the extreme: so much of its distance from the median
FEWEST_DATES = 7  # before which nothing is said about what holds on every date
GROWS = 0.5  # of the dates bring a new extreme: then there is no bound
YEAR = 330  # days after which all seasons were seen
NEAR_ZERO = 0.1  # of the other extreme: what moves and is so near zero begins there
PILED = 0.05  # of the values are the extreme itself: then nothing is beyond it
APART = 4.0  # times as far from the median as the next value: such values stand apart
MOST_APART = 3  # different values that stand apart
FEW_APART = 0.001  # of all values
FEW_OF_A_DATE = 0.05  # of the rows of a date
FEWEST_VALUES = 1000  # before which no value stands apart
LONG = 10_000  # and more: numbers that are told with commas
NEIGHBOURS = 4  # different values nearer the median, without which none stands apart

# The outermost different values of each date, the outermost first, with how many rows have them.
Extremes = Mapping[date, Sequence[tuple[float, int]]]


@dataclass(frozen=True)
class Bound:
    """A bound on one side.

    Attributes:
        value: The bound; None if there is none.
        why: What was seen.
        aside: Of each date the rows beyond it, which would be set aside.
    """

    value: float | int | None
    why: str
    aside: Mapping[date, int]


@dataclass(frozen=True)
class Side:
    """One side of the numbers of a column, over all dates.

    Attributes:
        extremes: The outermost values.
        median: The median of the dates' medians.
        rows: The rows of each date.
        values: How many numbers there are.
        upper: Whether it is the side of the largest numbers.
        aside: Whether rows may be set aside.
        whole: Whether all of them are whole numbers.
        moves: Whether dates differ from each other more than the values of a date do.
        opposite: The outermost value of the other side.
    """

    extremes: Extremes
    median: float
    rows: Mapping[date, int]
    values: int
    upper: bool
    aside: bool = True
    whole: bool = False
    moves: bool = False
    opposite: float = 0.0

    @property
    def word(self) -> str:
        return "most" if self.upper else "least"

    @property
    def seen(self) -> float:
        """The outermost value."""
        return self.outermost(one[0][0] for one in self.extremes.values())

    def outermost(self, values: object) -> float:
        return max(values) if self.upper else min(values)  # type: ignore[call-overload, no-any-return]

    def without(self, apart: Sequence[float]) -> Side:
        """The same without some values."""
        left = {day: [one for one in told if one[0] not in apart] for day, told in self.extremes.items()}
        return replace(self, extremes={day: told for day, told in left.items() if told})


def bound_of(side: Side) -> Bound:
    """A bound for what was seen: half as far again from the median as the outermost value, rounded outward.

    Numbers that move from date to date, such as temperatures, get as much room to either side as they took, until a
    year was seen. There is no bound where every other date brings a new extreme. It is the outermost value itself where
    many values are, and on no other side of zero than what was seen. Values that stand apart are left beyond it if they
    are very few.
    """
    if grows(side):
        return Bound(None, f"a new {side.word} on most dates, so no bound would last", {})
    apart = standing_apart(side)
    counts = {day: sum(count for value, count in told if value in apart) for day, told in side.extremes.items()}
    counts = {day: count for day, count in counts.items() if count}
    few = side.aside and sum(counts.values()) <= FEW_APART * side.values
    few = few and all(count <= FEW_OF_A_DATE * side.rows[day] for day, count in counts.items())
    if apart and few:
        bound = _bound(side.without(apart))
        return Bound(bound.value, f"{bound.why}; {_far(apart, counts)} would be set aside", counts)
    bound = _bound(side)
    if not apart:
        return bound
    return Bound(bound.value, f"{_far(apart, counts)}: a spelling of missing?", {})


def grows(side: Side) -> bool:
    """Whether most dates bring a new extreme."""
    seen, new = None, 0
    for day in sorted(side.extremes):
        value = side.extremes[day][0][0]
        if seen is not None and value != seen and side.outermost((value, seen)) == value:
            new += 1
        seen = value if seen is None else side.outermost((value, seen))
    return len(side.extremes) >= FEWEST_DATES and new >= GROWS * (len(side.extremes) - 1)


def standing_apart(side: Side) -> tuple[float, ...]:
    """The few values that are far beyond all others."""
    values = {value for told in side.extremes.values() for value, _ in told}
    outward = sorted(values, reverse=side.upper)
    if side.values < FEWEST_VALUES:
        return ()
    most = min(MOST_APART, len(outward) - NEIGHBOURS)
    away = [abs(value - side.median) for value in outward]
    cuts = [n for n in range(1, most + 1) if away[n - 1] > APART * away[n] > 0]
    return tuple(outward[: cuts[-1]]) if cuts else ()


def rounded(value: float, room: float, upper: bool) -> int | float:
    """A number rounded away from what was seen, to the leading digit of the room left beyond."""
    place = floor(log10(room))
    step = Decimal(1).scaleb(place)
    steps = (Decimal(repr(value)) / step).to_integral_value(ROUND_CEILING if upper else ROUND_FLOOR)
    told = steps * step
    return int(told) if told == told.to_integral_value() else float(told)


def told(number: float) -> str:
    """A number as evidence tells it."""
    if number != int(number) or abs(number) >= 1e15:
        return f"{number:,.6g}"
    return f"{int(number):,}" if abs(number) >= LONG else f"{int(number)}"


def _bound(side: Side) -> Bound:
    seen = side.seen
    days = [day for day, one in side.extremes.items() if one[0][0] == seen]
    piled = sum(side.extremes[day][0][1] for day in days)
    if len(side.extremes) >= FEWEST_DATES and len(days) >= len(side.extremes) / 2 and piled >= PILED * side.values:
        return Bound(_plain(seen), f"{told(seen)} is the {side.word}, in {piled:,} of {side.values:,} values", {})
    away, span = abs(seen - side.median), abs(seen - side.opposite)
    season = side.moves and (max(side.extremes) - min(side.extremes)).days < YEAR
    room = (span if season else away * ROOM) or abs(seen) * ROOM or 1.0
    room = max(room, 1.0) if side.whole else room
    end = seen + room if side.upper else seen - room
    # Of very large numbers the room is less than what a number can tell apart.
    bound = side.outermost((rounded(end, room, side.upper), _plain(seen))) if isfinite(end) else end
    if abs(bound) > float_info.max:
        return Bound(None, f"{told(seen)} seen, beyond which there is no room", {})
    why = f"{told(seen)} seen" + (", in one season of what differs from date to date" if season else "")
    beyond_zero = seen <= 0 < bound if side.upper else bound < 0 <= seen
    if beyond_zero and (not side.moves or abs(seen) <= NEAR_ZERO * abs(side.opposite)):
        return Bound(0, f"{told(seen)} seen, never {'positive' if side.upper else 'negative'}", {})
    return Bound(bound, why, {})


def _far(values: Sequence[float], counts: Mapping[date, int]) -> str:
    """What stands apart, in how many rows and when."""
    listed = ", ".join(told(value) for value in values)
    rows, days = sum(counts.values()), sorted(counts)
    when = str(days[0]) if len(days) == 1 else f"{len(days)} dates"
    return f"{listed} in {rows:,} row{'s' if rows > 1 else ''} of {when}"


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number
