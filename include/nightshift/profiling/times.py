"""Proposes rules of time: how dates, instants and times of day relate to the file's date and to each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import permutations
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.lake.in_memory import database_cursor
from nightshift.profiling.bounds import MIN_DATES
from nightshift.profiling.column_profile import TIMES, ColumnHistory
from nightshift.profiling.proposal import ProposedValue
from nightshift.quality.computed import quoted

MIN_VALUES = 100  # that a rule for every value needs
MIN_CLOCK_TIMES = 60  # distinct times of day: numbers of another meaning would hardly all be times
NOON = 1200  # that times of day exceed
NEAR = 31  # days around the file's date within which ages are bounded on both sides
ROOM_AROUND = 0.1  # of the largest age, and at least a day: on each side of a range of ages
ROOM = 2  # times the longest time to the end of the date
MAX_LAG = 24.0  # hours before the end of the date, of a column that measures freshness

_DATE_PARTS: dict[str, tuple[Callable[[date], int], str]] = {
    "year": (lambda day: day.year, "year(source_date)"),
    "month": (lambda day: day.month, "month(source_date)"),
    "day": (lambda day: day.day, "day(source_date)"),
    "date": (lambda day: int(f"{day:%Y%m%d}"), "cast(strftime(source_date, '%Y%m%d') as bigint)"),
}

SEVERITY_REASON = "one bad row does not stop the night"

ColumnPair = tuple[str, str]


class TimeOrders:
    """Finds pairs of dates or instants of a row of which the first is never after the second, in one pass over files.

    Args:
        types: The types of the files' columns.
    """

    def __init__(self, types: Mapping[str, str]) -> None:
        names = [name for name, kind in types.items() if kind in TIMES]
        self._rows: dict[ColumnPair, int] = {
            (first, second): 0 for first, second in permutations(names, 2) if types[first] == types[second]
        }

    def add_file(self, rows: pa.Table) -> None:
        """Tests the pairs on the rows of one file."""
        for first, second in list(self._rows):
            after = pc.greater(rows[first], rows[second])
            if pc.any(after).as_py():
                del self._rows[first, second]
            else:
                self._rows[first, second] += len(after) - after.null_count

    @property
    def pairs(self) -> dict[ColumnPair, int]:
        """The ordered pairs with the number of rows that have both, without those that follow from other pairs."""
        ordered = {
            pair: rows for pair, rows in self._rows.items() if rows >= MIN_VALUES and pair[::-1] not in self._rows
        }
        names = {name for pair in ordered for name in pair}
        return {
            (first, second): rows
            for (first, second), rows in ordered.items()
            if not any((first, name) in ordered and (name, second) in ordered for name in names)
        }


def time_rules(
    columns: Mapping[str, ColumnHistory], orders: Mapping[ColumnPair, int], zone: str, declared: Sequence[str]
) -> Iterator[tuple[str, dict[str, ProposedValue]]]:
    """Proposes rules of time: the name of each and its entries in a definition.

    Args:
        columns: The columns' profiles.
        orders: Pairs of columns of which the first is never after the second, with the number of rows.
        zone: The time zone of the source's clock.
        declared: The expressions that are declared already.
    """
    clocks = [
        name
        for name, history in columns.items()
        if is_clock(history) and not _is_declared(f"{sql_name(name)} % 100", declared)
    ]
    if clocks:
        expression = " and ".join(f"{sql_name(name)} % 100 < 60" for name in clocks)
        values = sum(columns[name].values for name in clocks)
        yield "hour_has_sixty_minutes", _rule(expression, f"in all {values:,} values, written HHMM")
    for name, history in columns.items():
        if (rule := _date_rule(name, history, zone)) and not _is_declared(rule[1], declared):
            yield f"{name}_{rule[0]}", _rule(*rule[1:])
    for (first, second), rows in orders.items():
        expression = f"{sql_name(first)} <= {sql_name(second)}"
        if not _is_declared(expression, declared):
            yield f"{first}_before_{second}", _rule(expression, f"in all {rows:,} rows that have both")


def freshness(columns: Mapping[str, ColumnHistory], zone: str) -> dict[str, ProposedValue] | None:
    """Proposes a freshness check on the column whose newest instant is nearest to the end of each date."""
    lags = {}
    for name, history in columns.items():
        newest = [profile.newest for profile in history.profiles.values() if profile.newest is not None]
        if len(newest) == len(history.profiles) >= MIN_DATES and _age_range(history) == (0, 0):
            lags[name] = max(newest)
    if not lags:
        return None
    name = min(lags, key=lambda column: lags[column])
    within = ceil(lags[name] * ROOM) + 1
    if within >= MAX_LAG:
        return None
    evidence = f"the newest value was at most {lags[name]:.1f} hours before the end of its date"
    return {"newest": ProposedValue(local_time(name, zone)), "within": ProposedValue(f"{within}h", evidence)}


def is_clock(history: ColumnHistory) -> bool:
    """Whether integers are times of day, written HHMM."""
    profiles = history.filled.values()
    return (
        bool(profiles)
        and all(profile.is_clock for profile in profiles)
        and max(profile.distribution.distinct for profile in profiles) >= MIN_CLOCK_TIMES
        and max(profile.largest[0][0] for profile in profiles) >= NOON
    )


def part_of_date(name: str, history: ColumnHistory) -> tuple[str, str] | None:
    """The part of the file's date that integers equal in all rows: its name, and its SQL.

    A part that is the same on all dates may be equal by chance, unless the column is named after it.
    """
    if history.kind != "integer" or len(history.filled) < MIN_DATES:
        return None
    for part, (part_of, expression) in _DATE_PARTS.items():
        parts = {day: part_of(day) for day in history.filled}
        varies = len(set(parts.values())) > 1 or name == part
        if varies and all(
            profile.smallest[0][0] == profile.largest[0][0] == parts[day] for day, profile in history.filled.items()
        ):
            return part, expression
    return None


def local_time(name: str, zone: str) -> str:
    """An instant by the clock of a time zone, as SQL."""
    return f"timezone('{zone}', {sql_name(name)})"


def sql_name(name: str) -> str:
    """A column's name in SQL, quoted if it is a keyword."""
    return quoted(name) if name in _keywords() else name


