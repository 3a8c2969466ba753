"""In Spark, no value of an expression is -0.0: keys of tiles, texts and features would count it as another value."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from nightshift.features.compute import typed

pytestmark = pytest.mark.spark


@pytest.mark.parametrize("expression", ["-zone", "zone * -1", "0 * -zone", "cast('-0.0' as double)"])
def test_a_computed_number_is_never_minus_zero(spark: SparkSession, expression: str) -> None:
    rows = spark.createDataFrame(pa.table({"zone": [0.0]}))
    [[number, text]] = rows.select(
        typed(F.expr(expression), "number"), typed(F.expr(expression), "number").cast("string")
    ).collect()
    assert math.copysign(1.0, number) == 1.0
    assert text == "0.0"
