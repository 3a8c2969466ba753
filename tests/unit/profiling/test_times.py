from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from nightshift.lake.tables import ARROW, Layer, TableSpec
from nightshift.profiling.look import Seen, look_at
from nightshift.profiling.times import Orders, freshness, named, time_rules

FIRST = date(2024, 3, 5)
DAYS = [FIRST + timedelta(days=n) for n in range(10)]


def seen(kind: str, values: Any, zone: str = "UTC") -> Seen:
    """A column whose values on a date are made of it."""
    spec = TableSpec(Layer.RAW, "x", {"source_date": "date", "x": kind}, "source_date", ())
    looks = {}
    for day in DAYS:
        made = pa.array(values(day), ARROW[kind])
        rows = pa.table({"source_date": pa.array([day] * len(made), pa.date32()), "x": made})
        looks[day] = look_at(rows, spec, day, zone, {})["x"]
    return Seen(kind, looks)


def rules(column: Seen, zone: str = "UTC", given: tuple[str, ...] = ()) -> list[str]:
    return [str(rule["expression"].value) for _, rule in time_rules({"x": column}, {}, zone, given)]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0, 0, ["x = source_date"]),
        (-3, 0, ["x between source_date - 6 and source_date"]),
        (1, 5, ["x between source_date and source_date + 10"]),
        (-3, 5, ["x between source_date - 6 and source_date + 10"]),
        (-400, -2, ["x <= source_date"]),
        (-400, 2, []),
        (40, 50, []),
    ],
)
def test_dates_near_the_file_s_stay_near_it(least: int, most: int, expected: list[str]) -> None:
    dates = seen("date", lambda day: [day + timedelta(days=one) for one in (least, most)] * 10)
    assert rules(dates) == expected


def test_instants_are_of_the_date_by_the_clock_of_the_source() -> None:
    evenings = seen("timestamp", lambda day: [at(day + timedelta(days=1), 3)] * 20, "America/New_York")
    expected = "cast(timezone('America/New_York', x) as date) = source_date"
    assert rules(evenings, "America/New_York") == [expected]
    assert rules(evenings, "America/New_York", (expected.upper(),)) == []
    fresh = freshness({"x": evenings}, "America/New_York")
    assert fresh is not None
    assert {name: one.value for name, one in fresh.items()} == {
        "newest": "timezone('America/New_York', x)",
        "within": "5h",  # the latest is at 22 or 23 hours: the clock changes on 10 March
    }


def test_files_of_other_dates_or_early_hours_are_never_fresh() -> None:
    assert freshness({"x": seen("timestamp", lambda day: [at(day, 3), at(day + timedelta(days=1), 3)])}, "UTC") is None
    assert freshness({"x": seen("timestamp", lambda day: [at(day, 1)])}, "UTC") is None


def test_times_of_a_day_have_sixty_minutes() -> None:
    clock = seen("integer", lambda day: [100 * hour + minute for hour in range(24) for minute in (0, 7, 59)])
    assert rules(clock) == ["x % 100 < 60"]
    assert rules(clock, given=("coalesce(X%100, 0) < 60",)) == []
    assert rules(clock, given=("max % 100 < 60",)) == ["x % 100 < 60"]
    assert rules(seen("integer", lambda day: list(range(0, 60)) * 2)) == []  # minutes
    assert rules(seen("integer", lambda day: [*range(0, 2400, 20)])) == []  # every other hundred has more than 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda day: day.day, ["x = day(source_date)"]),
        (lambda day: int(f"{day:%Y%m%d}"), ["x = cast(strftime(source_date, '%Y%m%d') as bigint)"]),
        (lambda day: 2024, []),  # the same on all dates, by chance for all we know
        (lambda day: day.day + 1, []),
    ],
)
def test_digits_of_the_date_are_held_against_it(value: Any, expected: list[str]) -> None:
    assert rules(seen("integer", lambda day: [value(day)] * 12)) == expected


def orders(**columns: list[int | None]) -> Orders:
    found = Orders(dict.fromkeys(columns, "date"))
    for _ in range(50):
        found.look(pa.table({name: pa.array(values, pa.int32()).cast(pa.date32()) for name, values in columns.items()}))
    return found


def test_what_is_never_after_another_is_told_without_what_follows() -> None:
    assert orders(a=[1, 2, 5], b=[1, 3, None], c=[4, 4, 5]).found == {("a", "b"): 100, ("b", "c"): 100}
    assert orders(a=[1, 5], b=[2, 4]).found == {}
    assert orders(a=[1, 2], b=[1, 2]).found == {}  # the same
    assert orders(a=[1, None, None], b=[2, 3, None]).found == {}  # in too few rows


def test_words_of_sql_are_quoted() -> None:
    assert [named(name) for name in ("due", "order", "end", "month")] == ["due", '"order"', '"end"', "month"]
