"""The Spark session of a job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from pyspark.sql import SparkSession

from nightshift.compute.job import READY
from nightshift.compute.job_environment import secret_conf
from nightshift.compute.job_log import log
from nightshift.settings import get_settings

Result = TypeVar("Result")


def start_session(name: str) -> Future[SparkSession]:
    """Starts the session of a job while the job opens the lake: both take seconds."""
    return _in_background(lambda: _session(name))


def _session(name: str) -> SparkSession:
    """A session with what the lake's files need, whoever submits the job."""
    session = (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        # An expression's `${env:HOME}` is a text of its own: it does not read the machine.
        .config("spark.sql.variable.substitute", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "65536")
        # Without a limit of bytes: Spark would add up those of a batch again with every row.
        .config("spark.sql.execution.arrow.maxBytesPerBatch", str(2**31 - 1))
        .config(map=secret_conf(get_settings().spark.conf))
        .getOrCreate()
    )
    log(READY)
    _start_workers(session)
    return session


@cache
def _start_workers(session: SparkSession) -> Future[object]:
    """Has a first query start the process of the session's Python workers, while the job opens the lake.

    What the JVM does for its first query takes seconds, too.
    """
    return _in_background(lambda: session.range(1).mapInArrow(lambda rows: rows, "id bigint").collect())


def _in_background(function: Callable[[], Result]) -> Future[Result]:
    executor = ThreadPoolExecutor(1)
    try:
        return executor.submit(function)
    finally:
        executor.shutdown(wait=False)
