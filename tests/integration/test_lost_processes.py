"""Processes of a real Spark application that are killed while a job works: it may be run again, and says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nightshift.compute.job import Job, complete
from nightshift.compute.spark_submit import SparkSubmission, SparkSubmit
from nightshift.compute.waiting_driver import DriverSubmission
from nightshift.errors import TransientError
from nightshift.settings import PROJECT, Settings, SparkSettings

PROGRAM = """
import os, signal
from argparse import ArgumentParser
from nightshift.compute.driver import run

def die(batches):
    os.kill(os.getpid(), signal.SIGKILL)
    yield from batches

def stage(arguments):
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    if arguments.model == "jvm":
        os.kill(os.getppid(), signal.SIGKILL)
    spark.range(1).mapInArrow(die, "id bigint").collect()

run(ArgumentParser(), stage)
"""


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> Settings:
    """An installation whose only job kills."""
    jobs = shutil.copytree(PROJECT / "spark_jobs", tmp_path / "home" / "spark_jobs")
    (jobs / "kill.py").write_text(PROGRAM)
    (jobs / "killed.py").write_text("import os; os.kill(os.getpid(), 9)")
    return settings.model_copy(update={"home": tmp_path / "home"})


@pytest.mark.parametrize(
    ("process", "message"),
    [
        ("worker", "Spark application: a Python worker was killed or has crashed; "),
        ("workers", "Spark application: the process of its Python workers was killed as it started; "),
        ("jvm", "Spark job kill ended with exit code -9: "),
    ],
)
def test_a_job_of_its_own_may_be_run_again(
    installation: Settings, process: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installation.home / "spark_jobs"))
    conf = {"spark.python.daemon.module": "killed"} if process == "workers" else {}
    alone = installation.model_copy(update={"spark": SparkSettings(driver_waits=0, conf=conf)})
    submission = SparkSubmit(alone).submit(Job("kill", ("--model", process)))
    assert isinstance(submission, SparkSubmission)
    with pytest.raises(TransientError, match=f"^{message}"):
        complete(submission, lambda line: None)


def test_a_job_that_shares_a_driver_may_be_run_again(installation: Settings) -> None:
    submitter = SparkSubmit(installation)
    end = submitter.start_driver()
    try:
        submission = submitter.submit(Job("kill", ("--model", "jvm")))
        assert isinstance(submission, DriverSubmission)
        with pytest.raises(TransientError, match=r"^Spark job kill ended with its driver: |its JVM has ended"):
            complete(submission, lambda line: None)
    finally:
        end()
