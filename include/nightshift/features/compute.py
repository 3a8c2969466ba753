"""The feature computation in Spark: the same plan for one night and for a year of nights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.calendar import available_at, zone_of
from nightshift.definition.expressions import names_in
from nightshift.definition.features import Lookup
from nightshift.definition.model import ModelDefinition
from nightshift.definition.spark_sql import SPARK_TYPES
from nightshift.features.operands import Operands
from nightshift.features.plan import Tile, VisibleTile
from nightshift.features.tiling import AT, TileFile, TileWriter
from nightshift.features.transform import lookup_column, with_computed
from nightshift.features.windows import WindowInputs, is_observed_key, observed_key, window_features
from nightshift.lake.parquet import batches_to_tables
from nightshift.lake.tables import spark_schema

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from nightshift.compute.scan import FileScan


def with_derived(definition: ModelDefinition, source: str, rows: DataFrame) -> DataFrame:
    """Adds the derived columns of a source to its rows: those whose columns were read."""
    from pyspark.sql import functions as F

    read = {name.lower() for name in rows.columns}
    derived = {
        name: typed(F.expr(column.expression), column.type)
        for name, column in definition.sources[source].derived.items()
        if read.issuperset(names_in(column.expression, "spark"))
    }
    return rows.withColumns(derived)


def typed(values: Column, kind: str) -> Column:
    """The values of an expression as a type of a definition; -0.0 is 0.0, as it is among landed numbers."""
    from pyspark.sql import functions as F

    values = values.cast(SPARK_TYPES[kind])
    return values + F.lit(0.0) if kind == "number" else values


def visible_rows(definition: ModelDefinition, source: str, rows: DataFrame, days: Iterable[date]) -> DataFrame:
    """The rows of a source that aggregates may use, with derived columns and without rows from the future.

    A row is from the future if its event time is not before the instant at which its own partition was available. No
    correct clock writes such a row, and it could describe an event after a night's cutoff.

    Returns:
        The landed and derived columns, and `_at`, the instant of each row (null without `event_time`).
    """
    from pyspark.sql import functions as F

    declared = definition.sources[source]
    rows = with_derived(definition, source, rows)
    if declared.event_time is None:
        return rows.withColumn(AT, F.lit(None).cast("timestamp"))
    rows = rows.withColumn(AT, F.expr(declared.event_time))
    if rows.schema[AT].dataType.typeName() != "timestamp":
        # A local clock. The session's time zone is UTC: read it as if it were UTC, then move it.
        zone = zone_of(definition.schedule, declared)
        local = F.col(AT).cast("timestamp_ntz").cast("timestamp")
        rows = rows.withColumn(AT, F.to_utc_timestamp(local, zone))
    available = {day: available_at(definition.schedule, declared, day) for day in days}
    frame = pa.table(
        {
            "source_date": pa.array(list(available), pa.date32()),
            "_available": pa.array(list(available.values()), pa.timestamp("us", "UTC")),
        }
    )
    rows = rows.join(F.broadcast(rows.sparkSession.createDataFrame(frame)), "source_date")
    return rows.where(F.col(AT).isNull() | (F.col(AT) < F.col("_available"))).drop("_available")


def write_day_tiles(
    definition: ModelDefinition, source: str, rows: DataFrame, fingerprints: Mapping[Tile, str], writer: TileWriter
) -> list[TileFile]:
    """Builds tiles of one day each from the raw rows of those days: every worker writes the tiles of its rows.

    A day whose rows are spread over several workers has several files; a key may be in each of them.
    """
    rows = visible_rows(definition, source, rows, [tile.start for tile in fingerprints])
    groups, operands = writer.groups, Operands.of(writer.groups)
    inputs = [operand.column(rows).alias(name) for operand, name in operands.columns.items()]
    names = dict.fromkeys(["source_date", *(column for group in groups for column in group.by)])
    is_dated = any(aggregate.agg == "last" for group in groups for aggregate in group.stored_aggregates.values())
    needed = rows.select(*names, *([AT] if is_dated else []), *inputs)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _write_days(batches_to_tables(batches), operands, fingerprints, writer)

    return _tile_files(needed.mapInArrow(write, TileFile.SCHEMA))


def write_landed_day_tiles(
    spark: SparkSession, rows: FileScan, operands: Operands, fingerprints: Mapping[Tile, str], writer: TileWriter
) -> list[TileFile]:
    """Builds tiles of one day each as `write_day_tiles` does, of rows that have the operands as they landed.

    The workers read the rows themselves: these never enter the JVM.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tables = (operands.read(table) for table in batches_to_tables(batches))
        return _write_days(tables, operands, fingerprints, writer)

    return _tile_files(rows.map(spark, write, TileFile.SCHEMA))


def _write_days(
    tables: Iterable[pa.Table], operands: Operands, fingerprints: Mapping[Tile, str], writer: TileWriter
) -> Iterator[pa.RecordBatch]:
    for table in tables:
        for file in writer.write_days(table, operands.names, fingerprints):
            yield file.to_batch()


def write_longer_tiles(
    spark: SparkSession, fingerprints: Mapping[Tile, str], shorter: Mapping[Tile, Sequence[str]], writer: TileWriter
) -> list[TileFile]:
    """Builds tiles of several days from the files of their parts: every worker writes some of them."""
    tiles = list(fingerprints)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for tile in (tiles[number] for batch in batches for number in batch["id"].to_pylist()):
            parts = {part: shorter[part] for part in tile.parts if part in shorter}
            yield from (file.to_batch() for file in writer.write_longer(tile, fingerprints[tile], parts))

    return _tile_files(spark.range(len(tiles)).mapInArrow(write, TileFile.SCHEMA))


