from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from nightshift.lake.tables import ARROW, Layer, TableSpec
from nightshift.profiling.column_profile import ColumnHistory, profile_file
from nightshift.profiling.times import TimeOrders, freshness, sql_name, time_rules

FIRST = date(2024, 3, 5)
DAYS = [FIRST + timedelta(days=n) for n in range(10)]


def profiled(kind: str, values: Any, zone: str = "UTC") -> ColumnHistory:
    """The profiles of a column whose values are computed from the date."""
    spec = TableSpec(Layer.RAW, "x", {"source_date": "date", "x": kind}, "source_date", ())
    profiles = {}
    for day in DAYS:
        values_of_day = pa.array(values(day), ARROW[kind])
        rows = pa.table({"source_date": pa.array([day] * len(values_of_day), pa.date32()), "x": values_of_day})
        profiles[day] = profile_file(rows, spec, day, zone, {})["x"]
    return ColumnHistory(kind, profiles)


def rules(column: ColumnHistory, zone: str = "UTC", declared: tuple[str, ...] = ()) -> list[str]:
    return [str(rule["expression"].value) for _, rule in time_rules({"x": column}, {}, zone, declared)]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0, 0, ["x = source_date"]),
        (-3, 0, ["x between source_date - 4 and source_date"]),
        (1, 5, ["x between source_date and source_date + 6"]),
        (-3, 5, ["x between source_date - 4 and source_date + 6"]),
        (-26, 28, ["x between source_date - 29 and source_date + 31"]),
        (-400, -2, ["x <= source_date"]),
        (-400, 2, []),
        (40, 50, []),
    ],
)
def test_dates_near_the_file_s_stay_near_it(least: int, most: int, expected: list[str]) -> None:
    dates = profiled("date", lambda day: [day + timedelta(days=days) for days in (least, most)] * 10)
    assert rules(dates) == expected


def test_instants_are_of_the_date_by_the_clock_of_the_source() -> None:
    evenings = profiled("timestamp", lambda day: [at(day + timedelta(days=1), 3)] * 20, "America/New_York")
    expected = "cast(timezone('America/New_York', x) as date) = source_date"
    assert rules(evenings, "America/New_York") == [expected]
    assert rules(evenings, "America/New_York", (expected.upper(),)) == []
    fresh = freshness({"x": evenings}, "America/New_York")
    assert fresh is not None
    assert {name: entry.value for name, entry in fresh.items()} == {
        "newest": "timezone('America/New_York', x)",
        "within": "5h",  # the latest is at 22 or 23 hours: the clock changes on 10 March
    }


def test_files_of_other_dates_or_early_hours_are_never_fresh() -> None:
    assert (
        freshness({"x": profiled("timestamp", lambda day: [at(day, 3), at(day + timedelta(days=1), 3)])}, "UTC") is None
    )
    assert freshness({"x": profiled("timestamp", lambda day: [at(day, 1)])}, "UTC") is None


def test_times_of_a_day_have_sixty_minutes() -> None:
    clock = profiled("integer", lambda day: [100 * hour + minute for hour in range(24) for minute in (0, 7, 59)])
    assert rules(clock) == ["x % 100 < 60"]
    assert rules(clock, declared=("coalesce(X%100, 0) < 60",)) == []
    assert rules(clock, declared=("max % 100 < 60",)) == ["x % 100 < 60"]
    assert rules(profiled("integer", lambda day: list(range(0, 60)) * 2)) == []  # minutes
    assert rules(profiled("integer", lambda day: [*range(0, 2400, 20)])) == []  # every other hundred has more than 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda day: day.day, ["x = day(source_date)"]),
        (lambda day: int(f"{day:%Y%m%d}"), ["x = cast(strftime(source_date, '%Y%m%d') as bigint)"]),
        (lambda day: 2024, []),  # the same on all dates, perhaps by chance
        (lambda day: day.day + 1, []),
    ],
)
def test_digits_of_the_date_are_compared_with_it(value: Any, expected: list[str]) -> None:
    assert rules(profiled("integer", lambda day: [value(day)] * 12)) == expected


def orders(**columns: list[int | None]) -> TimeOrders:
    time_orders = TimeOrders(dict.fromkeys(columns, "date"))
    for _ in range(50):
        time_orders.add_file(
            pa.table({name: pa.array(values, pa.int32()).cast(pa.date32()) for name, values in columns.items()})
        )
    return time_orders


def test_orders_that_follow_from_other_orders_are_left_out() -> None:
    assert orders(a=[1, 2, 5], b=[1, 3, None], c=[4, 4, 5]).pairs == {("a", "b"): 100, ("b", "c"): 100}
    assert orders(a=[1, 5], b=[2, 4]).pairs == {}
    assert orders(a=[1, 2], b=[1, 2]).pairs == {}  # the same
    assert orders(a=[1, None, None], b=[2, 3, None]).pairs == {}  # in too few rows


def test_words_of_sql_are_quoted() -> None:
    assert [sql_name(name) for name in ("due", "order", "end", "month")] == ["due", '"order"', '"end"', "month"]
