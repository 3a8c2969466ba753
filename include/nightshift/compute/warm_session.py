"""The session of a waiting driver, with what takes seconds when it is first used."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from pyspark.sql import SparkSession

from nightshift.compute.session import start_session
from nightshift.preloading import preload_modules

# What the jobs of a night import: the first of them, and those after it.
BEFORE = ("nightshift.stages.features", "nightshift.stages.score")
BETWEEN = (
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
)


def warm_session() -> Callable[[], None]:
    """Starts the session, and a query with what Spark needs for an exchange of rows.

    Returns:
        What is to be done after a job: it forgets what the job has cached, and imports what the next one needs.
    """
    starting = start_session("nightshift")
    query = ThreadPoolExecutor(1).submit(_query, starting)
    preload_modules(BEFORE)  # while the JVM works
    session = starting.result()  # the query may go on beside the first job

    def clear() -> None:
        query.result()
        session.catalog.clearCache()
        gc.collect()
        preload_modules(BETWEEN)

    return clear


def _query(starting: Future[SparkSession]) -> None:
    starting.result().range(1).groupBy("id").count().collect()
