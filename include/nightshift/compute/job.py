"""A Spark job as its caller sees it: what to run, where to run it, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Protocol, runtime_checkable

from nightshift.errors import TerminalError
from nightshift.settings import Settings

# How lines of a job's log begin that say how far it is, and that its session works. They are for people and
# benchmarks; what a job staged goes through its outcome file.
PROGRESS, READY = "progress: ", "session ready"

TERMINAL, TRANSIENT = 2, 75  # exit codes of a job; 75 is sysexits' EX_TEMPFAIL

# The submitter of each kind of master, by the scheme of its address; its module is imported when a job is submitted.
SPARK_SUBMIT = "nightshift.compute.spark_submit:SparkSubmit"
SUBMITTERS = {
    "local": SPARK_SUBMIT,
    "spark": SPARK_SUBMIT,
    "yarn": SPARK_SUBMIT,
    "k8s": SPARK_SUBMIT,
    "emr-serverless": "nightshift.compute.emr_serverless:EmrServerless",
}
LOCAL = re.compile(r"local(\[(\*|[1-9]\d*)(,\d+)?\])?")
MASTERS = "local[*], spark://host:7077, yarn, k8s://https://host, emr-serverless://application-id"


@dataclass(frozen=True)
class Job:
    """A program in `spark_jobs/` with its arguments.

    Attributes:
        name: The program's file name without ending.
        arguments: What its command line takes.
        many_nights: Whether it works on many nights, so that it pays to compile its code well.
        environment: Variables it needs beside the settings.
        attempt: Names this try of the job in every process: where jobs run elsewhere, the same attempt is never started
            twice. Empty if the job ends with the process that submits it.
    """

    name: str
    arguments: tuple[str, ...] = ()
    many_nights: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    attempt: str = ""


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


class RemoteSubmission(Submission, Protocol):
    """A job that runs without the process that submitted it.

    Attributes:
        run: Identifies it, so that another process can find it.
        logs: Where its logs are, as people reach them.
    """

    @property
    def run(self) -> str: ...

    @property
    def logs(self) -> str: ...

    def poll(self) -> JobState:
        """How far it is; a job that does not start in time is cancelled.

        Raises:
            TransientError: If the service does not say, or the job did not start in time.
            TerminalError: If the service refuses to say.
        """

    def pauses(self) -> Iterator[float]:
        """Seconds to wait between two looks at it, without end."""


class Submitter(Protocol):
    """A place where jobs run."""

    def submit(self, job: Job) -> Submission:
        """Starts a job."""


@runtime_checkable
class SharingSubmitter(Submitter, Protocol):
    """A place where the jobs of a night may share a driver."""

    def start_driver(self) -> Callable[[], None]:
        """Starts a driver that waits for jobs, if they share one and it is not there.

        Returns:
            What ends it, if this call has started it.
        """


@runtime_checkable
class RemoteSubmitter(Protocol):
    """A place where jobs run on without the process that submitted them."""

    def submit(self, job: Job) -> RemoteSubmission:
        """Starts a job, or returns the run that its attempt started already."""

    def find(self, job: Job, run: str) -> RemoteSubmission:
        """A job that was submitted by this or another process."""


class JobState(StrEnum):
    """How far a job is that runs elsewhere."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self in {JobState.WAITING, JobState.RUNNING}


def find_submitter(settings: Settings) -> Submitter:
    """The submitter of the master that the settings name.

    Raises:
        TerminalError: If there is none.
    """
    master = settings.spark.master
    scheme = master.partition("://")[0].partition("[")[0]
    if scheme not in SUBMITTERS or (scheme == "local" and not LOCAL.fullmatch(master)):
        where = "environment variable NIGHTSHIFT_SPARK__MASTER"
        raise TerminalError(
            "no such kind of master", where=where, received=master, allowed=MASTERS, fix="change it or unset it"
        )
    module, _, name = SUBMITTERS[scheme].partition(":")
    submitter: Submitter = getattr(import_module(module), name)(settings)
    return submitter


def start_driver(settings: Settings, look_again: float = 0.0) -> Callable[[], None]:
    """Starts a driver for the jobs of nights, where they share one; it ends by itself when no job comes.

    Args:
        settings: The installation.
        look_again: In how many seconds a job may come at the earliest; no driver is started that would end by then.

    Returns:
        What ends it at once, if this call has started it.
    """
    if look_again >= settings.spark.driver_waits:
        return lambda: None
    submitter = find_submitter(settings)
    return submitter.start_driver() if isinstance(submitter, SharingSubmitter) else lambda: None


@contextmanager
def shared_driver(settings: Settings) -> Iterator[None]:
    """A driver for the jobs of nights, where they share one; it ends with the block that has started it."""
    end = start_driver(settings)
    try:
        yield
    finally:
        end()


def submit(settings: Settings, job: Job) -> Submission:
    """Starts a job where the settings say that Spark is.

    Raises:
        TerminalError: If the settings name no such place.
    """
    return find_submitter(settings).submit(job)


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
