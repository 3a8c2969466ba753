"""What the program of every Spark job does around its stage: arguments, one clear last line, the outcome."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from nightshift import errors
from nightshift.compute.executors import watch_executors
from nightshift.compute.job import TERMINAL, TRANSIENT
from nightshift.compute.job_log import log
from nightshift.compute.lost_processes import end_with_jvm, lost_process
from nightshift.compute.outcome import JobOutcome, write_outcome
from nightshift.errors import DamagedFileError, NightshiftError, TerminalError, TransientError
from nightshift.lake.damage import reworded
from nightshift.service_errors import explain, explain_text
from nightshift.types import Staged

SPARK_DISKS = "a disk of Spark's local folders (spark.local.dir, SPARK_LOCAL_DIRS) or of the warehouse"
OURS = re.compile(r"nightshift\.errors\.(?P<kind>\w+): ")  # how a Python worker prints an error of ours


def run(parser: argparse.ArgumentParser, stage: Callable[[argparse.Namespace], Sequence[Staged]]) -> None:
    """Runs the stage of a job. Whatever goes wrong, the last line says what, and the exit code whether to try again.

    Args:
        parser: The job's own arguments; `--model` and `--outcome` are added.
        stage: Takes the arguments and returns the sets it staged, in the order in which they are to be published.
    """
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--outcome", help="URI of the file that tells the submitter what was staged, or why not")
    arguments = parser.parse_args()
    end_with_jvm()
    watch_executors(lambda error: _give_up(error, arguments.outcome))
    outcome, code = _outcome(stage, arguments)
    try:
        _leave(outcome, arguments.outcome)
    except (OSError, NightshiftError) as error:
        code = TRANSIENT
        _print_error(f"how the job ended cannot be written: {error}")
    if code:
        raise SystemExit(code)


def reason(error: Exception) -> str:
    """Why a job failed, as one line."""
    return OURS.sub("", _last_line(error), count=1)


def _last_line(error: Exception) -> str:
    lines = [line.strip().removeprefix(": ") for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):  # py4j's own, of what Spark raised
        del lines[0]
    # A failure inside a Python worker hides its reason in the last line of a nested stack trace.
    nested = [line for line in lines if "Error: " in line and not line.startswith(("at ", "File ", "Caused by"))]
    nested = [line for line in lines if OURS.match(line)] or nested
    return (nested or lines or [repr(error)])[0]


def _leave(outcome: JobOutcome, uri: str | None) -> None:
    if uri:
        write_outcome(uri, outcome)
    if outcome.error:
        _print_error(outcome.error)


def _print_error(error: str) -> None:
    sys.stderr.write(f"error: {error}\n")
    sys.stderr.flush()


def _give_up(error: TransientError, uri: str | None) -> None:
    """Ends the process from another thread than the one that waits for Spark."""
    _leave(JobOutcome(error=str(error), transient=True), uri)
    os._exit(TRANSIENT)


def _outcome(
    stage: Callable[[argparse.Namespace], Sequence[Staged]], arguments: argparse.Namespace
) -> tuple[JobOutcome, int]:
    try:
        staged = stage(arguments)
    except Exception as error:  # the boundary of the process
        if lost := lost_process(error):
            return JobOutcome(error=str(lost), transient=True), TRANSIENT
        is_spark = isinstance(error, PySparkException)
        if explained := _of_worker(error) if is_spark or isinstance(error, Py4JJavaError) else explain(error):
            transient = isinstance(explained, TransientError)
            return JobOutcome(error=str(explained), transient=transient), TRANSIENT if transient else TERMINAL
        if is_spark:
            return JobOutcome(error=reason(error)), TERMINAL
        return JobOutcome(error=f"{type(error).__name__}: {reason(error)}"), 1
    for batch in staged:
        log(f"staged {batch.rows} rows of {batch.table} from {batch.first} to {batch.last}: {batch.location}")
    return JobOutcome(tuple(batch.location for batch in staged)), 0


def _of_worker(error: Exception) -> NightshiftError | None:
    """An error of ours or of a service in a Python worker, of which Spark has the text alone."""
    line = _last_line(error)
    if ours := OURS.match(line):
        kind = getattr(errors, ours["kind"], TerminalError)
        if kind is DamagedFileError:
            return reworded(line[ours.end() :])
        return (TransientError if issubclass(kind, TransientError) else TerminalError)(line[ours.end() :])
    return explain(OSError(line)) or explain_text(str(error), SPARK_DISKS)
