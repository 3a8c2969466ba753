"""The algebra of tiles in real Spark, against plain Python over the rows themselves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from algebra import DAYS, FIRST, Event, Observed, check, define, some_events, tile_plan_for, window_inputs
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from nightshift.definition.model import ModelDefinition
from nightshift.features.compute import (
    compute_features,
    join_lookups,
    prepare_observations,
    write_day_tiles,
    write_longer_tiles,
)
from nightshift.features.observations import observe
from nightshift.features.partials import lower
from nightshift.features.plan import SPANS, Tile
from nightshift.features.tiling import TileWriter
from nightshift.lake.files import local_path
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.tables import tiles_table

pytestmark = pytest.mark.spark

NIGHTS = (FIRST + timedelta(days=DAYS - 2), FIRST + timedelta(days=DAYS - 1))
KEYS = [(k, j) for k in ("a", "b", "seen nowhere") for j in (0, 1, None)]
# An example takes seconds: what fails is shown as it was found, without a search for a smaller one.
SETTINGS = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return define(tmp_path_factory.mktemp("models"))


def landed(spark: SparkSession, events: list[Event]) -> DataFrame:
    """The raw rows: the second key and the instants are for Spark to work out. Several workers have some of a day."""
    rows = [
        {"source_date": e.date, "number": i, "k": e.k, "v": e.v, "text": e.text, "minute": e.minute}
        for i, e in enumerate(events)
    ]
    kinds = {"source_date": pa.date32(), "number": pa.int64(), "k": pa.string(), "v": pa.float64(), "text": pa.string()}
    table = pa.Table.from_pylist(rows, schema=pa.schema(kinds | {"minute": pa.int64()}))
    return spark.createDataFrame(table).repartition(2)


def write_tiles(
    spark: SparkSession, definition: ModelDefinition, events: list[Event], folder: Path
) -> dict[Tile, tuple[str, ...]]:
    """The files of every tile that the nights see, made as a job makes them."""
    spec, groups = tiles_table(definition, "events"), aggregate_groups(definition, "events")
    writer = TileWriter(definition.name, spec, groups, folder.as_uri())
    tile_plan = tile_plan_for(definition, events, NIGHTS)
    files: dict[Tile, tuple[str, ...]] = {}
    for span in SPANS:
        if span == SPANS[0]:
            days = [tile.start for tile in tile_plan.build[span]]
            rows = landed(spark, events).where(F.col("source_date").isin(days))
            written = write_day_tiles(definition, "events", rows, tile_plan.build[span], writer)
        else:
            written = write_longer_tiles(spark, tile_plan.build[span], files, writer)
        for tile_file in written:
            files[tile_file.tile] = (*files.get(tile_file.tile, ()), tile_file.file)
    return files


def features(
    spark: SparkSession, definition: ModelDefinition, files: dict[Tile, tuple[str, ...]]
) -> dict[Observed, dict[str, Any]]:
    """The features of every key on both nights."""
    due = {
        "source_date": pa.array([night for night in NIGHTS for _ in KEYS], pa.date32()),
        "k": [k for _ in NIGHTS for k, _ in KEYS],
        "j": pa.array([j for _ in NIGHTS for _, j in KEYS], pa.int64()),
    }
    observed = observe(definition, spark.createDataFrame(pa.table(due)), NIGHTS[0], NIGHTS[-1])
    prepared = prepare_observations(definition, join_lookups(definition, observed, {}, {}))
    rows, finish_table = compute_features(definition, prepared, [window_inputs(definition, NIGHTS, files)])
    rows_computed = finish_table(rows.toArrow()).to_pylist()
    return {Observed(row["score_date"], row["k"], row["j"]): row for row in rows_computed}


@SETTINGS
@given(some_events(least=20, most=120))
def test_features_from_tiles_are_those_of_the_rows_themselves(
    spark: SparkSession, definition: ModelDefinition, tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    files = write_tiles(spark, definition, events, tmp_path_factory.mktemp("tiles"))
    rows_by_observation = features(spark, definition, files)
    assert len(rows_by_observation) == len(NIGHTS) * len(KEYS)
    for observed, row in rows_by_observation.items():
        check(definition, events, observed, row, defaults=True)


def test_spark_reads_the_sketches_of_the_tiles_and_counts_as_we_do(
    spark: SparkSession, definition: ModelDefinition, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both write the format of Apache DataSketches: what is kept is not bound to who made it."""
    many = [Event(day, "a", 0, 1.0, f"{n}", 0) for day in (70, 71, 72) for n in range(100 * (day - 69))]
    more = [Event(73, "b", 0, 1.0, f"{n}", 0) for n in range(3_000)]
    files = write_tiles(spark, definition, [*many, *more], tmp_path_factory.mktemp("tiles"))
    [group] = [group for group in aggregate_groups(definition, "events") if group.by == ("k",)]
    kinds, holder = group.aggregates["kinds"], group.holders["kinds"]
    counted = []
    for tile, names in files.items():
        partials = pa.concat_tables([pq.ParquetFile(local_path(name)).read() for name in names])
        partials = partials.filter(pa.compute.field("by") == group.name)
        sketches = partials[f"{holder}__sketch"].combine_chunks()
        ours = lower(kinds, {"n": partials[f"{holder}__n"].to_numpy(), "sketch": sketches}).to_pylist()
        rows = spark.createDataFrame(pa.table({"number": range(len(sketches)), "sketch": sketches}))
        estimate = F.hll_sketch_estimate(F.hll_union(F.col("sketch"), F.col("sketch")))
        theirs = [row[0] for row in rows.orderBy("number").select(estimate).collect()]
        assert theirs == ours, tile
        counted += ours
    assert min(counted) <= 100
    assert max(counted) > 1_000
