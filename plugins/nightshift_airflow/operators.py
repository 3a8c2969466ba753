"""Nightshift's operators: waiting for landing files or for a person's answer, and running a Spark job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseOperator
from airflow.sdk.bases.sensor import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from nightshift_airflow.alerts import alert_run, send
from nightshift_airflow.drivers import start_driver
from nightshift_airflow.errors import explained
from nightshift_airflow.projects import open_project
from nightshift_airflow.triggers import JobTrigger, find_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nightshift.compute.job import Job, RemoteSubmission, RemoteSubmitter, Submission

# Seconds between two checks of a sensor that ends after each: a busy machine takes some to start and end a process.
SHORTEST_RESCHEDULE = 30.0
# Where Airflow keeps, for all tries of a task, the job that it has submitted elsewhere.
SUBMISSION = "nightshift_submission"


class LandedSensor(BaseSensorOperator):
    """Waits until every file a night needs has landed; gives up with one line that names the missing files.

    Args:
        model: The model's name.
        night: The score date; templated.
        alert_after: Seconds after which an alert names what is missing; None for none.
    """

    template_fields: Sequence[str] = ("night",)
    ui_color = "#e8f0fe"

    def __init__(
        self, *, model: str, night: str = "{{ partition_key }}", alert_after: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        # Between checks it leaves its slot, but not when the next one is due before the scheduler has surely seen this
        # process end: it would take that end for one of the next check's, and fail the task.
        self.mode = "reschedule" if self.poke_interval >= SHORTEST_RESCHEDULE else "poke"
        self.model, self.night, self.alert_after = model, night, alert_after

    def poke(self, context: Context) -> bool:
        """Whether every file has landed; after a while, an alert names those that have not.

        Meanwhile a driver waits for the night's jobs, too, so that it is there when the files land.
        """
        missing = self._missing()
        for uri in missing:
            self.log.info("not landed yet: %s", uri)
        since = self._first_check(context)
        waited = (datetime.now(UTC) - since).total_seconds() if since else 0.0
        if missing and since and self.alert_after is not None and waited >= self.alert_after:
            self._send_alert(context, missing, since)
        start_driver(look_again=self.poke_interval if missing else 0.0)
        return not missing

    def execute(self, context: Context) -> Any:
        """Waits, within the definition's `wait.timeout`."""
        try:
            with explained():
                return super().execute(context)
        except AirflowSensorTimeout:
            raise AirflowFailException(
                f"{', '.join(self._missing())} had not landed after waiting {_duration(int(self.timeout))}; "
                "fix: land it, then clear this task"
            ) from None

    def _first_check(self, context: Context) -> datetime | None:
        """When it checked first; None if that is now."""
        task = context["ti"]
        # Airflow records it where the sensor is a new process at each check.
        first: datetime | None = task.get_first_reschedule_date(context) if self.reschedule else task.start_date
        return first

    def _send_alert(self, context: Context, missing: list[str], since: datetime) -> None:
        from nightshift.alerts.alert import late_files_alert

        until = (since + timedelta(seconds=self.timeout)).isoformat(timespec="seconds")
        run = alert_run(context["dag_run"], self.task_id, since, self.night)
        send(late_files_alert(run, ", ".join(missing), until))

    def _missing(self) -> list[str]:
        from nightshift.definition.calendar import parse_night
        from nightshift.stages.wait import describe_missing, files_not_landed

        return list(map(describe_missing, files_not_landed(open_project(self.model), parse_night(self.night))))


class ApprovalOperator(HITLOperator):
    """Asks a person, in the Airflow UI and by an alert, and waits for the answer.

    Args:
        model: The model's name.
    """

    ui_color = "#e6f4ea"

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def execute(self, context: Context) -> Any:
        """Sends the alert, and waits."""
        from nightshift.alerts.alert import approval_alert

        run = alert_run(context["dag_run"], self.task_id, context["dag_run"].run_after, None)
        until = (datetime.now(UTC) + (self.response_timeout or timedelta())).isoformat(timespec="seconds")
        send(approval_alert(run, self.subject, until, ", ".join(self.defaults or []).lower()))
        return super().execute(context)


