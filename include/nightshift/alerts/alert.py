"""Alerts as an on-call engineer reads them, one a kind of incident."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from nightshift.alerts.kinds import FAILED_RUNS, TEXTS, AlertKind


@dataclass(frozen=True)
class AlertRun:
    """The run that an alert is about.

    Attributes:
        dag_id: `<model>.<verb>`.
        run_id: Its identifier.
        task: The task that failed, warned or waits.
        night: Its score date, if it has one.
        since: When it failed, was due or began to wait, ISO 8601.
        airflow_url: The address of the Airflow UI.
    """

    dag_id: str
    run_id: str
    task: str
    night: str | None
    since: str
    airflow_url: str

    @property
    def model(self) -> str:
        return self.dag_id.rpartition(".")[0]

    @property
    def verb(self) -> str:
        return self.dag_id.rpartition(".")[2]

    @property
    def log(self) -> str:
        """The address of the task's log."""
        return f"{self.airflow_url}/dags/{self.dag_id}/runs/{quote(self.run_id, safe='')}/tasks/{self.task}"


@dataclass(frozen=True)
class Alert:
    """One incident: a failed run, a night with a warning or with late files, a version that waits for approval.

    Attributes:
        kind: Its kind.
        incident: Identifies the incident; the same incident is delivered once.
        summary: What happened, as one line.
        model: The model.
        night: The score date, if the run has one.
        since: Since when, ISO 8601.
        meanwhile: What analysts see until the cause is fixed.
        log: The address of the task's log.
        next_step: What to do.
    """

    kind: AlertKind
    incident: str
    summary: str
    model: str
    night: str | None
    since: str
    meanwhile: str
    log: str
    next_step: str

    def to_json(self) -> dict[str, str | None]:
        """As plain JSON values."""
        return {
            "kind": str(self.kind),
            "incident": self.incident,
            "what": self.summary,
            "model": self.model,
            "night": self.night,
            "since": self.since,
            "meanwhile": self.meanwhile,
            "log": self.log,
            "runbook": self.kind.runbook,
            "next_step": self.next_step,
        }

    def text(self) -> str:
        """The alert for people."""
        return (
            f"{self.model}: {self.summary}\n"
            f"night:       {self.night or 'none'}\n"
            f"since:       {self.since}\n"
            f"analysts see {self.meanwhile}\n"
            f"log:         {self.log}\n"
            f"runbook:     {self.kind.runbook}\n"
            f"next step:   {self.next_step}\n"
        )


def failed_run_alert(run: AlertRun, error: str) -> Alert:
    """The alert for a failed run, at the task that failed first with an error of one line."""
    kind = FAILED_RUNS.get(run.verb, AlertKind.RUN_FAILED)
    return _alert(kind, run, f"{run.dag_id} failed at {run.task}: {error}", f"{run.dag_id}/{run.run_id}/{run.since}")


def warning_alert(run: AlertRun, warning: str, *, challenger: bool = False) -> Alert:
    """The alert for a night that was published although an audit warned.

    Args:
        run: The run, at the task that warned.
        warning: The warning, as one line.
        challenger: Whether the warning concerns only the scores of a challenger.
    """
    kind = AlertKind.CHALLENGER_FAILED if challenger else AlertKind.NIGHT_WARNING
    return _alert(kind, run, f"{run.dag_id} continues with a warning: {warning}")


def late_files_alert(run: AlertRun, missing: str, until: str) -> Alert:
    """The alert for a night whose files are late.

    Args:
        run: The run, at the task that waits.
        missing: The files, as one line.
        until: When it gives up, ISO 8601.
    """
    return _alert(AlertKind.NIGHT_FILES_LATE, run, f"{run.dag_id} waits for {missing}", until=until)


def approval_alert(run: AlertRun, subject: str, until: str, default: str) -> Alert:
    """The alert for a version that waits for approval.

    Args:
        run: The run, at the task that waits.
        subject: The question.
        until: When it stops waiting, ISO 8601.
        default: The answer that counts then.
    """
    return _alert(AlertKind.APPROVAL_PENDING, run, subject, until=until, default=default)


def _alert(kind: AlertKind, run: AlertRun, summary: str, incident: str = "", **facts: str) -> Alert:
    texts = TEXTS[kind]
    return Alert(
        kind=kind,
        incident=incident or f"{run.dag_id}/{run.run_id}/{run.task}",
        summary=summary,
        model=run.model,
        night=run.night,
        since=run.since,
        meanwhile=texts.meanwhile.format(night=run.night or "this run's date"),
        log=run.log,
        next_step=texts.next_step.format(model=run.model, **facts),
    )
