"""Spark settings that are secret: a job's session has them, though no argument of a process does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nightshift.compute.job import Job
from nightshift.compute.spark_submit import SparkSubmit
from nightshift.settings import PROJECT, Settings, SparkSettings

pytestmark = pytest.mark.spark

KEY, SECRET = "spark.hadoop.fs.s3a.secret.key", "pl4nted-s3cret"
PROBE = f"""
from nightshift.compute.session import start_session

session = start_session("probe").result()
seen_by_hadoop = session._jsc.hadoopConfiguration().get({KEY.removeprefix("spark.hadoop.")!r})
assert session.sparkContext.getConf().get({KEY!r}) == seen_by_hadoop
print("RESULT", seen_by_hadoop[::-1])
"""


def test_a_jobs_session_has_the_settings_that_its_arguments_have_not(tmp_path: Path) -> None:
    jobs = tmp_path / "spark_jobs"
    jobs.mkdir()
    (jobs / "probe.py").write_text(PROBE)
    shutil.copy(PROJECT / "spark_jobs" / "log4j2.properties", jobs)
    spark = SparkSettings(master="local[1]", conf={KEY: SECRET}, driver_memory="512m", driver_waits=0)
    submitter = SparkSubmit(Settings(home=tmp_path, var=tmp_path / "var", spark=spark))
    assert SECRET not in " ".join(submitter.command(Job("probe")))
    lines: list[str] = []
    submission = submitter.submit(Job("probe"))
    submission.stream(lines.append)
    assert f"RESULT {SECRET[::-1]}" in lines, "\n".join(lines[-20:])
    assert not [line for line in lines if SECRET in line]
