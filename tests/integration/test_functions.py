"""The functions that expressions may call are the deterministic ones of the Spark that computes them."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from nightshift.compute.session import start_session
from nightshift.definition.known_functions import function_kinds

# What Spark says of a function that is no value of its row.
SEVERAL_ROWS = {"agg_funcs", "window_funcs", "generator_funcs", "table_funcs"}


@pytest.fixture(scope="module")
def groups(spark: SparkSession) -> dict[str, str]:
    """The groups of Spark's functions, by name."""
    names = {row[0].lower() for row in spark.sql("show functions").collect()}
    catalog, identifier = spark._jsparkSession.sessionState().catalog(), spark._jvm.org.apache.spark.sql.catalyst  # type: ignore[union-attr]
    return {
        name: catalog.lookupFunctionInfo(identifier.FunctionIdentifier(name)).getGroup()
        for name in names
        if name.isidentifier()
    }


def test_every_function_of_the_installed_spark_is_allowed_or_refused(groups: dict[str, str]) -> None:
    kinds = function_kinds("spark")
    assert groups.keys() - kinds.keys() == set(), "sort them into include/nightshift/definition/functions/spark.txt"
    assert kinds.keys() - groups.keys() == set(), "remove them"


def test_functions_over_several_rows_are_refused_as_such(groups: dict[str, str]) -> None:
    kinds = function_kinds("spark")
    names = {name for name, group in groups.items() if group in SEVERAL_ROWS}
    assert len(names) > 100
    assert {name for name in names if kinds[name] != "rows"} == set()


def test_functions_that_spark_calls_non_deterministic_are_refused(spark: SparkSession, groups: dict[str, str]) -> None:
    kinds = function_kinds("spark")
    described = {
        name: "\n".join(row[0] for row in spark.sql(f"describe function extended `{name}`").collect()).lower()
        for name in groups
    }
    names = {name for name, text in described.items() if "non-deterministic" in text or "random" in text}
    assert len(names) > 15
    assert {name for name in names if kinds[name] == "deterministic"} == set()


def test_a_jobs_session_puts_no_text_of_the_machine_into_expressions(spark: SparkSession) -> None:
    settings = dict(spark.conf.getAll)
    try:
        [row] = start_session("test").result().sql("select '${env:PATH}' || '${system:user.home}' as text").collect()
    finally:
        for name, value in dict(spark.conf.getAll).items():
            if settings.get(name) != value:
                spark.conf.set(name, settings[name]) if name in settings else spark.conf.unset(name)
    assert row["text"] == "${env:PATH}${system:user.home}"
