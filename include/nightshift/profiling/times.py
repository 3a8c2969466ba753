"""Rules of time: what dates, instants and times of a day have to do with the file's date and with each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import permutations
from math import ceil

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.profiling.look import TIMES, Seen
from nightshift.profiling.ranges import FEWEST_DATES
from nightshift.profiling.text import Told
from nightshift.quality.computed import CONFIGURATION, quoted

FEWEST_VALUES = 100  # before which nothing is said of what holds for all
FEWEST_TIMES = 60  # different times of a day: so many numbers that are none would not all be times
NOON = 1200  # that times of a day go beyond
NEAR = 31  # days around the file's date within which ages are bounded to both sides
ROOM = 2  # times as old as any that was seen
LATEST = 24.0  # hours before the end of the date, for a column that says how fresh a file is

_PARTS: dict[str, tuple[Callable[[date], int], str]] = {
    "year": (lambda day: day.year, "year(source_date)"),
    "month": (lambda day: day.month, "month(source_date)"),
    "day": (lambda day: day.day, "day(source_date)"),
    "date": (lambda day: int(f"{day:%Y%m%d}"), "cast(strftime(source_date, '%Y%m%d') as bigint)"),
}

RULE = "one odd row should not stop a night"


class Orders:
    """Which of two dates or instants of a row is never after the other, found in one pass over files."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._left: dict[tuple[str, str], int]
        self._left = {
            (one, other): 0
            for one, other in permutations([name for name, kind in kinds.items() if kind in TIMES], 2)
            if kinds[one] == kinds[other]
        }

    def look(self, rows: pa.Table) -> None:
        """Looks at the rows of one file."""
        for one, other in list(self._left):
            after = pc.greater(rows[one], rows[other])
            if pc.any(after).as_py():
                del self._left[one, other]
            else:
                self._left[one, other] += len(after) - after.null_count

    @property
    def found(self) -> dict[tuple[str, str], int]:
        """Those of which enough rows have both, without those that follow from others; with the number of rows."""
        known = {
            pair: rows for pair, rows in self._left.items() if rows >= FEWEST_VALUES and pair[::-1] not in self._left
        }
        names = {name for pair in known for name in pair}
        return {
            (one, other): rows
            for (one, other), rows in known.items()
            if not any((one, name) in known and (name, other) in known for name in names)
        }


def time_rules(
    columns: Mapping[str, Seen], orders: Mapping[tuple[str, str], int], zone: str, given: Sequence[str]
) -> Iterator[tuple[str, dict[str, Told]]]:
    """Rules of time by name, each as a definition writes it.

    Args:
        columns: What was seen.
        orders: Pairs of columns of which the first is never after the second.
        zone: The time zone of the source's clock.
        given: The expressions that are declared already.
    """
    clocks = [name for name, seen in columns.items() if is_clock(seen) and not _said(f"{named(name)} % 100", given)]
    if clocks:
        expression = " and ".join(f"{named(name)} % 100 < 60" for name in clocks)
        values = sum(columns[name].values for name in clocks)
        yield "hour_has_sixty_minutes", _rule(expression, f"in all {values:,} values, written HHMM")
    for name, seen in columns.items():
        if (found := _age(name, seen, zone)) and not _said(found[1], given):
            yield f"{name}_{found[0]}", _rule(*found[1:])
    for (one, other), rows in orders.items():
        expression = f"{named(one)} <= {named(other)}"
        if not _said(expression, given):
            yield f"{one}_before_{other}", _rule(expression, f"in all {rows:,} rows that have both")


def freshness(columns: Mapping[str, Seen], zone: str) -> dict[str, Told] | None:
    """How near the newest instant is to the end of a date, of the column that is nearest."""
    lags = {}
    for name, seen in columns.items():
        newest = [one.newest for one in seen.looks.values() if one.newest is not None]
        if len(newest) == len(seen.looks) >= FEWEST_DATES and _ages(seen) == (0, 0):
            lags[name] = max(newest)
    if not lags:
        return None
    name = min(lags, key=lambda one: lags[one])
    within = ceil(lags[name] * ROOM) + 1
    if within >= LATEST:
        return None
    why = f"the newest was at most {lags[name]:.1f} hours before the end of its date"
    return {"newest": Told(local(name, zone)), "within": Told(f"{within}h", why)}


