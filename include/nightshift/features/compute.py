"""The feature computation in Spark: the same plan for one night and for a year of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.model import Aggregate, ModelDefinition, feature_name
from nightshift.features.plan import FeaturePlan, Visible

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

SPARK_TYPES = {"number": "double", "category": "string"}


def compute_features(
    spark: SparkSession, definition: ModelDefinition, plan: FeaturePlan, raw: dict[str, DataFrame]
) -> DataFrame:
    """Computes every feature of every observation of the plan's nights.

    Args:
        spark: The session.
        definition: The model definition.
        plan: What each night may see.
        raw: The raw rows of each source, holding at least the partitions of the plan.

    Returns:
        One row an observation: its key, then the features in the order of the definition. A null key matches
        no row of a source; an aggregate over no rows is its declared default.
    """
    from pyspark.sql import functions as F

    observed = raw[definition.observations.source].withColumnRenamed("source_date", "score_date")
    observed = observed.where(F.col("score_date").between(plan.first, plan.last))
    for name, lookup in definition.features.lookups.items():
        versions = _frame(spark, plan.versions[lookup.source])
        dimension = raw[lookup.source].join(F.broadcast(versions), "source_date")
        fields = F.struct(*[F.col(column) for column in definition.sources[lookup.source].columns])
        dimension = dimension.select("score_date", *lookup.key, fields.alias(name))
        observed = observed.join(dimension, ["score_date", *lookup.key], "left")
    for (source, by), aggregates in _grouped(definition).items():
        visible = _frame(spark, plan.windows[source])
        values = _aggregate(raw[source], visible, by, aggregates)
        observed = observed.join(F.broadcast(values), ["score_date", *by], "left")
    rows = [
        F.expr(row.expression).cast(SPARK_TYPES[row.type]).alias(name) for name, row in definition.features.rows.items()
    ]
    trailing = [
        _or_default(F.col(feature_name(name, window.days)), aggregate.default).alias(feature_name(name, window.days))
        for name, aggregate in definition.features.aggregates.items()
        for window in aggregate.windows
    ]
    return observed.select("score_date", *definition.observations.key, *rows, *trailing)


def _grouped(definition: ModelDefinition) -> dict[tuple[str, tuple[str, ...]], dict[str, Aggregate]]:
    """Aggregates that share a source and a key are computed together."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, Aggregate]] = {}
    for name, aggregate in definition.features.aggregates.items():
        groups.setdefault((aggregate.source, aggregate.by), {})[name] = aggregate
    return groups


def _aggregate(rows: DataFrame, visible: DataFrame, by: tuple[str, ...], aggregates: dict[str, Aggregate]) -> DataFrame:
    """Daily partial aggregates first, so that a day is read once however many nights see it."""
    from pyspark.sql import functions as F

    partials = [part for name, aggregate in aggregates.items() for part in _partials(name, aggregate)]
    daily = rows.groupBy("source_date", *by).agg(*partials)
    seen = daily.join(F.broadcast(visible), "source_date")
    final = [
        _combine(name, aggregate, window.days).alias(feature_name(name, window.days))
        for name, aggregate in aggregates.items()
        for window in aggregate.windows
    ]
    return seen.groupBy("score_date", *by).agg(*final)


def _partials(name: str, aggregate: Aggregate) -> Iterable[Column]:
    from pyspark.sql import functions as F

    match aggregate.agg:
        case "count":
            condition = F.expr(aggregate.where) if aggregate.where else F.lit(True)
            yield F.count_if(condition).alias(f"{name}__n")
        case "rate":
            condition = F.expr(str(aggregate.where))
            yield F.count_if(condition).alias(f"{name}__sum")
            yield F.count(condition).alias(f"{name}__n")
        case "sum" | "mean":
            yield F.sum(_operand(aggregate)).alias(f"{name}__sum")
            yield F.count(_operand(aggregate)).alias(f"{name}__n")
        case "min":
            yield F.min(_operand(aggregate)).alias(f"{name}__min")
        case "max":
            yield F.max(_operand(aggregate)).alias(f"{name}__max")


def _operand(aggregate: Aggregate) -> Column:
    from pyspark.sql import functions as F

    value = F.expr(str(aggregate.value)).cast("double")
    return F.when(F.expr(aggregate.where), value) if aggregate.where else value


def _combine(name: str, aggregate: Aggregate, days: int) -> Column:
    from pyspark.sql import functions as F

    def within(part: str) -> Column:
        return F.when(F.col("age") < days, F.col(f"{name}__{part}"))

    total = F.sum(within("sum")).cast("double") if aggregate.agg in {"rate", "sum", "mean"} else F.lit(None)
    match aggregate.agg:
        case "count":
            return F.nullif(F.sum(within("n")), F.lit(0)).cast("double")
        case "sum":
            return F.when(F.sum(within("n")) > 0, total)
        case "mean" | "rate":
            return F.when(F.sum(within("n")) > 0, total / F.sum(within("n")))
        case "min":
            return F.min(within("min"))
        case "max":
            return F.max(within("max"))


def _or_default(value: Column, default: float | None) -> Column:
    from pyspark.sql import functions as F

    return value if default is None else F.coalesce(value, F.lit(default))


def _frame(spark: SparkSession, visible: tuple[Visible, ...]) -> DataFrame:
    table = pa.table(
        {
            "score_date": pa.array([v.night for v in visible], pa.date32()),
            "source_date": pa.array([v.partition for v in visible], pa.date32()),
            "age": pa.array([v.age for v in visible], pa.int32()),
        }
    )
    return spark.createDataFrame(table)
