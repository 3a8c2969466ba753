"""What integration tests share: a Spark session, and jobs that run in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from nightshift.compute.job import SUBMITTERS


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)  # the workers need what this process has
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "2")
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.fixture(scope="module")
def jobs_in_this_process(spark: SparkSession) -> Iterator[None]:
    """Runs the jobs of a module's tests in the session that all tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SUBMITTERS, "spark-submit", "integration.shared_session:SharedSession")
        yield
