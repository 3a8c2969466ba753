"""What the process has imported that each task's process is a fork of, as Airflow's scheduler has."""

from __future__ import annotations

from nightshift.preloading import preload_modules

preload_modules(
    (
        "chaos.steps",
        "great_expectations",
        "mlflow.store.model_registry.sqlalchemy_store",
        "mlflow.store.tracking.sqlalchemy_store",
        "skops.io",
        "sklearn.metrics",
    )
)
