"""What an on-call engineer is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import quote

RUNBOOK = {
    "score": "docs/runbook.md#a-night-was-not-scored",
    "monitor": "docs/runbook.md#a-night-was-not-monitored",
    "train": "docs/runbook.md#a-training-failed",
    "maintenance": "docs/runbook.md#maintenance-failed",
}
MEANWHILE = {
    "score": "the last published night; no row of {night} unless it was scored before",
    "monitor": "all scores as usual; drift and accuracy of {night} are unknown",
    "train": "all scores as usual, made by the present champion",
    "maintenance": "everything as usual",
}
NEXT = {
    "score": "mend the cause, then clear this run: it reads the landed files again",
    "monitor": "mend the cause, then clear this run",
    "train": "mend the cause, then clear this run",
    "maintenance": "mend the cause, then clear this run; a missed maintenance harms nothing",
}


@dataclass(frozen=True)
class Alert:
    """One incident: a failed DAG run, a night with a warning or whose files are late, a version that waits for a word.

    Attributes:
        incident: Names the incident; the same incident is told once.
        what: What broke, as one line.
        model: The model.
        night: The score date, if the run has one.
        since: When it broke, ISO 8601.
        meanwhile: What analysts see until it is mended.
        log: The address of the failed task's log.
        runbook: The runbook's section.
        next_step: What to do.
    """

    incident: str
    what: str
    model: str
    night: str | None
    since: str
    meanwhile: str
    log: str
    runbook: str
    next_step: str

    def to_json(self) -> dict[str, str | None]:
        return asdict(self)

    def text(self) -> str:
        """The alert as a person reads it."""
        return (
            f"{self.model}: {self.what}\n"
            f"night:       {self.night or 'none'}\n"
            f"since:       {self.since}\n"
            f"analysts see {self.meanwhile}\n"
            f"log:         {self.log}\n"
            f"runbook:     {self.runbook}\n"
            f"next step:   {self.next_step}\n"
        )


def quality_alert(
    *,
    dag_id: str,
    run_id: str,
    night: str,
    since: str,
    task: str,
    warning: str,
    airflow_url: str,
    challenger: bool = False,
) -> Alert:
    """The alert for a night that was published although checks found something.

    Args:
        dag_id: `<model>.<verb>`.
        run_id: The run.
        night: Its score date.
        since: When the run was due, ISO 8601.
        task: The task that checked.
        warning: What it found, as one line.
        airflow_url: Where the Airflow UI is.
        challenger: Whether it is about nothing but what a challenger gave.
    """
    model, _, _ = dag_id.rpartition(".")
    rows = (
        "the night as usual, without rows that were set aside if there are any",
        "docs/runbook.md#a-night-was-published-with-a-warning",
        f"see `nightshift quarantine list {model}`; mend the data or the rule",
    )
    beside = (
        "the night as usual: nobody sees what a challenger gives",
        "docs/runbook.md#a-challenger-failed",
        f"see `nightshift versions {model}`; mend the cause, or `nightshift retire {model}`",
    )
    meanwhile, runbook, next_step = beside if challenger else rows
    return Alert(
        incident=f"{dag_id}/{run_id}/{task}",
        what=f"{dag_id} goes on with a warning: {warning}",
        model=model,
        night=night,
        since=since,
        meanwhile=meanwhile,
        log=_log(airflow_url, dag_id, run_id, task),
        runbook=runbook,
        next_step=next_step,
    )


def late_alert(
    *, dag_id: str, run_id: str, night: str, since: str, task: str, missing: str, until: str, airflow_url: str
) -> Alert:
    """The alert for a night whose files are late.

    Args:
        dag_id: `<model>.<verb>`.
        run_id: The run.
        night: Its score date.
        since: Since when it waits, ISO 8601.
        task: The task that waits.
        missing: The files, as one line.
        until: When it gives up, ISO 8601.
        airflow_url: Where the Airflow UI is.
    """
    model, _, verb = dag_id.rpartition(".")
    return Alert(
        incident=f"{dag_id}/{run_id}/{task}",
        what=f"{dag_id} waits for {missing}",
        model=model,
        night=night,
        since=since,
        meanwhile=MEANWHILE[verb].format(night=night),
        log=_log(airflow_url, dag_id, run_id, task),
        runbook="docs/runbook.md#a-nights-files-are-late",
        next_step=f"ask for the files; the night goes on by itself when they are there, and gives up at {until}",
    )


def approval_alert(
    *, dag_id: str, run_id: str, since: str, task: str, subject: str, until: str, default: str, airflow_url: str
) -> Alert:
    """The alert for a version that waits for a person's word.

    Args:
        dag_id: `<model>.train`.
        run_id: The run.
        since: When the run was due, ISO 8601.
        task: The task that waits.
        subject: What is asked.
        until: When it waits no longer, ISO 8601.
        default: What counts as the answer then.
        airflow_url: Where the Airflow UI is.
    """
    model, _, verb = dag_id.rpartition(".")
    return Alert(
        incident=f"{dag_id}/{run_id}/{task}",
        what=subject,
        model=model,
        night=None,
        since=since,
        meanwhile=MEANWHILE[verb],
        log=_log(airflow_url, dag_id, run_id, task),
        runbook="docs/runbook.md#a-version-waits-for-approval",
        next_step=f"read the report, then answer in the task's tab *Required Action*; without an answer by {until} "
        f"it is: {default}",
    )


def failed_run_alert(
    *, dag_id: str, run_id: str, night: str | None, since: str, task: str, error: str, airflow_url: str
) -> Alert:
    """The alert for a failed DAG run.

    Args:
        dag_id: `<model>.<verb>`.
        run_id: The run.
        night: Its score date, if it has one.
        since: When it failed, ISO 8601.
        task: The task that failed first.
        error: Its error, as one line.
        airflow_url: Where the Airflow UI is.
    """
    model, _, verb = dag_id.rpartition(".")
    return Alert(
        incident=f"{dag_id}/{run_id}/{since}",
        what=f"{dag_id} failed at {task}: {error}",
        model=model,
        night=night,
        since=since,
        meanwhile=MEANWHILE.get(verb, "everything as usual").format(night=night or "this run's date"),
        log=_log(airflow_url, dag_id, run_id, task),
        runbook=RUNBOOK.get(verb, "docs/runbook.md"),
        next_step=NEXT.get(verb, "look at the log"),
    )


def _log(airflow_url: str, dag_id: str, run_id: str, task: str) -> str:
    return f"{airflow_url}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task}"