def _tile_files(written: DataFrame) -> list[TileFile]:
    """Runs the workers that write tiles; the files that they wrote."""
    return [TileFile.of(row.asDict()) for row in written.collect()]


TableTransform = Callable[[pa.Table], pa.Table]


def compute_features(
    definition: ModelDefinition, prepared: DataFrame, inputs: Sequence[WindowInputs]
) -> tuple[DataFrame, TableTransform]:
    """Computes every feature of prepared observations.

    Args:
        definition: The model definition.
        prepared: Prepared observations, see `prepare_observations`.
        inputs: The tiles of each aggregated source for their nights.

    Returns:
        Rows, and a function that their writer applies to them before it writes them, which saves a transfer between
        processes. The function returns the columns of the feature table.
    """
    add = _with_windows(definition, inputs)
    if not definition.features.computed:
        return prepared, add
    fields = [field for field in prepared.schema if not is_observed_key(field.name)]
    schema = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in fields)
    if types := {name: str(aggregate.type) for name, aggregate in definition.aggregate_features.items()}:
        schema = f"{schema}, {spark_schema(types)}"
    rows = prepared.mapInArrow(
        lambda batches: (b for t in batches_to_tables(batches) for b in add(t).to_batches()), schema
    )
    return with_computed(definition, rows), lambda table: table


def _with_windows(definition: ModelDefinition, inputs: Sequence[WindowInputs]) -> TableTransform:
    """A function that adds every aggregate, for the workers: each worker reads the tiles of its rows' nights."""
    defaults = {name: aggregate.default for name, aggregate in definition.aggregate_features.items()}

    def add(observed: pa.Table) -> pa.Table:
        columns = {name: observed[name] for name in observed.column_names if not is_observed_key(name)}
        features = {name: values for source in inputs for name, values in window_features(observed, source)}
        for name, default in defaults.items():
            columns[name] = features[name] if default is None else features[name].fill_null(default)
        return pa.table(columns)

    return add


def join_lookups(
    definition: ModelDefinition,
    observed: DataFrame,
    raw: Mapping[str, DataFrame],
    versions: Mapping[str, tuple[VisibleTile, ...]],
) -> DataFrame:
    """Adds look-ups to the observations of some nights, as structs, and leaves those that satisfy `where`.

    Args:
        definition: The model definition.
        observed: The observations, see `nightshift.features.observations`.
        raw: The raw rows of each source that is looked up.
        versions: For each source that is looked up, the version of every night.
    """
    for name, lookup in definition.features.lookups.items():
        observed = _look_up(definition, name, lookup, observed, raw[lookup.source], versions[lookup.source])
    return only_scored(definition, observed)


def only_scored(definition: ModelDefinition, observed: DataFrame) -> DataFrame:
    """The observations that satisfy `where`, of those with look-ups."""
    return observed.where(definition.observations.where) if definition.observations.where else observed


def prepare_observations(definition: ModelDefinition, observed: DataFrame) -> DataFrame:
    """Adds row features to observations, and selects the columns that aggregates and `features.py` need.

    Returns:
        The key, each group's key as `_<column>`, and the row features; for `features.py` also the columns of the
        observations and of the look-ups.
    """
    from pyspark.sql import functions as F

    features = definition.features
    keys = {column: None for aggregate in features.aggregates.values() for column in aggregate.by}
    columns = [F.col(name) for name in ("score_date", *definition.observations.key)]
    columns += [F.col(name).alias(observed_key(name)) for name in keys]
    columns += [typed(F.expr(row.expression), row.type).alias(name) for name, row in features.rows.items()]
    if features.computed:
        selected = {*definition.feature_types, *definition.observations.key}
        columns += [F.col(name) for name in definition.observed_types if name not in selected]
        columns += [
            F.col(name)[column].alias(lookup_column(name, column))
            for name, lookup in features.lookups.items()
            for column in definition.sources[lookup.source].types
        ]
    return observed.select(*columns)


def complete_features(definition: ModelDefinition, rows: DataFrame) -> DataFrame:
    """Fills the aggregates of observations with the declared defaults, and adds what `features.py` computes."""
    from pyspark.sql import functions as F

    aggregates = definition.aggregate_features.items()
    rows = rows.withColumns({name: F.coalesce(F.col(name), F.lit(aggregate.default)) for name, aggregate in aggregates})
    return with_computed(definition, rows) if definition.features.computed else rows


def _look_up(
    definition: ModelDefinition,
    name: str,
    lookup: Lookup,
    observed: DataFrame,
    rows: DataFrame,
    versions: tuple[VisibleTile, ...],
) -> DataFrame:
    """Joins observations with the row of a dimension that has their key, as a struct with the look-up's name."""
    from pyspark.sql import functions as F

    frame = pa.table(
        {
            "score_date": pa.array([version.night for version in versions], pa.date32()),
            "source_date": pa.array([version.tile.start for version in versions], pa.date32()),
        }
    )
    newest = rows.sparkSession.createDataFrame(frame)
    dimension = with_derived(definition, lookup.source, rows)
    fields = F.struct(*[column for column in definition.sources[lookup.source].types if column in dimension.columns])
    dimension = dimension.select("source_date", *lookup.key, fields.alias(name))
    observed = observed.join(F.broadcast(newest), "score_date", "left")
    return observed.join(dimension, ["source_date", *lookup.key], "left").drop("source_date")