@lru_cache(maxsize=1)
def _keywords() -> frozenset[str]:
    query = "select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'"
    return frozenset(name for (name,) in database_cursor().sql(query).fetchall())


def _date_rule(name: str, history: ColumnHistory, zone: str) -> tuple[str, str, str] | None:
    """The rule that relates a column to the file's date: its name, its expression and its evidence."""
    if len(history.filled) < MIN_DATES or history.values < MIN_VALUES:
        return None
    in_all = f"in all {history.values:,} values"
    if part := part_of_date(name, history):
        return f"is_the_{part[0]}", f"{sql_name(name)} = {part[1]}", in_all
    if (ages := _age_range(history)) is None:
        return None
    least, most = ages
    day = f"cast({local_time(name, zone)} as date)" if history.kind == "timestamp" else sql_name(name)
    evidence = f"{_days(least)} to {_days(most)} {in_all}"
    if (least, most) == (0, 0):
        return "is_of_the_date", f"{day} = source_date", in_all
    if least >= -NEAR and most <= NEAR:
        room = max(1, round(ROOM_AROUND * max(-least, most)))
        first, last = (_shifted_date(least - room if least < 0 else 0), _shifted_date(most + room if most > 0 else 0))
        return "is_near_the_date", f"{day} between {first} and {last}", evidence
    if most <= 0:
        return "is_not_after_the_date", f"{day} <= source_date", evidence
    return None


def _shifted_date(days: int) -> str:
    return f"source_date {'+' if days > 0 else '-'} {abs(days)}" if days else "source_date"


def _age_range(history: ColumnHistory) -> tuple[int, int] | None:
    """The least and the most days after the file's date; None if a date has none."""
    ages = [profile.ages for profile in history.filled.values()]
    present = [age_range for age_range in ages if age_range is not None]
    if not present or len(present) < len(ages):
        return None
    return min(least for least, _ in present), max(most for _, most in present)


def _days(age: int) -> str:
    if age == 0:
        return "the date"
    return f"{abs(age):,} day{'s' if abs(age) > 1 else ''} {'before' if age < 0 else 'after'}"


def _rule(expression: str, evidence: str) -> dict[str, ProposedValue]:
    return {
        "expression": ProposedValue(expression, evidence),
        "severity": ProposedValue("quarantine", SEVERITY_REASON),
    }


def _is_declared(expression: str, declared: Sequence[str]) -> bool:
    """Whether a declared rule contains an expression."""
    pattern = re.compile(rf"(?<!\w){re.escape(_normalized(expression))}")
    return any(pattern.search(_normalized(rule)) for rule in declared)


def _normalized(expression: str) -> str:
    return "".join(expression.lower().split())
