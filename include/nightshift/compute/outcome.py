"""The outcome file: how a job tells its submitter what it staged or why it failed.

The file is in the attempt's staging folder, so that it reaches a submitter that sees nothing of the driver, as on a
cluster, where the standard output of a job is not to be had.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass

from nightshift.compute.job import TRANSIENT, JobResult
from nightshift.errors import TerminalError, TransientError
from nightshift.json_documents import parse_as
from nightshift.lake.files import read_bytes, write_bytes
from nightshift.lake.staging import JOBS, staging_folder
from nightshift.settings import Settings

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class JobOutcome:
    """What a job left.

    Attributes:
        staged: The locations of the sets it staged, in the order in which they are to be published.
        error: Why it failed, as one line; empty if it did not.
        transient: Whether it may succeed when it is tried again.
    """

    staged: tuple[str, ...] = ()
    error: str = ""
    transient: bool = False

    def raise_error(self) -> None:
        """Raises the job's error, if it failed.

        Raises:
            TerminalError: If it failed and would fail again.
            TransientError: If it may succeed when it is tried again.
        """
        if self.error:
            raise (TransientError if self.transient else TerminalError)(self.error)


def outcome_uri(settings: Settings, job: str, attempt: str) -> str:
    """The outcome file of an attempt at a job."""
    return f"{staging_folder(settings.warehouse_uri, JOBS, f'{job}-{attempt}')}/{OUTCOME}"


def new_outcome_uri(settings: Settings, job: str) -> str:
    """An outcome file that no other attempt writes."""
    return outcome_uri(settings, job, uuid.uuid4().hex[:12])


def write_outcome(uri: str, outcome: JobOutcome) -> None:
    """Writes the outcome of a job, its last act."""
    write_bytes(uri, json.dumps(asdict(outcome)).encode())


def read_outcome(uri: str) -> JobOutcome | None:
    """The outcome of a job; None if it ended before it could write one.

    Raises:
        TerminalError: If the file is damaged.
    """
    try:
        content = read_bytes(uri)
    except FileNotFoundError:
        return None
    fields, fix = {"staged": list, "error": str, "transient": bool}, "run the task again: each attempt has its own file"
    return parse_as(content, uri, JobOutcome, fields, fix)


def job_result(job: str, outcome: JobOutcome | None, code: int | None, last_line: str) -> JobResult:
    """How a job ended whose driver runs on this machine.

    Args:
        job: Its name.
        outcome: What it left, if anything.
        code: The exit code of its program, negative if a signal has ended it; None if its driver is gone.
        last_line: The last line of its log that is not blank; empty if there is none.

    Raises:
        TerminalError: If it failed and would fail again.
        TransientError: If it may succeed when it is tried again.
    """
    if outcome is not None:
        outcome.raise_error()
        if code == 0:
            return JobResult(outcome.staged)
    end = "with its driver" if code is None else f"with exit code {code}"
    killed = code is None or code < 0
    error = TransientError if killed or code == TRANSIENT else TerminalError
    raise error(f"Spark job {job} ended {end}: {last_line or 'it printed nothing'}")
