"""Audits a wide staged set on Spark in one of three ways, and tells what was counted.

spark-submit bench/wide.py --way nightshift|naive|by-hand --staged <folder>
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from nightshift.compute.job import READY
from nightshift.definition.checks import RowCount, UsualValues
from nightshift.definition.source import Column, Source
from nightshift.lake.staging import load_staged
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality.audit import audit
from nightshift.quality.compile import compile_expectation, great_expectations
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import source_contract
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import (
    BETWEEN,
    IN_SET,
    MATCHES,
    MEAN,
    NOT_NULL,
    PRESENT,
    ROW_COUNT,
    SPREAD,
    UNIQUE_TOGETHER,
    Contract,
    ExpectationSpec,
)
from nightshift.quality.staged_rows import SparkRows

DAY = date(2026, 1, 5)
CODES = ["AA", "BB", "CC", "DD", "EE"]
USUAL = UsualValues(deviations=10)
WIDE = Source.model_validate(
    {
        "description": "",
        "path": "wide-{date}.parquet",
        "available": {"after": "1h"},
        "key": ["id"],
        "rows": RowCount(min=1, max=1_000_000_000),
        "columns": {
            "id": Column(type="integer", required=True),
            **{
                f"amount{n}": Column(type="number", min=-1e6, max=1e6, usual=USUAL if n < 3 else None) for n in range(8)
            },
            **{f"count{n}": Column(type="integer", required=True, min=0, max=1000) for n in range(6)},
            **{f"code{n}": Column(type="string", required=n > 0, values=CODES) for n in range(5)},
            **{f"name{n}": Column(type="string", pattern="[A-Z][0-9]{4}") for n in range(4)},
        },
    }
)
SPEC = TableSpec(
    Layer.RAW,
    "wide",
    {"source_date": "date"} | {name: str(column.type) for name, column in WIDE.columns.items()},
    "source_date",
    ("source_date", "id"),
)


def contract() -> Contract:
    """The contract of the wide source, with the usual range of three of its columns."""
    usual = [ColumnDistribution(1000, 10, mean, 10.0) for mean in (49.0, 50.0, 51.0, 50.5, 49.5)]
    return source_contract("wide", WIDE, AuditContext(day=DAY, distributions={f"amount{n}": usual for n in range(3)}))


def rows(first: int, count: int) -> pa.Table:
    """Rows that break nothing."""
    random = np.random.default_rng(first)
    columns: dict[str, Any] = {"source_date": pa.repeat(pa.scalar(DAY), count), "id": np.arange(first, first + count)}
    for name, column in list(WIDE.columns.items())[1:]:
        if column.type == "number":
            columns[name] = pa.array(random.normal(50, 10, count), mask=random.random(count) < 0.01)
        elif column.type == "integer":
            columns[name] = random.integers(0, 1000, count)
        elif column.values:
            columns[name] = np.array(CODES)[random.integers(0, len(CODES), count)]
        else:
            columns[name] = np.char.add("N", random.integers(1000, 9999, count).astype(str))
    return pa.table(columns).cast(SPEC.schema)


def by_hand(frame: DataFrame, expectations: Sequence[ExpectationSpec]) -> list[float]:
    """The same counts and measures by one aggregation, and one more for the key."""
    keys = next(dict(spec.arguments)["column_list"] for spec in expectations if spec.kind == UNIQUE_TOGETHER)
    measured = [spec for spec in expectations if spec.kind != UNIQUE_TOGETHER]
    measures = frame.agg(*[_measure(spec).alias(f"c{place}") for place, spec in enumerate(measured)]).first()
    repeated = frame.groupBy(*keys).count().where("count > 1").agg(F.coalesce(F.sum("count"), F.lit(0))).first()
    assert measures is not None and repeated is not None
    return sorted([*map(float, measures), float(repeated[0])])


def _measure(spec: ExpectationSpec) -> SparkColumn:
    arguments = dict(spec.arguments)
    if spec.kind == ROW_COUNT:
        return F.count(F.lit(1))
    column = F.col(arguments["column"])
    functions = {MEAN: F.avg, SPREAD: F.stddev, PRESENT: lambda values: F.count(values) / F.count(F.lit(1))}
    if spec.kind in functions:
        return functions[spec.kind](column)
    broken = {
        NOT_NULL: lambda: column.isNull(),
        BETWEEN: lambda: ~column.between(arguments["min_value"], arguments["max_value"]),
        IN_SET: lambda: ~column.isin(arguments["value_set"]),
        MATCHES: lambda: ~column.rlike(arguments["regex"]),
    }[spec.kind]()
    return F.coalesce(F.sum(F.when(broken, 1).otherwise(0)), F.lit(0))


def naive(frame: DataFrame, expectations: Sequence[ExpectationSpec]) -> None:
    """The same suite by one call of Great Expectations."""
    gx = great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_spark("wide").add_dataframe_asset("wide")
    batch = asset.add_batch_definition_whole_dataframe("wide").get_batch(batch_parameters={"dataframe": frame})
    compiled = [compile_expectation(gx, spec, number=number) for number, spec in enumerate(expectations)]
    assert batch.validate(gx.ExpectationSuite(name="wide", expectations=compiled), result_format="SUMMARY").success


def main() -> None:
    """Audits a staged set."""
    parser = argparse.ArgumentParser(description="Audits a wide staged set.")
    parser.add_argument("--way", required=True, choices=["nightshift", "naive", "by-hand"])
    parser.add_argument("--staged", required=True)
    arguments = parser.parse_args()
    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    great_expectations()
    staged, declared = load_staged(arguments.staged), contract()
    frame = spark.read.parquet(*staged.files)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    if arguments.way == "naive":
        naive(frame, declared.expectations)
    elif arguments.way == "by-hand":
        sys.stdout.write(json.dumps(by_hand(frame, declared.expectations)) + "\n")
    else:
        verdict = audit(declared, SparkRows(spark, staged, SPEC, declared.computed)).verdict
        assert verdict.outcome == "pass", verdict.summary()
        sys.stdout.write(json.dumps(sorted(float(check.observed or 0) for check in verdict.checks)) + "\n")


if __name__ == "__main__":
    main()
