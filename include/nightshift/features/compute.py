"""The feature computation in Spark: the same plan for one night and for a year of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.calendar import available_at
from nightshift.definition.model import Aggregate, Lookup, ModelDefinition, feature_name
from nightshift.features.partials import finish, from_parts, from_rows
from nightshift.features.plan import FeaturePlan, Tile, Visible
from nightshift.features.tiles import group_name, grouped, key_column, tiles_table
from nightshift.features.transform import with_computed
from nightshift.lake.tables import features_table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

SPARK_TYPES = {
    "string": "string", "category": "string", "integer": "bigint", "number": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp", "binary": "binary",
}  # fmt: skip


def with_derived(definition: ModelDefinition, source: str, rows: DataFrame) -> DataFrame:
    """The rows of a source with its derived columns."""
    from pyspark.sql import functions as F

    derived = definition.sources[source].derived.items()
    return rows.withColumns({name: F.expr(made.expression).cast(SPARK_TYPES[made.type]) for name, made in derived})


def visible_rows(definition: ModelDefinition, source: str, rows: DataFrame, days: Iterable[date]) -> DataFrame:
    """The rows of a source as aggregates see them: with derived columns, without rows from the future.

    A row from the future tells of an instant at which its own partition was already there. No clock that is
    right writes such a row, and it could tell of what lies after a night's cutoff.

    Returns:
        The landed and derived columns, and `_at`, the instant of each row (null without `event_time`).
    """
    from pyspark.sql import functions as F

    declared = definition.sources[source]
    rows = with_derived(definition, source, rows)
    if declared.event_time is None:
        return rows.withColumn("_at", F.lit(None).cast("timestamp"))
    rows = rows.withColumn("_at", F.expr(declared.event_time))
    if rows.schema["_at"].dataType.typeName() != "timestamp":
        # A local clock. The session's time zone is UTC: read it as if it were UTC, then move it.
        zone = declared.timezone or definition.schedule.timezone
        local = F.col("_at").cast("timestamp_ntz").cast("timestamp")
        rows = rows.withColumn("_at", F.to_utc_timestamp(local, zone))
    there = {day: available_at(definition.schedule, declared, day) for day in days}
    frame = pa.table(
        {
            "source_date": pa.array(list(there), pa.date32()),
            "_there": pa.array(list(there.values()), pa.timestamp("us", "UTC")),
        }
    )
    rows = rows.join(F.broadcast(rows.sparkSession.createDataFrame(frame)), "source_date")
    return rows.where(F.col("_at").isNull() | (F.col("_at") < F.col("_there"))).drop("_there")


def day_tiles(definition: ModelDefinition, source: str, rows: DataFrame, made_from: Mapping[Tile, str]) -> DataFrame:
    """Tiles of one day each, from the raw rows of those days.

    A row with a null in a group's key belongs to no key and counts for none.
    """
    from pyspark.sql import functions as F

    rows = visible_rows(definition, source, rows, [tile.start for tile in made_from])
    frames = []
    for by, aggregates in grouped(definition, source).items():
        known = reduce(lambda found, column: found & F.col(column).isNotNull(), by, F.lit(True))
        keys = [F.col(column).alias(key_column(column)) for column in by]
        partials = [
            column.alias(f"{name}__{part}") for name, a in aggregates.items() for part, column in from_rows(a).items()
        ]
        found = rows.where(known).groupBy("source_date", *keys).agg(*partials)
        frames.append(found.withColumn("by", F.lit(group_name(by))))
    return _as_tiles(definition, source, frames, made_from)


def longer_tiles(
    definition: ModelDefinition, source: str, shorter: DataFrame, made_from: Mapping[Tile, str]
) -> DataFrame:
    """Tiles of several days each, from the tiles they are made of."""
    from pyspark.sql import functions as F

    owners = pa.table(
        {
            "days": [part.days for tile in made_from for part in tile.parts],
            "source_date": pa.array([part.start for tile in made_from for part in tile.parts], pa.date32()),
            "_start": pa.array([tile.start for tile in made_from for _ in tile.parts], pa.date32()),
        }
    )
    owned = shorter.join(F.broadcast(shorter.sparkSession.createDataFrame(owners)), ["days", "source_date"])
    owned = owned.drop("source_date").withColumnRenamed("_start", "source_date")
    frames = []
    for by, aggregates in grouped(definition, source).items():
        rows = owned.where(F.col("by") == group_name(by))
        merged = [
            column.alias(f"{name}__{part}")
            for name, a in aggregates.items()
            for part, column in from_parts(a, _columns_of(name)).items()
        ]
        frames.append(rows.groupBy("source_date", "by", *map(key_column, by)).agg(*merged))
    return _as_tiles(definition, source, frames, made_from)


def compute_features(
    definition: ModelDefinition,
    plan: FeaturePlan,
    raw: Mapping[str, DataFrame],
    tiles: Mapping[str, DataFrame],
    *,
    observed_alone: bool = False,
    broadcast: bool = True,
) -> DataFrame:
    """Computes every feature of every observation of the plan's nights.

    Args:
        definition: The model definition.
        plan: What each night may see.
        raw: The raw rows of the observations and of each source that is looked up.
        tiles: The tiles of each source that is aggregated, at least those the plan's nights see.
        observed_alone: Aggregate the keys that are observed and no others, which takes another pass over the
            observations and is worth it where tiles hold much more than one night's keys.
        broadcast: Give every worker all of the aggregates, which is quick while they fit into its memory.

    Returns:
        One row an observation: its key, then the features in the order of the definition. A null key matches
        no row of a source; an aggregate over no rows is its declared default.
    """
    from pyspark.sql import functions as F

    source = definition.observations.source
    observations = with_derived(definition, source, raw[source]).withColumnRenamed("source_date", "score_date")
    observed, spread = observations, F.broadcast if broadcast else lambda frame: frame
    for name, lookup in definition.features.lookups.items():
        observed = _look_up(definition, name, lookup, observed, raw[lookup.source], plan.versions[lookup.source])
    for name, rows in tiles.items():
        lengths = sorted(
            {
                window.days
                for group in grouped(definition, name).values()
                for a in group.values()
                for window in a.windows
            }
        )
        seen = rows.join(F.broadcast(_windows(rows.sparkSession, plan.windows[name], lengths)), ["days", "source_date"])
        for by, aggregates in grouped(definition, name).items():
            group = seen.where(F.col("by") == group_name(by))
            if observed_alone:
                keys = [F.col(column).alias(key_column(column)) for column in by]
                due = observations.select("score_date", *keys).distinct()
                group = group.join(spread(due), ["score_date", *map(key_column, by)], "left_semi")
            observed = observed.join(spread(_windowed(group, by, aggregates)), ["score_date", *by], "left")
    return select_features(definition, observed)


def select_features(definition: ModelDefinition, observed: DataFrame) -> DataFrame:
    """The features of observations that have their look-ups and, undefaulted, their aggregates.

    Returns:
        The key, then the features in the order of the definition.
    """
    from pyspark.sql import functions as F

    features = definition.features
    made = {name: F.expr(row.expression).cast(SPARK_TYPES[row.type]) for name, row in features.rows.items()}
    for name, aggregate in features.aggregates.items():
        for column in [feature_name(name, window.days) for window in aggregate.windows]:
            made[column] = F.coalesce(F.col(column), F.lit(aggregate.default))
    listed = [column.alias(name) for name, column in made.items()]
    key = ["score_date", *definition.observations.key]
    if not features.computed:
        return observed.select(*key, *listed)
    columns = [column for column in definition.sources[definition.observations.source].types if column not in made]
    looked_up = [
        F.col(name)[column].alias(f"{name}.{column}")
        for name, lookup in features.lookups.items()
        for column in definition.sources[lookup.source].types
    ]
    wide = observed.select("score_date", *columns, *looked_up, *listed)
    spec = features_table(definition)
    return with_computed(definition, wide, ", ".join(f"`{n}` {SPARK_TYPES[kind]}" for n, kind in spec.columns.items()))


def _look_up(
    definition: ModelDefinition,
    name: str,
    lookup: Lookup,
    observed: DataFrame,
    rows: DataFrame,
    versions: tuple[Visible, ...],
) -> DataFrame:
    """Observations with the row of a dimension that has their key, as a struct of this name."""
    from pyspark.sql import functions as F

    frame = pa.table(
        {
            "score_date": pa.array([seen.night for seen in versions], pa.date32()),
            "source_date": pa.array([seen.tile.start for seen in versions], pa.date32()),
        }
    )
    newest = rows.sparkSession.createDataFrame(frame)
    fields = F.struct(*[F.col(column) for column in definition.sources[lookup.source].types])
    dimension = with_derived(definition, lookup.source, rows).select("source_date", *lookup.key, fields.alias(name))
    observed = observed.join(F.broadcast(newest), "score_date", "left")
    return observed.join(dimension, ["source_date", *lookup.key], "left").drop("source_date")


def _windowed(seen: DataFrame, by: tuple[str, ...], aggregates: dict[str, Aggregate]) -> DataFrame:
    """The aggregates of one group over all of their windows, for each night and key."""
    merged, finished = [], []
    for name, aggregate in aggregates.items():
        for window in aggregate.windows:
            feature = feature_name(name, window.days)
            columns = from_parts(aggregate, _columns_of(name, f"_in_{window.days}d"))
            merged += [column.alias(f"{feature}__{part}") for part, column in columns.items()]
            finished.append(finish(aggregate, _columns_of(feature)).alias(feature))
    keys = [seen[key_column(column)].alias(column) for column in by]
    return seen.groupBy("score_date", *keys).agg(*merged).select("score_date", *by, *finished)


def _columns_of(prefix: str, condition: str | None = None) -> Callable[[str], Column]:
    """Gives the partials of an aggregate by name, null where a condition does not hold."""
    from pyspark.sql import functions as F

    def column(part: str) -> Column:
        found = F.col(f"{prefix}__{part}")
        return F.when(F.col(condition), found) if condition else found

    return column


def _as_tiles(
    definition: ModelDefinition, source: str, frames: list[DataFrame], made_from: Mapping[Tile, str]
) -> DataFrame:
    """Rows of all groups as rows of the tiles' table, each with what it was made from."""
    from pyspark.sql import functions as F

    spec = tiles_table(definition, source)
    rows = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)
    origin = pa.table(
        {
            "source_date": pa.array([tile.start for tile in made_from], pa.date32()),
            "made_from": list(made_from.values()),
        }
    )
    rows = rows.join(F.broadcast(rows.sparkSession.createDataFrame(origin)), "source_date")
    span = next(iter(made_from)).days
    rows = rows.withColumns({"model": F.lit(definition.name), "days": F.lit(span)})
    return rows.select(*[F.col(name).cast(SPARK_TYPES[kind]) for name, kind in spec.columns.items()])


def _windows(spark: SparkSession, visible: tuple[Visible, ...], lengths: list[int]) -> DataFrame:
    """Which tile each night sees, and in which windows."""
    columns = {
        "score_date": pa.array([seen.night for seen in visible], pa.date32()),
        "days": pa.array([seen.tile.days for seen in visible], pa.int64()),
        "source_date": pa.array([seen.tile.start for seen in visible], pa.date32()),
    }
    columns |= {f"_in_{days}d": pa.array([days in seen.windows for seen in visible], pa.bool_()) for days in lengths}
    return spark.createDataFrame(pa.table(columns))
