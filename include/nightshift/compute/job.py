"""A Spark job as its caller sees it: what to run, where to run it, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

from nightshift.errors import TerminalError
from nightshift.settings import Settings

# How lines of a job's log begin that say how far it is, and that its session works. They are for people and
# benchmarks; what a job staged goes through its outcome file.
PROGRESS, READY = "progress: ", "session ready"

TERMINAL, TRANSIENT = 2, 75  # exit codes of a job; 75 is sysexits' EX_TEMPFAIL

# One submitter a target, imported when it is chosen: the value of `spark.submitter` and the class.
SUBMITTERS = {"spark-submit": "nightshift.compute.spark_submit:SparkSubmit"}


@dataclass(frozen=True)
class Job:
    """A program in `spark_jobs/` with its arguments.

    Attributes:
        name: The program's file name without ending.
        arguments: What its command line takes.
        many_nights: Whether it works on many nights, so that it pays to compile its code well.
        environment: Variables it needs beside the settings.
    """

    name: str
    arguments: tuple[str, ...] = ()
    many_nights: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        staged: The locations of the sets it staged, in the order in which they are to be published.
    """

    staged: tuple[str, ...] = ()


class Submission(Protocol):
    """A job that was submitted."""

    def stream(self, write: Callable[[str], None]) -> None:
        """Passes on every line of the job's log as it comes, until the job ends."""

    def result(self) -> JobResult:
        """How the job ended.

        Raises:
            TerminalError: If it failed and would fail again; the message is the job's own.
            TransientError: If it may succeed when it is tried again.
        """

    def kill(self) -> None:
        """Ends the job with everything it started."""


class Submitter(Protocol):
    """A place where jobs run."""

    def submit(self, job: Job) -> Submission:
        """Starts a job."""


def submit(settings: Settings, job: Job) -> Submission:
    """Starts a job where the settings say that Spark is.

    Raises:
        TerminalError: If the settings name no submitter.
    """
    target = settings.spark.submitter
    if target not in SUBMITTERS:
        where, fix = "environment variable NIGHTSHIFT_SPARK__SUBMITTER", "change it or unset it"
        raise TerminalError("unknown submitter", where=where, received=target, allowed=SUBMITTERS, fix=fix)
    module, _, name = SUBMITTERS[target].partition(":")
    submitter: Submitter = getattr(import_module(module), name)(settings)
    return submitter.submit(job)


def complete(submission: Submission, write: Callable[[str], None]) -> JobResult:
    """Waits for a job; it never outlives the call.

    Args:
        submission: The job.
        write: Takes each line of its log, as it comes.

    Raises:
        TerminalError: If it failed and would fail again.
        TransientError: If it may succeed when it is tried again.
    """
    try:
        submission.stream(write)
        return submission.result()
    except BaseException:
        submission.kill()
        raise


def run_job(settings: Settings, job: Job, write: Callable[[str], None]) -> JobResult:
    """Submits a job and waits for its end; see `complete`."""
    return complete(submit(settings, job), write)
