"""The definition's own `transform` in real Spark."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from nightshift.definition.load import load_definition
from nightshift.features.compute import compute_features, prepare_observations

pytestmark = pytest.mark.spark

COMPUTED = """  computed:
    older: {type: number, description: A year more than its age, sources: [plan]}

training:"""
AGES = """  ages:
    description: How old machines are.
    path: ages-{date}.csv
    cadence: irregular
    available: {after: 1h}
    key: [machine]
    columns:
      machine: {type: string}
      age: {type: number}

observations:"""
TRANSFORM = "def transform(frame, cutoff):\n    return frame.assign(older=frame['of.age'] + frame['load'])\n"


def test_the_columns_of_a_look_up_reach_features_py(spark: SparkSession, models: Path) -> None:
    """Spark takes a dot in the name of a column for that of a field."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace("\nobservations:", AGES).replace("\ntraining:", COMPUTED)
    first, last = text.index("  aggregates:"), text.index("  computed:")
    text = text[:first] + "  lookups:\n    of: {source: ages, key: [machine]}\n" + text[last:]
    file.write_text(text)
    (models / "tiny" / "features.py").write_text(TRANSFORM)
    definition, night = load_definition(models / "tiny"), date(2024, 7, 5)
    rows = {"score_date": [night, night], "machine": ["b", "a"], "load": [1.0, 2.0], "age": [10.0, 20.0]}
    observed = spark.createDataFrame(pa.table(rows)).withColumn("of", F.struct("machine", "age")).drop("age")
    computed, _ = compute_features(definition, prepare_observations(definition, observed), [])
    assert [(row.machine, row.busy, row.older) for row in computed.collect()] == [("a", 2.0, 22.0), ("b", 1.0, 11.0)]
