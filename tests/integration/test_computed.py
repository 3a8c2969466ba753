"""The definition's own `transform` in real Spark."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from nightshift.definition.load import load_definition
from nightshift.features.transform import with_computed

pytestmark = pytest.mark.spark

COMPUTED = """  computed:
    older: {type: number, description: A year older than its model, sources: [plan]}

training:"""
TRANSFORM = "def transform(frame, cutoff):\n    return frame.assign(older=frame['model.age'] + frame['load'])\n"


def test_the_columns_of_a_look_up_reach_features_py(spark: SparkSession, models: Path) -> None:
    """Spark takes a dot in the name of a column for that of a field."""
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("\ntraining:", COMPUTED))
    (models / "tiny" / "features.py").write_text(TRANSFORM)
    night = date(2024, 7, 5)
    rows = {"score_date": [night, night], "machine": ["b", "a"], "load": [1.0, 2.0], "model.age": [10.0, 20.0]}
    features = {"busy": [0.1, 0.2], "kind": ["x", "y"], "machine_failures_3d": [0.0, 1.0]}
    computed = with_computed(load_definition(models / "tiny"), spark.createDataFrame(pa.table(rows | features)))
    assert [(row.machine, row.busy, row.older) for row in computed.collect()] == [("a", 0.2, 22.0), ("b", 0.1, 11.0)]
