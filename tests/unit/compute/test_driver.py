from __future__ import annotations

import errno
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PythonException

from nightshift.compute.driver import SPARK_DISKS, reason, run
from nightshift.compute.job_log import progress
from nightshift.compute.outcome import JobOutcome, read_outcome
from nightshift.errors import TerminalError, TransientError
from nightshift.service_errors import MORE_SPACE, WRITABLE
from nightshift.types import Staged

NIGHT = date(2024, 1, 5)

Stage = Callable[[Namespace], list[Staged]]


def staged(table: str) -> Staged:
    return Staged(table, "attempt", f"file:///lake/staged/{table}/attempt", (), 3, NIGHT, NIGHT)


@pytest.fixture
def outcome_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Stage], tuple[JobOutcome | None, int]]:
    """Runs a stage as the program of a job does: its outcome and exit code."""
    uri = f"file://{tmp_path}/attempt/outcome.json"
    monkeypatch.setattr("sys.argv", ["job.py", "--model", "tiny", "--outcome", uri])

    def run_stage(stage: Stage) -> tuple[JobOutcome | None, int]:
        try:
            run(ArgumentParser(), stage)
        except SystemExit as end:
            return read_outcome(uri), int(end.code or 0)
        return read_outcome(uri), 0

    return run_stage


def worker_trace(ours: str) -> str:
    """How Spark tells of an error of ours in a Python worker."""
    return f"""An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "scan.py", line 80, in scan
nightshift.errors.{ours}
"""


class JavaFailure(Py4JJavaError):
    """How py4j tells of an error in the JVM, as of Spark's local folders."""

    def __init__(self, cause: str) -> None:
        self.cause = cause

    def __str__(self) -> str:
        aborted = f"Lost task 0.0 in stage 0.0 (TID 0) (192.0.2.2 executor driver): {self.cause}"
        return (
            f"An error occurred while calling o43.count.\n: org.apache.spark.SparkException: {aborted}\n\tat a.B.c(D)"
        )


FULL = f"no space is left on the disk; fix: {MORE_SPACE}"
READ_ONLY = f"the disk is read-only; fix: {WRITABLE}"


def failing(error: Exception) -> Stage:
    def stage(arguments: Namespace) -> list[Staged]:
        raise error

    return stage


def test_a_job_leaves_the_sets_it_staged_in_their_order(
    outcome_of: Callable[[Stage], tuple[JobOutcome | None, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [staged("tiles.failures"), staged("features.tiny")]
    assert outcome_of(lambda arguments: sets) == (JobOutcome(tuple(batch.location for batch in sets)), 0)
    assert "staged 3 rows of features.tiny from 2024-01-05 to 2024-01-05" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "message", "transient", "code"),
    [
        (TerminalError("the model is gone", fix="train one"), "the model is gone; fix: train one", False, 2),
        (TransientError("the store is away"), "the store is away", True, 75),
        (AnalysisException("[CAST_INVALID_INPUT] no number"), "[CAST_INVALID_INPUT] no number", False, 2),
        (PythonException(worker_trace("DataError: a.parquet: is damaged")), "a.parquet: is damaged", False, 2),
        (PythonException(worker_trace("NotYetAvailable: not yet; fix: wait")), "not yet; fix: wait", True, 75),
        (KeyError("load"), "KeyError: 'load'", False, 1),
        (JavaFailure("java.io.IOException: No space left on device"), f"{SPARK_DISKS}: {FULL}", True, 75),
        (JavaFailure("java.io.IOException: '/mnt/a b': Read-only file system"), f"/mnt/a b: {READ_ONLY}", False, 2),
        (PythonException(worker_trace(f"FullDiskError: s: {FULL}")), f"s: {FULL}", True, 75),
        (PythonException(worker_trace(f"ReadOnlyError: s: {READ_ONLY}")), f"s: {READ_ONLY}", False, 2),
        (OSError(errno.ENOSPC, "No space left on device", "/mnt/a"), f"/mnt/a: {FULL}", True, 75),
    ],
)
def test_a_job_that_fails_leaves_one_line_and_whether_another_try_may_help(
    outcome_of: Callable[[Stage], tuple[JobOutcome | None, int]],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    message: str,
    transient: bool,
    code: int,
) -> None:
    assert outcome_of(failing(error)) == (JobOutcome(error=message, transient=transient), code)
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_job_started_by_hand_needs_no_outcome_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["job.py", "--model", "tiny"])
    run(ArgumentParser(), lambda arguments: [staged("features.tiny")])
    assert "features.tiny" in capsys.readouterr().out


def test_the_reason_of_a_failure_in_a_worker_is_its_last_line() -> None:
    text = """An error occurred while calling o63.collect.
: org.apache.spark.SparkException: Job aborted
    File "worker.py", line 7, in main
nightshift.errors.DataError: column 'load' is missing
    at org.apache.spark.Task.run(Task.scala)"""
    assert reason(Exception(text)) == "column 'load' is missing"


def test_progress_is_written_before_each_of_several_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress("tiles", ["a", "b"])) == ["a", "b"]
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["progress: tiles: 0 of 2", "progress: tiles: 1 of 2", "progress: tiles: 2 of 2"]
    assert list(progress("tiles", ["a"])) == ["a"]
    assert capsys.readouterr().out == ""
