"""The Spark session of a job."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from pyspark.sql import SparkSession

from nightshift.compute.job import READY
from nightshift.compute.job_log import log


def start_session(name: str) -> Future[SparkSession]:
    """Starts the session of a job while the job opens the lake: both take seconds."""
    executor = ThreadPoolExecutor(1)
    try:
        return executor.submit(_session, name)
    finally:
        executor.shutdown(wait=False)


def _session(name: str) -> SparkSession:
    """A session with what the lake's files need, whoever submits the job."""
    session = (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "65536")
        # Without a limit of bytes: Spark would add up those of a batch again with every row.
        .config("spark.sql.execution.arrow.maxBytesPerBatch", str(2**31 - 1))
        .getOrCreate()
    )
    log(READY)
    return session