class SparkJobOperator(BaseOperator):
    """Runs a job of `spark_jobs/` where the settings say that Spark is.

    A job on this machine, or whose driver is on it, streams its lines to the task's log and ends with the task. A job
    elsewhere is submitted and left to a trigger, so that it takes no worker's slot; a task whose worker or triggerer
    dies finds the run that it has started. Killing the task, and clearing or marking it, kills the job.

    Args:
        job: The job's file name without ending.
        night: The score date; templated.
        arguments: The job's own command line without `--attempt`; templated.

    Returns:
        The locations of the sets it staged, in the order in which they are to be published.
    """

    template_fields: Sequence[str] = ("night", "arguments")
    ui_color = "#fdebd0"

    def __init__(self, *, job: str, arguments: list[str], night: str = "{{ partition_key }}", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job, self.night, self.arguments = job, night, arguments
        self._submission: Submission | None = None

    def execute(self, context: Context) -> list[str]:
        """Runs the job to its end, or submits it and waits outside of this process."""
        from nightshift.compute.job import RemoteSubmitter, complete, find_submitter
        from nightshift.settings import get_settings

        with explained():
            submitter = find_submitter(get_settings())
            if isinstance(submitter, RemoteSubmitter):
                return self._run_elsewhere(submitter, context)
            started = time.monotonic()
            self._submission = submitter.submit(self._job_of(self._new_attempt()))
            result = complete(self._submission, self.log.info)
            self.log.info("Spark job %s took %.1f s", self.job, time.monotonic() - started)
            return list(result.staged)

    def resume(self, context: Context, event: dict[str, Any]) -> list[str]:
        """Takes the result of a job that has ended elsewhere.

        Args:
            context: The task's.
            event: What the trigger says; see `JobTrigger`.
        """
        from nightshift.errors import TerminalError, TransientError

        with explained():
            if event["error"]:
                raise (TransientError if event["transient"] else TerminalError)(event["error"])
            return self._result(find_run(self.job, event["attempt"], event["run"]), context)

    def on_kill(self) -> None:
        """Takes the job along."""
        if self._submission is not None:
            self._submission.kill()

    def _run_elsewhere(self, submitter: RemoteSubmitter, context: Context) -> list[str]:
        store = context["task_state_store"]
        submission, attempt = self._take_up(submitter, store)
        self._submission = submission
        self.log.info("Spark job %s is run %s; logs: %s", self.job, submission.run, submission.logs)
        if not submission.poll().active:
            return self._result(submission, context)
        trigger = JobTrigger(job=self.job, attempt=attempt, run=submission.run)
        raise TaskDeferred(trigger=trigger, method_name=self.resume.__name__)

    def _take_up(self, submitter: RemoteSubmitter, store: Any) -> tuple[RemoteSubmission, str]:
        """The run that an earlier try has started, if it still runs or nobody has taken its result; else a new one.

        The attempt is stored before the job is submitted, and the run after it. A process that dies in between leaves
        an attempt without a run: it is submitted again, and the service knows it.
        """
        from nightshift.compute.job import JobState

        stored = store.get(SUBMISSION) or {}
        if stored.get("run"):
            submission = submitter.find(self._job_of(stored["attempt"]), stored["run"])
            state = submission.poll()
            if state.active or state is JobState.SUCCEEDED:
                self.log.info("an earlier try of this task has submitted the job: it is %s", state)
                return submission, stored["attempt"]
            stored = {}
        attempt = stored.get("attempt") or self._new_attempt()
        store.set(SUBMISSION, {"attempt": attempt})
        submission = submitter.submit(self._job_of(attempt))
        store.set(SUBMISSION, {"attempt": attempt, "run": submission.run})
        return submission, attempt

    def _result(self, submission: RemoteSubmission, context: Context) -> list[str]:
        staged = list(submission.result().staged)
        # Taken: if the task is cleared, the job is to run again.
        context["task_state_store"].delete(SUBMISSION)
        return staged

    def _new_attempt(self) -> str:
        from nightshift.definition.calendar import parse_night
        from nightshift.lake.staging import new_attempt

        night = parse_night(self.night)
        return new_attempt(night, night)

    def _job_of(self, attempt: str) -> Job:
        from nightshift.compute.job import Job

        return Job(self.job, (*self.arguments, "--attempt", attempt), attempt=attempt)


def _duration(seconds: int) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
