"""Computes the features of one night from raw rows: without tiles and partials, one aggregation a feature.

Slow on purpose. It shares with the published computation only the meaning of a user's expression. The days of a window
and the aggregation of its rows are computed independently, so that a mistake in either shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from nightshift.definition.calendar import is_available
from nightshift.definition.features import Aggregate, feature_name
from nightshift.definition.model import ModelDefinition
from nightshift.features.compute import complete_features, only_scored, prepare_observations, visible_rows, with_derived
from nightshift.features.windows import observed_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    # The rows of a source of the dates from the first to the last.
    RawRows = Callable[[str, date, date], DataFrame]


def brute_force(
    definition: ModelDefinition, night: date, raw: RawRows, dates: Mapping[str, Iterable[date]]
) -> DataFrame:
    """Computes every feature of every observation of a night.

    Args:
        definition: The model definition.
        night: The score date.
        raw: Gives the rows of a source.
        dates: The dates of each source.
    """
    from pyspark.sql import functions as F

    observed = _observed(definition, night, raw, dates)
    for name, lookup in definition.features.lookups.items():
        newest = _newest(definition, lookup.source, night)
        version = max((day for day in dates[lookup.source] if day <= newest), default=newest)
        dimension = with_derived(definition, lookup.source, raw(lookup.source, version, version))
        fields = [column for column in definition.sources[lookup.source].types if column in dimension.columns]
        dimension = dimension.select(*lookup.key, F.struct(*fields).alias(name))
        observed = observed.join(dimension, [*lookup.key], "left")
    features = prepare_observations(definition, only_scored(definition, observed))
    for name, aggregate in definition.features.aggregates.items():
        for window in aggregate.windows:
            last = _newest(definition, aggregate.source, night)
            first = last - window + timedelta(days=1)
            inside = raw(aggregate.source, first, last)
            inside = visible_rows(definition, aggregate.source, inside, dates[aggregate.source])
            keys = [F.col(column).alias(observed_key(column)) for column in aggregate.by]
            values = inside.groupBy(*keys).agg(plain_value(aggregate).alias(feature_name(name, window.days)))
            by = [observed_key(column) for column in aggregate.by]
            features = features.join(values, by, "left") if by else features.crossJoin(values)
    return complete_features(definition, features)


def _observed(definition: ModelDefinition, night: date, raw: RawRows, dates: Mapping[str, Iterable[date]]) -> DataFrame:
    """The observations of a night: of a file, of a version, or every key of some files once."""
    from pyspark.sql import functions as F

    source, newest = definition.observations.source, _newest(definition, definition.observations.source, night)
    if definition.observations.within is not None:
        first = newest - definition.observations.within + timedelta(days=1)
        observed = raw(source, first, newest).select(*definition.observations.key).dropna().dropDuplicates()
    else:
        version = night
        if definition.sources[source].cadence == "irregular":
            version = max((day for day in dates[source] if day <= newest), default=newest)
        observed = with_derived(definition, source, raw(source, version, version)).drop("source_date")
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
