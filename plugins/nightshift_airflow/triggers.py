"""Waits in Airflow's triggerer for a job that runs elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from nightshift.compute.job import RemoteSubmission


class JobTrigger(BaseTrigger):
    """Fires when a job that runs elsewhere has ended.

    Its event has the fields `job`, `attempt` and `run`, and `error` and `transient` if the job is given up: the reason,
    or an empty text, and whether another try may help.

    Args:
        job: The job's name.
        attempt: The job's attempt.
        run: Identifies the run where it runs.
    """

    def __init__(self, job: str, attempt: str, run: str) -> None:
        super().__init__()
        self.job, self.attempt, self.run_id = job, attempt, run

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Its class and arguments, for another process."""
        return f"{JobTrigger.__module__}.{JobTrigger.__qualname__}", self._identity()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks at the job, in threads, until it has ended."""
        from nightshift.errors import NightshiftError, TransientError

        error, transient = "", False
        try:
            await self._wait()
        except NightshiftError as reason:
            error, transient = str(reason), isinstance(reason, TransientError)
        yield TriggerEvent({**self._identity(), "error": error, "transient": transient})

    async def on_kill(self) -> None:
        """Kills the job: somebody has cleared or marked the task. Airflow does not call it when a triggerer ends."""
        await asyncio.to_thread(lambda: find_run(self.job, self.attempt, self.run_id).kill())

    async def _wait(self) -> None:
        submission = await asyncio.to_thread(find_run, self.job, self.attempt, self.run_id)
        for pause in submission.pauses():
            if not (await asyncio.to_thread(submission.poll)).active:
                return
            await asyncio.sleep(pause)

    def _identity(self) -> dict[str, Any]:
        return {"job": self.job, "attempt": self.attempt, "run": self.run_id}


def find_run(job: str, attempt: str, run: str) -> RemoteSubmission:
    """A job that was submitted elsewhere, by this or another process.

    Raises:
        TerminalError: If the settings do not name a place of that kind.
    """
    from nightshift.compute.job import Job, RemoteSubmitter, find_submitter
    from nightshift.errors import TerminalError
    from nightshift.settings import get_settings

    settings = get_settings()
    submitter = find_submitter(settings)
    if not isinstance(submitter, RemoteSubmitter):
        raise TerminalError(
            f"job {job} runs elsewhere as {run}, and the master has been changed since",
            where="environment variable NIGHTSHIFT_SPARK__MASTER",
            received=settings.spark.master,
            fix="set it alike for workers and triggerers, and clear the task",
        )
    return submitter.find(Job(job, attempt=attempt), run)
