"""The functions that expressions may call are those of the Spark that computes them."""

from __future__ import annotations

from pyspark.sql import SparkSession

from nightshift.definition.known_functions import functions_of


def test_the_functions_of_spark_are_those_of_the_installed_one(spark: SparkSession) -> None:
    listed = {row[0].lower() for row in spark.sql("show functions").collect()}
    missing = {name for name in listed if name.isidentifier()} - functions_of("spark")
    assert not missing, "write them into include/nightshift/definition/functions/spark.txt"
