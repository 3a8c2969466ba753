"""Rows that no feature counts are counted: after their file was available, without a time, without a key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.calendar import available_at
from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.schedule import Schedule
from nightshift.definition.source import Source
from nightshift.definition.spark_sql import UntranslatableError, to_duckdb
from nightshift.lake.tables import ARROW, raw_table
from nightshift.quality.staged_rows import InProcessRows
from nightshift.quality.uncounted import count_conditions, event_time_conditions, uncounted_checks
from nightshift.types import Check
from unit.examples import examples

DAY = date(2024, 1, 10)
COLUMNS = {"at": "timestamp", "clock": "integer", "ms": "integer", "text": "string", "delay": "number", "day": "date"}
SCHEMA = pa.schema([("source_date", pa.date32()), *((name, ARROW[kind]) for name, kind in COLUMNS.items())])


def source_of(event_time: str, *, after: str = "24h", **changes: object) -> Source:
    columns = {name: {"type": kind} for name, kind in COLUMNS.items()}
    declared = {"description": "", "path": "x-{date}.csv", "available": {"after": after}, "columns": columns}
    return Source.model_validate(declared | {"event_time": event_time} | changes)


def counts(source: Source, zone: str, rows: list[dict[str, object]], days: int | None = 3) -> dict[str, Check]:
    table = pa.Table.from_pylist([{"source_date": DAY} | row for row in rows], SCHEMA)
    conditions = list(event_time_conditions(source, zone, days))
    numbers = count_conditions(conditions, InProcessRows(table, {}))
    return {c.statistic: c.check(number, len(rows)) for c, number in zip(conditions, numbers, strict=True)}


def observed(source: Source, zone: str, *rows: dict[str, object]) -> dict[str, int]:
    return {name: int(check.observed or 0) for name, check in counts(source, zone, list(rows)).items()}


LOCAL = datetime(2024, 1, 11, 4, 30)  # half past four on the day after, in New York half past nine UTC
MILLIS = int(LOCAL.replace(tzinfo=UTC).timestamp() * 1000)

# Each gives 04:30 on the day after: an instant in UTC, or by the clock of the source.
INSTANTS = [
    "at", "coalesce(at, at)", "timestamp_millis(ms)", "timestamp_micros(ms * 1000)", "timestamp_seconds(ms / 1000)",
    "cast(ms / 1000 as timestamp)", "cast(text as timestamp)", "to_timestamp(text)",
    "to_timestamp(text, 'yyyy-MM-dd HH:mm:ss')", "case when clock > 0 then at end",
]  # fmt: skip
CLOCKS = [
    "cast(text as timestamp_ntz)",
    "timestampadd(MINUTE, (clock div 100) * 60 + clock % 100, cast(day as timestamp_ntz))",
    "timestampadd(SECOND, cast(delay as int), timestampadd(HOUR, 4, cast(day as timestamp_ntz)))",
    "dateadd(MINUTE, 270, day)",
    "text",
]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "late"),
    [
        *((instant, "UTC", *case) for instant in INSTANTS for case in (("28h", 1), ("29h", 0))),
        # Midnight in New York is 05:00 UTC.
        *((instant, "America/New_York", *case) for instant in INSTANTS for case in (("23h", 1), ("24h", 0))),
        *((clock, zone, *case) for clock in CLOCKS for zone in ("UTC", "America/New_York")
          for case in (("28h", 1), ("29h", 0))),
    ],
)  # fmt: skip
def test_an_event_time_is_read_as_spark_reads_it(expression: str, zone: str, after: str, late: int) -> None:
    row = {"at": LOCAL.replace(tzinfo=UTC), "clock": 430, "ms": MILLIS, "text": str(LOCAL), "delay": 1800.9}
    assert observed(source_of(expression, after=after), zone, row | {"day": LOCAL.date()})["late"] == late


@pytest.mark.parametrize(
    "expression", ["unix_millis(at)", "from_unixtime(ms)", "to_utc_timestamp(at, 'UTC')", "my_function(at)", "at +"]
)
def test_what_only_spark_evaluates_is_not_guessed(expression: str) -> None:
    source = source_of(expression)
    with pytest.raises(UntranslatableError):
        to_duckdb(expression, source)
    for condition in event_time_conditions(source, "UTC", 3):
        check = condition.check(condition.problem, 10)
        assert (condition.column, check.passed, check.observed) == (None, True, None)
        assert check.detail.startswith("not counted here: ")


def test_a_value_that_cannot_be_converted_is_no_reason_to_stop() -> None:
    source = source_of("timestamp_millis(ms * 1000000000)")
    measured = counts(source, "UTC", [{"ms": 10**15}])
    assert {check.outcome for check in measured.values()} == {"pass"}
    assert measured["late"].observed is None and "not counted here: " in measured["late"].detail


def test_derived_columns_are_computed_on_the_way() -> None:
    derived = {"hour": {"expression": "clock div 100", "type": "integer"}}
    source = source_of("timestampadd(HOUR, hour, cast(source_date as timestamp_ntz))", after="5h", derived=derived)
    assert observed(source, "UTC", {"clock": 459}, {"clock": 500}, {"clock": None}) == {
        "late": 1, "without_event_time": 1, "early": 0, "old": 0,
    }  # fmt: skip


@examples(max_examples=30)
@given(
    hours=st.lists(st.one_of(st.none(), st.integers(-200, 200)), min_size=1, max_size=30),
    after=st.integers(-6, 60),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_every_row_is_counted_by_what_its_instant_is(hours: list[int | None], after: int, zone: str) -> None:
    source = source_of("at", after=f"{after}h")
    midnight = datetime.combine(DAY, datetime.min.time(), ZoneInfo(zone))
    instants = [None if hour is None else midnight.astimezone(UTC) + timedelta(hours=hour) for hour in hours]
    schedule = Schedule.model_validate({"timezone": zone, "at": "00:00", "start": DAY})
    present = [instant for instant in instants if instant is not None]
    assert observed(source, zone, *({"at": instant} for instant in instants)) == {
        "late": sum(instant >= available_at(schedule, source, DAY) for instant in present),
        "without_event_time": len(instants) - len(present),
        "early": sum(instant < midnight for instant in present),
        "old": sum(instant < midnight - timedelta(days=3) for instant in present),
    }


def test_more_than_the_declared_share_is_a_warning() -> None:
    late, on_time = {"at": datetime(2024, 2, 1, tzinfo=UTC)}, {"at": datetime(2024, 1, 10, 5, tzinfo=UTC)}
    check = counts(source_of("at"), "UTC", [late, on_time])["late"]
    assert (check.outcome, check.observed) == ("warn", 1.0)
    assert check.detail.startswith("1 of 2 rows happened after their file was available, so no aggregate counts them")
    assert counts(source_of("at", uncounted=0.5), "UTC", [late, on_time])["late"].outcome == "pass"
    before = {"at": datetime(2024, 1, 9, 23, tzinfo=UTC)}
    assert counts(source_of("at"), "UTC", [before, on_time])["early"].outcome == "pass"  # is as it may be


def test_last_needs_the_event_time_of_rows_that_have_a_value() -> None:
    source, rows = source_of("at"), [{"clock": 1}, {"clock": 0}, {}, {"at": datetime(2024, 1, 10, 5, tzinfo=UTC)}]
    table = pa.Table.from_pylist([{"source_date": DAY} | row for row in rows], SCHEMA)
    for needed, count, outcome in (((), 3, "pass"), (("clock is not null and (clock > 0)",), 1, "warn")):
        conditions = list(event_time_conditions(source, "UTC", 3, needed))
        counted = count_conditions(conditions, InProcessRows(table, {}))
        checks = {c.statistic: c.check(number, 4) for c, number in zip(conditions, counted, strict=True)}
        assert (checks["without_event_time"].observed, checks["without_event_time"].outcome) == (count, outcome)


TINY_PLAN = "machine: {type: string, required: true}\n      load:"


@pytest.fixture
def checks(models: Path) -> Callable[..., list[Check]]:
    """The checks of a source of the tiny definition after replacing texts that occur once, over some machines."""

    def run(source: str, machines: list[str | None], *changes: tuple[str, str]) -> list[Check]:
        file = models / "tiny" / "model.yaml"
        text = file.read_text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file.write_text(text)
        definition: ModelDefinition = load_definition(models / "tiny")
        rows = [{"source_date": DAY, "machine": machine} for machine in machines]
        table = pa.Table.from_pylist(rows, raw_table(definition, source).schema)
        return uncounted_checks(definition, source, InProcessRows(table, {}))

    return run


OPTIONAL = {
    "plan": (TINY_PLAN, TINY_PLAN.replace(", required: true", "")),
    "failures": (
        "machine: {type: string, required: true}\n      failed", "machine: {type: string}\n      failed",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "consequence"),
    [("plan", "no aggregate by it has a value for them"), ("failures", "no aggregate by it counts them")],
)
def test_rows_without_a_key_are_counted_on_both_sides(
    checks: Callable[..., list[Check]], source: str, consequence: str
) -> None:
    [check] = checks(source, ["a", None, "b", None], OPTIONAL[source])
    assert (check.name, check.subject, check.observed, check.outcome) == ("null_key", "machine", 2.0, "warn")
    assert "2 of 4 rows lack machine" in check.detail and consequence in check.detail


def test_a_key_that_is_required_needs_no_count(checks: Callable[..., list[Check]]) -> None:
    assert checks("plan", ["a", "b"]) == []


def test_without_a_condition_nothing_is_read() -> None:
    assert count_conditions([], None) == []  # type: ignore[arg-type]


def test_sources_without_aggregates_have_no_row_of_the_future(checks: Callable[..., list[Check]]) -> None:
    event_time = ("available: {after: 1h}", "available: {after: 1h}\n    event_time: cast(source_date as timestamp)")
    assert checks("plan", ["a"], event_time) == []
