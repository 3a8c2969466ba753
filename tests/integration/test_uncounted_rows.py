"""Rows that aggregates leave out: the audit counts what Spark leaves out, in this process and on Spark."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from unit.quality.test_uncounted import CLOCKS, COLUMNS, DAY, INSTANTS, source_of

from nightshift.definition.schedule import Schedule
from nightshift.features.compute import visible_rows
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality.staged_rows import InProcessRows, SparkRows
from nightshift.quality.uncounted import count_conditions, event_time_conditions
from nightshift.settings import Settings

pytestmark = pytest.mark.spark

ZONE = "America/New_York"
SPEC = TableSpec(Layer.RAW, "x", {"source_date": "date", **COLUMNS}, "source_date", ("source_date",))


def rows_of(seed: int, count: int = 60) -> pa.Table:
    """Rows around the instant at which their file was available, some without a time."""
    random, midnight = Random(seed), datetime.combine(DAY, datetime.min.time())
    records = []
    for _ in range(count):
        local = midnight + timedelta(minutes=random.randint(-2000, 4000))
        clock = local.hour * 100 + local.minute
        epoch = int((local - datetime(1970, 1, 1)).total_seconds() * 1000)
        values = {"at": local, "clock": clock, "ms": epoch, "text": str(local), "delay": random.uniform(0, 9e4)}
        records.append({"source_date": DAY} | (values | {"day": local.date()} if random.random() < 0.9 else {}))
    return pa.Table.from_pylist(records, SPEC.schema)


@pytest.mark.parametrize("expression", [*INSTANTS, *CLOCKS])
def test_the_rows_that_are_counted_are_those_that_spark_leaves_out(spark: SparkSession, expression: str) -> None:
    source, rows = source_of(expression, after="30h"), rows_of(1)
    schedule = Schedule.model_validate({"timezone": ZONE, "at": "00:00", "start": DAY})
    definition = SimpleNamespace(sources={"x": source}, schedule=schedule)
    days: list[date] = [DAY]
    visible = visible_rows(definition, "x", spark.createDataFrame(rows), days).toPandas()["_at"]  # type: ignore[arg-type]
    conditions = list(event_time_conditions(source, ZONE, 3))
    counts = count_conditions(conditions, InProcessRows(rows, {}))
    by_statistic = {condition.statistic: count for condition, count in zip(conditions, counts, strict=True)}
    assert by_statistic["late"] == rows.num_rows - len(visible) > 0
    assert by_statistic["without_event_time"] == int(visible.isna().sum()) > 0


def test_both_engines_count_alike(spark: SparkSession, settings: Settings) -> None:
    rows = rows_of(2, 300)
    staged = stage_arrow(Lake(settings), SPEC, rows, DAY, DAY, {})
    conditions = list(event_time_conditions(source_of(CLOCKS[1], after="30h"), ZONE, 1))
    in_process = count_conditions(conditions, InProcessRows(rows, {}))
    assert len(in_process) == 4 and min(in_process) > 0
    assert count_conditions(conditions, SparkRows(spark, staged, SPEC, {})) == in_process
