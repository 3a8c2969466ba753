"""The session of a waiting driver, with what takes seconds when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from pyspark.sql import SparkSession

from nightshift.compute.session import start_session

# What the jobs of a night import: the first of them, and those after it.
BEFORE = ("nightshift.stages.features", "nightshift.stages.score")
BETWEEN = (
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
)


def warm_session() -> Callable[[], None]:
    """Starts the session and the process of its Python workers, and runs a query through both.

    Returns:
        What is to be done after a job: it forgets what the job has cached, and imports what the next one needs.
    """
    starting = start_session("nightshift")
    _import(BEFORE)
    session = starting.result()
    session.range(0, 1, 1, 1).mapInArrow(lambda batches: batches, "id bigint").groupBy("id").count().collect()
    return lambda: _clear(session)


def _clear(session: SparkSession) -> None:
    session.catalog.clearCache()
    _import(BETWEEN)


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(name)
