"""What the loop's tasks need, imported once by the scheduler, whose forks they are."""

from __future__ import annotations

import importlib

PRELOADED = (
    "great_expectations",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "nightshift.lake.sql",
    "nightshift.loop",
    "nightshift.monitoring.reference",
    "nightshift.monitoring.report",
    "nightshift.training.gate",
    "skops.io",
    "sklearn.metrics",
    "sqlglot.dialects.duckdb",
)


def preload() -> None:
    """Imports it; only imports, nothing is started or opened."""
    for name in PRELOADED:
        importlib.import_module(name)
