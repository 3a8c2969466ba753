"""What forks of Airflow's processes need, imported once by the process that they are forks of."""

from __future__ import annotations

import gc
import importlib

from airflow.sdk import Asset

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
    _import(PRELOADED)


def preload_parsing() -> None:
    """Imports what the parsing of a model's DAG file needs. The DAG processor parses each file in a fork.

    With the first asset Airflow imports what every installed provider has for addresses of assets, such as boto3.
    """
    _import(PARSING)
    Asset(name="nightshift", uri="nightshift://preload")


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(name)
    # Else each fork would once look for garbage among all that was imported, which takes it a second.
    gc.freeze()
