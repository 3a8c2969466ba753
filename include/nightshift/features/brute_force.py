"""Computes the features of one night from raw rows: without tiles and partials, one aggregation a feature.

Slow on purpose. It shares with the published computation only the meaning of a user's expression. The days of a window
and the aggregation of its rows are computed independently, so that a mistake in either shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from nightshift.definition.calendar import is_available
from nightshift.definition.features import Aggregate, feature_name
from nightshift.definition.model import ModelDefinition
from nightshift.features.compute import complete_features, only_scored, prepare_observations, visible_rows, with_derived
from nightshift.features.windows import observed_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def brute_force(
    definition: ModelDefinition, night: date, raw: Mapping[str, DataFrame], dates: Mapping[str, Iterable[date]]
) -> DataFrame:
    """Computes every feature of every observation of a night.

    Args:
        definition: The model definition.
        night: The score date.
        raw: The rows of every source, of any dates.
        dates: The dates of each source.
    """
    from pyspark.sql import functions as F

    observed = _observed(definition, night, raw, dates)
    for name, lookup in definition.features.lookups.items():
        available = [day for day in dates[lookup.source] if day <= _newest(definition, lookup.source, night)]
        version = raw[lookup.source].where(F.col("source_date") == F.lit(max(available, default=None)))
        fields = F.struct(*definition.sources[lookup.source].types)
        dimension = with_derived(definition, lookup.source, version).select(*lookup.key, fields.alias(name))
        observed = observed.join(dimension, [*lookup.key], "left")
    features = prepare_observations(definition, only_scored(definition, observed))
    for name, aggregate in definition.features.aggregates.items():
        for window in aggregate.windows:
            last = _newest(definition, aggregate.source, night)
            first = last - window + timedelta(days=1)
            inside = raw[aggregate.source].where(F.col("source_date").between(F.lit(first), F.lit(last)))
            inside = visible_rows(definition, aggregate.source, inside, dates[aggregate.source])
            keys = [F.col(column).alias(observed_key(column)) for column in aggregate.by]
            values = inside.groupBy(*keys).agg(plain_value(aggregate).alias(feature_name(name, window.days)))
            by = [observed_key(column) for column in aggregate.by]
            features = features.join(values, by, "left") if by else features.crossJoin(values)
    return complete_features(definition, features)


def _observed(
    definition: ModelDefinition, night: date, raw: Mapping[str, DataFrame], dates: Mapping[str, Iterable[date]]
) -> DataFrame:
    """The observations of a night: of a file, of a version, or every key of some files once."""
    from pyspark.sql import functions as F

    observations = definition.observations
    rows, newest = raw[observations.source], _newest(definition, observations.source, night)
    day = F.col("source_date")
    if observations.within is not None:
        lately = rows.where((day <= F.lit(newest)) & (day > F.lit(newest - observations.within)))
        observed = lately.select(*observations.key).dropna().dropDuplicates()
    elif definition.sources[observations.source].cadence == "irregular":
        version = max((day for day in dates[observations.source] if day <= newest), default=None)
        observed = with_derived(definition, observations.source, rows.where(day == F.lit(version))).drop(day)
    else:
        observed = with_derived(definition, observations.source, rows.where(day == F.lit(night))).drop(day)
    return observed.withColumn("score_date", F.lit(night))


def _newest(definition: ModelDefinition, source: str, night: date) -> date:
    """The newest available day of a source, by trying every day around the night."""
    around = [night + timedelta(days=offset) for offset in range(-1000, 1000)]
    return max(day for day in around if is_available(definition.schedule, definition.sources[source], day, night))


def plain_value(aggregate: Aggregate) -> Column:
    """A feature computed by Spark's own aggregate function; null over no rows."""
    from pyspark.sql import functions as F

    if aggregate.agg == "count":
        return F.nullif(F.count_if(F.expr(aggregate.where or "true")), F.lit(0)).cast("double")
    if aggregate.agg == "rate":
        return F.avg(F.expr(str(aggregate.where)).cast("double"))
    value = F.expr(str(aggregate.value))
    value = F.when(F.expr(aggregate.where), value) if aggregate.where else value
    match aggregate.agg:
        case "approx_distinct":
            return F.nullif(F.count_distinct(value), F.lit(0)).cast("double")
        case "last":
            dated = F.when(F.col("_at").isNotNull() & value.isNotNull(), F.struct("_at", value.alias("value")))
            return F.max(dated)["value"]
    number = value.cast("double")
    functions = {"sum": F.sum, "mean": F.avg, "min": F.min, "max": F.max, "stddev": F.stddev_samp}
    return functions[aggregate.agg](number)