def is_clock(seen: Seen) -> bool:
    """Whether integers are times of a day, written HHMM."""
    told = seen.told.values()
    return (
        bool(told)
        and all(one.clock for one in told)
        and max(one.profile.distinct for one in told) >= FEWEST_TIMES
        and max(one.highs[0][0] for one in told) >= NOON
    )


def part_of_date(name: str, seen: Seen) -> tuple[str, str] | None:
    """What of the file's date integers are, in all rows: its name, and as SQL.

    A part that is the same on all dates may be so by chance, unless the column is named after it.
    """
    if seen.kind != "integer" or len(seen.told) < FEWEST_DATES:
        return None
    for part, (number, expression) in _PARTS.items():
        parts = {day: number(day) for day in seen.told}
        differs = len(set(parts.values())) > 1 or name == part
        if differs and all(one.lows[0][0] == one.highs[0][0] == parts[day] for day, one in seen.told.items()):
            return part, expression
    return None


def local(name: str, zone: str) -> str:
    """An instant by the clock of a time zone, as SQL."""
    return f"timezone('{zone}', {named(name)})"


def named(name: str) -> str:
    """A column as SQL takes it, in quotes where it is a word of SQL."""
    return quoted(name) if name in _keywords() else name


@lru_cache(maxsize=1)
def _keywords() -> frozenset[str]:
    query = "select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'"
    return frozenset(name for (name,) in duckdb.connect(config=CONFIGURATION).sql(query).fetchall())


def _age(name: str, seen: Seen, zone: str) -> tuple[str, str, str] | None:
    """What a column has to do with the file's date: the rule's name, its expression, and what was seen."""
    if len(seen.told) < FEWEST_DATES or seen.values < FEWEST_VALUES:
        return None
    if part := part_of_date(name, seen):
        return f"is_the_{part[0]}", f"{named(name)} = {part[1]}", f"in all {seen.values:,} values"
    if (ages := _ages(seen)) is None:
        return None
    least, most = ages
    day = f"cast({local(name, zone)} as date)" if seen.kind == "timestamp" else named(name)
    told = f"{_days(least)} to {_days(most)} in all {seen.values:,} values"
    if (least, most) == (0, 0):
        return "is_of_the_date", f"{day} = source_date", f"in all {seen.values:,} values"
    if least >= -NEAR and most <= NEAR:
        first, last = (_shifted(min(ROOM * least, 0)), _shifted(max(ROOM * most, 0)))
        return "is_near_the_date", f"{day} between {first} and {last}", told
    if most <= 0:
        return "is_not_after_the_date", f"{day} <= source_date", told
    return None


def _shifted(days: int) -> str:
    return f"source_date {'+' if days > 0 else '-'} {abs(days)}" if days else "source_date"


def _ages(seen: Seen) -> tuple[int, int] | None:
    ages = [one.ages for one in seen.told.values()]
    known = [one for one in ages if one is not None]
    if not known or len(known) < len(ages):
        return None
    return min(one[0] for one in known), max(one[1] for one in known)


def _days(age: int) -> str:
    if age == 0:
        return "the date"
    return f"{abs(age):,} day{'s' if abs(age) > 1 else ''} {'before' if age < 0 else 'after'}"


def _rule(expression: str, why: str) -> dict[str, Told]:
    return {"expression": Told(expression, why), "severity": Told("quarantine", RULE)}


def _said(expression: str, given: Sequence[str]) -> bool:
    """Whether a rule that is declared says it already."""
    wanted = re.compile(rf"(?<!\w){re.escape(_bare(expression))}")
    return any(wanted.search(_bare(one)) for one in given)


def _bare(expression: str) -> str:
    return "".join(expression.lower().split())
