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
    """Starts the session, and a first query that starts the process of its Python workers.

    Returns:
        What is to be done after a job: it forgets what the job has cached, and imports what the next one needs.
    """
    starting = start_session("nightshift")
    query = ThreadPoolExecutor(1).submit(_query, starting)
    preload_modules(BEFORE)  # while the JVM works
    session = starting.result()  # the query may go on beside the first job, whose workers wait for that process, too

    def clear() -> None:
        query.result()
        session.catalog.clearCache()
        gc.collect()
        preload_modules(BETWEEN)

    return clear


def _query(starting: Future[SparkSession]) -> None:
    query = starting.result().range(0, 1, 1, 1).mapInArrow(lambda batches: batches, "id bigint")
    query.groupBy("id").count().collect()
