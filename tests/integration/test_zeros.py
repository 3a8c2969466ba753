"""In Spark, no value of an expression is -0.0: keys of tiles, texts and features would count it as another value."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from nightshift.definition.load import load_definition
from nightshift.features.compute import typed, write_day_tiles
from nightshift.features.plan import Tile
from nightshift.features.tiling import TileWriter
from nightshift.lake.files import local_path
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.tables import tiles_table

pytestmark = pytest.mark.spark


@pytest.mark.parametrize("expression", ["-zone", "zone * -1", "0 * -zone", "cast('-0.0' as double)"])
def test_a_computed_number_is_never_minus_zero(spark: SparkSession, expression: str) -> None:
    rows = spark.createDataFrame(pa.table({"zone": [0.0]}))
    [[number, text]] = rows.select(
        typed(F.expr(expression), "number"), typed(F.expr(expression), "number").cast("string")
    ).collect()
    assert math.copysign(1.0, number) == 1.0
    assert text == "0.0"


def test_both_zeros_are_one_key_and_one_distinct_value(spark: SparkSession, models: Path, tmp_path: Path) -> None:
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace(
        "      failed: {type: boolean}\n",
        "      failed: {type: boolean}\n      zone: {type: number}\n"
        "    derived:\n      opposite: {expression: -zone, type: number}\n",
    )
    text = text.replace(
        "      load: {type: number, required: true, min: 0, max: 1}\n",
        "      load: {type: number, required: true, min: 0, max: 1}\n"
        "    derived:\n      opposite: {expression: -load, type: number}\n",
    )
    aggregate = "{source: failures, by: [opposite], agg: approx_distinct, value: -zone, windows: [3d], description: d}"
    file.write_text(text.replace("  aggregates:\n", f"  aggregates:\n    zones: {aggregate}\n"))
    definition, day = load_definition(models / "tiny"), date(2024, 1, 5)
    rows = pa.table({"source_date": [day] * 2, "machine": ["a", "b"], "failed": [True] * 2, "zone": [0.0, -0.0]})
    groups = aggregate_groups(definition, "failures")
    writer = TileWriter("tiny", tiles_table(definition, "failures"), groups, tmp_path.as_uri())
    [tile] = write_day_tiles(
        definition, "failures", spark.createDataFrame(rows).coalesce(1), {Tile(day, 1): "x"}, writer
    )
    [row] = pq.read_table(local_path(tile.file)).filter(pa.compute.field("by") == "opposite").to_pylist()
    assert (repr(row["key_opposite"]), row["zones__n"]) == ("0.0", 2)
    [estimate] = spark.createDataFrame([(row["zones__sketch"],)], "s binary").select(F.hll_sketch_estimate("s")).first()
    assert estimate == 1
