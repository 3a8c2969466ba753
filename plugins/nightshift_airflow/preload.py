"""What the loop's tasks need, imported once by the scheduler, whose forks they are."""

from __future__ import annotations

import importlib

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


def preload() -> None:
    """Imports it; only imports, nothing is started or opened."""
    for name in PRELOADED:
        importlib.import_module(name)
