"""What forks of Airflow's processes need, imported once by the process that they are forks of."""

from __future__ import annotations

from airflow.sdk import Asset

from nightshift.preloading import preload_modules

PRELOADED = (
    "great_expectations",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "nightshift.lake.sql",
    "nightshift.stages.audit",
    "nightshift.stages.conclude",
    "nightshift.stages.decide",
    "nightshift.stages.drift",
    "nightshift.stages.estimate",
    "nightshift.stages.gate",
    "nightshift.stages.ingest",
    "nightshift.stages.outcomes",
    "nightshift.stages.publish",
    "nightshift.stages.register",
    "nightshift.stages.report",
    "nightshift.stages.shadow",
    "nightshift.stages.train",
    "skops.io",
    "sklearn.metrics",
    "sqlglot.dialects.duckdb",
)


PARSING = ("nightshift_airflow.factory", "sqlglot.dialects.duckdb", "sqlglot.dialects.spark")


def preload() -> None:
    """Imports what the loop's tasks need, which are forks of the scheduler; nothing is started or opened."""
    preload_modules(PRELOADED)


def preload_parsing() -> None:
    """Imports what the parsing of a model's DAG file needs. The DAG processor parses each file in a fork.

    With the first asset Airflow imports what every installed provider has for addresses of assets, such as boto3.
    """
    preload_modules(PARSING)
    Asset(name="nightshift", uri="nightshift://preload")
