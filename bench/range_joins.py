"""The features of a range of nights in plain PySpark, written in the obvious way: a range join for each feature.

Each aggregate and window joins the observations to the events of their key and dates, groups by observation and
aggregates with Spark's own function; the results are joined together. Derived columns and the filter of rows from the
future come from the library.

spark-submit bench/range_joins.py --model flight_delay --from 2013-03-01 --to 2013-03-03 --out /tmp/features
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from nightshift.compute.job import READY
from nightshift.definition.calendar import newest_partition
from nightshift.definition.features import Aggregate, feature_name
from nightshift.definition.load import find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features.brute_force import plain_value
from nightshift.features.compute import complete_features, prepare_observations, visible_rows, with_derived
from nightshift.lake.catalog import Lake
from nightshift.lake.read import data_files, published_dates
from nightshift.lake.tables import raw_table
from nightshift.settings import get_settings


def range_joined(definition: ModelDefinition, first: date, last: date, raw: Mapping[str, DataFrame]) -> DataFrame:
    """Every feature of every observation of the nights from `first` to `last`, from the sources' rows."""
    key = ["score_date", *definition.observations.key]
    rows = raw[definition.observations.source].where(F.col("source_date").between(first, last))
    observed = rows.drop("_at").withColumnRenamed("source_date", "score_date")
    features = observed
    for name in definition.features.lookups:
        features = features.join(_newest_version(definition, name, first, observed, raw), key, "left")
    features = prepare_observations(definition, features)
    for name, aggregate in definition.features.aggregates.items():
        events, late = raw[aggregate.source], _days_late(definition, aggregate.source, first)
        for window in aggregate.windows:
            joined = _in_window(observed, key, aggregate.by, events, late, window.days)
            values = joined.groupBy(*_observed(key)).agg(_value(aggregate).alias(feature_name(name, window.days)))
            values = values.withColumnsRenamed(dict(zip(_observed(key), key, strict=True)))
            features = features.join(values, key, "left")
    return complete_features(definition, features)


def _in_window(
    observed: DataFrame, key: Sequence[str], by: Sequence[str], events: DataFrame, late: int, days: int
) -> DataFrame:
    """Each observation's key, as columns named `observed_…`, with every event of its window."""
    columns = dict.fromkeys((*key, *by))
    observed = observed.select(*[F.col(name).alias(_observed([name])[0]) for name in columns])
    night, day = F.col("observed_score_date"), F.col("source_date")
    inside = day.between(F.date_sub(night, late + days - 1), F.date_sub(night, late))
    same_key = [F.col(name) == F.col(observed_name) for name, observed_name in zip(by, _observed(by), strict=True)]
    return observed.join(events, reduce(Column.__and__, same_key, inside))


def _newest_version(
    definition: ModelDefinition, name: str, first: date, observed: DataFrame, raw: Mapping[str, DataFrame]
) -> DataFrame:
    """Each observation's key with the newest row of a look-up at that night, as a struct."""
    lookup, key = definition.features.lookups[name], ["score_date", *definition.observations.key]
    late = _days_late(definition, lookup.source, first)
    joined = _in_window(observed, key, lookup.key, raw[lookup.source], late, 10_000)
    fields = F.struct(*definition.sources[lookup.source].types)
    newest = joined.groupBy(*_observed(key)).agg(F.max_by(fields, "source_date").alias(name))
    return newest.withColumnsRenamed(dict(zip(_observed(key), key, strict=True)))


def _value(aggregate: Aggregate) -> Column:
    """A feature computed by Spark's own aggregate function; distinct counts are estimated, as usual for many rows."""
    if aggregate.agg != "approx_distinct":
        return plain_value(aggregate)
    value = F.expr(str(aggregate.value))
    value = F.when(F.expr(aggregate.where), value) if aggregate.where else value
    return F.nullif(F.approx_count_distinct(value, 0.02), F.lit(0)).cast("double")


def _days_late(definition: ModelDefinition, source: str, night: date) -> int:
    return (night - newest_partition(definition.schedule, definition.sources[source], night)).days


def _observed(columns: Sequence[str]) -> list[str]:
    return [f"observed_{name}" for name in columns]


def main() -> None:
    """Writes the features of a range of nights to a folder."""
    parser = argparse.ArgumentParser(description="Computes features by range joins.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    settings = get_settings()
    definition, lake = find_definition(settings.models_path, arguments.model, settings.sources_path), Lake(settings)
    raw = {name: _rows(spark, lake, definition, name, arguments.last) for name in definition.sources}
    range_joined(definition, arguments.first, arguments.last, raw).write.parquet(arguments.out)


def _rows(spark: SparkSession, lake: Lake, definition: ModelDefinition, source: str, last: date) -> DataFrame:
    spec = raw_table(definition, source)
    rows = spark.read.parquet(*data_files(lake, spec, date.min + timedelta(days=1), last))
    if source == definition.observations.source:
        return with_derived(definition, source, rows)
    return visible_rows(definition, source, rows, published_dates(lake, spec))


if __name__ == "__main__":
    main()
