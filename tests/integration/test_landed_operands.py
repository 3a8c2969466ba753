"""Tiles of rows whose columns are aggregated as they landed: the workers read them, and Spark computes nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from nightshift.compute.scan import FileScan
from nightshift.definition.features import Aggregate
from nightshift.definition.load import load_definition
from nightshift.features.compute import write_day_tiles, write_landed_day_tiles
from nightshift.features.operands import Operand, Operands
from nightshift.features.plan import Tile
from nightshift.features.tiling import TileFile, TileWriter
from nightshift.lake.files import local_path
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.tables import raw_table, tiles_table
from nightshift.settings import PROJECT

pytestmark = pytest.mark.spark

DAYS = date(2023, 1, 1), date(2023, 1, 2)
AGGREGATES = """
    distinct_merchants:
      {source: payments, by: [account], agg: approx_distinct, value: merchant, windows: [7d], description: Merchants}
    first_minute:
      {source: payments, by: [country, merchant], agg: min, value: minute, windows: [7d], description: Minute}
"""


def tile_rows(files: list[TileFile]) -> dict[Tile, list[dict[str, object]]]:
    """The rows of each tile in a fixed order; a key may be in several files."""
    rows: dict[Tile, list[dict[str, object]]] = {}
    for file in files:
        rows.setdefault(file.tile, []).extend(pq.read_table(local_path(file.file)).to_pylist())
    return {tile: sorted(of_tile, key=repr) for tile, of_tile in rows.items()}


def test_tiles_are_the_same_whoever_reads_the_rows(spark: SparkSession, tmp_path: Path) -> None:
    text = (PROJECT / "bench" / "models" / "payments" / "model.yaml").read_text()
    model = tmp_path / "payments" / "model.yaml"
    model.parent.mkdir()
    model.write_text(text.replace("\ntraining:", f"{AGGREGATES}\ntraining:"))
    definition, random, count = load_definition(model.parent), np.random.default_rng(7), 3_000
    amounts = random.choice([0.0, -0.0, 0.1, 1e300, float("nan"), float("inf"), 12.34], count)
    table = pa.table(
        {
            "account": pa.array(random.integers(0, 40, count).astype(str), mask=random.random(count) < 0.05),
            "merchant": random.integers(0, 9, count).astype(str),
            "country": random.integers(0, 3, count).astype(str),
            "amount": pa.array(amounts, mask=random.random(count) < 0.1, from_pandas=False),
            "minute": pa.array(random.integers(-(2**60), 2**60, count), mask=random.random(count) < 0.1),
            "flagged": pa.array(random.random(count) < 0.3, mask=random.random(count) < 0.1),
            "source_date": pa.array(random.choice(DAYS, count), pa.date32()),
        }
    )
    file = tmp_path / "rows.parquet"
    spec = raw_table(definition, "payments")
    pq.write_table(table.select(list(spec.columns)).cast(spec.schema), file)
    scan = FileScan.of(spec, {file.as_uri(): file.stat().st_size})
    groups, fingerprints = aggregate_groups(definition, "payments"), {Tile(day, 1): "x" for day in DAYS}
    operands = Operands.of(groups)
    assert operands.are_landed(definition.sources["payments"], groups)

    def writer(name: str) -> TileWriter:
        return TileWriter("payments", tiles_table(definition, "payments"), groups, (tmp_path / name).as_uri())

    by_spark = write_day_tiles(definition, "payments", scan.frame(spark), fingerprints, writer("spark"))
    by_workers = write_landed_day_tiles(spark, scan, operands, fingerprints, writer("workers"))
    assert repr(tile_rows(by_workers)) == repr(tile_rows(by_spark))
    assert set(tile_rows(by_workers)) == set(fingerprints)


TYPES = {"number": "number", "count": "integer", "late": "boolean", "text": "string", "day": "date", "null": "number"}


@pytest.mark.parametrize(
    ("declared", "is_landed"),
    [
        ({"agg": "count"}, True),
        ({"agg": "count", "where": "late"}, True),
        ({"agg": "rate", "where": "late"}, True),
        ({"agg": "rate", "where": "not late"}, False),
        ({"agg": "rate", "where": "LATE"}, False),
        ({"agg": "count", "where": "true"}, False),
        ({"agg": "sum", "value": "number"}, True),
        ({"agg": "mean", "value": "count"}, True),
        ({"agg": "mean", "value": "count", "where": "late"}, False),
        ({"agg": "mean", "value": "number + 1"}, False),
        ({"agg": "mean", "value": "null"}, False),
        ({"agg": "max", "value": "text"}, False),
        ({"agg": "max", "value": "day"}, False),
        ({"agg": "approx_distinct", "value": "text"}, True),
        ({"agg": "approx_distinct", "value": "number"}, False),
        ({"agg": "last", "value": "derived"}, False),
    ],
)
def test_an_operand_is_landed_if_it_is_a_column_as_it_is(declared: dict[str, str], is_landed: bool) -> None:
    aggregate = Aggregate.model_validate({"source": "s", "by": [], "windows": ["1d"], "description": "d", **declared})
    assert Operand.of(aggregate).is_landed(TYPES) == is_landed
