"""The audits in this process and on Spark agree: verdicts, messages, quarantined rows, remaining rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from nightshift.definition.checks import (
    CustomExpectation,
    Freshness,
    Quarantine,
    Reference,
    RowCount,
    RowRule,
    UsualValues,
)
from nightshift.definition.source import Column, Source
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import read_staged, stage_parts
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality.audit import Audit, audit
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import source_contract
from nightshift.quality.distributions import column_distributions
from nightshift.quality.staged_rows import InProcessRows, SparkRows
from nightshift.settings import Settings
from nightshift.types import Check, Staged

DAY = date(2024, 1, 29)
CODES = pa.table({"code": ["AA", "BB", "CC"]})


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings)


def everything(share: float) -> Source:
    """A source with a check of every kind."""
    usual = UsualValues(deviations=4)
    return Source(
        description="",
        path="readings-{date}.csv",
        available={"after": "1h"},
        columns={
            "name": Column(type="string", required=True, pattern="[a-z]+[0-9]+"),
            "code": Column(type="string", values=("AA", "BB", "CC"), severity="quarantine", usual=usual),
            "value": Column(type="number", min=-10, max=10, severity="quarantine", usual=usual),
            "level": Column(type="integer", required=True, min=0, severity="warn", usual=usual),
            "seen": Column(type="timestamp"),
            "ok": Column(type="boolean", usual=usual),
        },
        key=("name",),
        rows=RowCount(min=1, max=1000),
        rules={
            "level_with_value": RowRule(expression="value is null or level >= value", severity="quarantine"),
            "seen_in_time": RowRule(expression="cast(seen as date) = source_date", severity="warn"),
        },
        references={"listed": Reference(source="codes", columns=("code",), share=0.9, severity="warn")},
        freshness=Freshness(newest="seen", within=timedelta(hours=2), severity="warn"),
        expectations=(
            CustomExpectation(
                type="ExpectColumnMedianToBeBetween", arguments={"column": "level", "max_value": 5}, severity="warn"
            ),
            CustomExpectation(
                type="ExpectColumnPairValuesAToBeGreaterThanB",
                arguments={
                    "column_A": "level",
                    "column_B": "value",
                    "or_equal": True,
                    "ignore_row_if": "either_value_is_missing",
                },
                severity="warn",
            ),
        ),
        quarantine=Quarantine(share=share),
    )


SOURCE = everything(0.2)
SPEC = TableSpec(
    Layer.RAW,
    "readings",
    {"source_date": "date"} | {name: str(column.type) for name, column in SOURCE.columns.items()},
    "source_date",
    ("source_date", "name"),
)


def readings(seed: int, rows: int = 200, day: date = DAY, **spoilt: int) -> pa.Table:
    """Good rows, and a number of rows with one fault each."""
    from datetime import UTC, datetime, time

    random, midnight = Random(seed), datetime.combine(day, time(), UTC)
    records: list[dict[str, Any]] = [
        {
            "source_date": day,
            "name": f"n{number}",
            "code": random.choice(["AA", "BB", "CC", None]),
            "value": random.choice([None, *(random.uniform(-5, 5) for _ in range(8))]),
            "level": random.randint(6, 9) if random.random() < 0.1 else 5,
            "seen": midnight + timedelta(minutes=1439 * number / rows),
            "ok": random.random() < 0.5,
        }
        for number in range(rows)
    ]
    faults: dict[str, dict[str, Any]] = {
        "nameless": {"name": None},
        "misnamed": {"name": "7\n"},
        "unknown": {"code": "XX"},
        "infinite": {"value": float("inf")},
        "nan": {"value": float("nan")},
        "large": {"value": 11.0, "level": 20},
        "beyond": {"value": 4.0, "level": 3},
        "negative": {"level": -1, "value": -2.0},
        "late": {"seen": midnight + timedelta(days=2)},
        "doubled": {"name": "n0"},
    }
    places = iter(random.sample(range(1, rows), sum(spoilt.values())))
    for fault, count in spoilt.items():
        for _ in range(count):
            records[next(places)] |= faults[fault]
    return pa.Table.from_pylist(records, schema=SPEC.schema)


def context() -> AuditContext:
    """What was there before: five weeks."""
    profiles: dict[str, list[Any]] = {}
    columns = [name for name, column in SOURCE.columns.items() if column.usual]
    for week in range(1, 6):
        day = DAY - timedelta(weeks=week)
        for name, profile in column_distributions(readings(week, day=day), SPEC, columns)[day].items():
            profiles.setdefault(name, []).append(profile)
    return AuditContext(day=DAY, distributions=profiles, references={"listed": CODES})


def both(
    lake: Lake, spark: SparkSession, source: Source, parts: list[pa.Table]
) -> tuple[Staged, list[tuple[Audit, list[dict[str, Any]]]]]:
    staged = stage_parts(lake, SPEC, parts, DAY, DAY, {})
    contract = source_contract("readings", source, context())
    engines = [
        InProcessRows(read_staged(staged, SPEC), contract.computed),
        SparkRows(spark, staged, SPEC, contract.computed),
    ]
    audits = []
    for engine in engines:
        audited = audit(contract, engine, str(DAY), "run")
        remaining = [row for part in engine.without(audited.broken_rows) for row in part.to_pylist()]
        audits.append((audited, remaining))
    return staged, audits


def rounded_checks(audited: Audit) -> list[Check]:
    """Every check; measures are rounded, since two engines add up numbers in different orders.

    Which of the broken values is the first depends on the order in which Spark reads and sorts.
    """
    return [
        replace(
            check,
            observed=None if check.observed is None else round(check.observed, 9),
            detail=check.detail.split(", first")[0],
        )
        for check in audited.verdict.checks
    ]


CASES = {
    "good": {},
    "rows of their own": {"unknown": 3, "infinite": 2, "large": 2, "beyond": 4, "nan": 5},
    "too many to set aside": {"unknown": 30, "large": 25},
    "what fails": {"nameless": 2, "misnamed": 3, "doubled": 2, "late": 4, "negative": 3},
}


@pytest.mark.parametrize(
    ("case", "parts"), [("good", 3), ("rows of their own", 3), ("too many to set aside", 1), ("what fails", 1)]
)
def test_both_engines_come_to_the_same(lake: Lake, spark: SparkSession, case: str, parts: int) -> None:
    rows = readings(7, **CASES[case])
    size = -(-rows.num_rows // parts)
    staged, [(pandas_audit, remaining), (spark_audit, remaining_by_spark)] = both(
        lake, spark, SOURCE, [rows.slice(part * size, size) for part in range(parts)]
    )
    assert len(staged.files) == parts
    assert len(pandas_audit.verdict.checks) == 25
    assert rounded_checks(pandas_audit) == rounded_checks(spark_audit)
    assert pandas_audit.broken_rows == spark_audit.broken_rows
    assert pandas_audit.quarantined.equals(spark_audit.quarantined)
    assert repr(remaining) == repr(remaining_by_spark)  # not a number is not equal to itself
    assert len(remaining) + len(pandas_audit.broken_rows) == rows.num_rows
    outcomes = {"good": "pass", "rows of their own": "warn", "too many to set aside": "fail", "what fails": "fail"}
    assert pandas_audit.verdict.outcome == outcomes[case]


def test_a_set_without_rows_is_judged_alike(lake: Lake, spark: SparkSession) -> None:
    _, [(pandas_audit, _), (spark_audit, _)] = both(lake, spark, SOURCE, [SPEC.schema.empty_table()])
    assert rounded_checks(pandas_audit) == rounded_checks(spark_audit)
    assert [check.subject for check in pandas_audit.verdict.failures] == ["rows"]
