"""Alerts that a task sends about its own run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

if TYPE_CHECKING:
    from nightshift.alerts.alert import Alert, AlertRun


def send_warning(warnings: Sequence[str], *, challenger: bool = False) -> None:
    """Alerts on-call engineers to warnings that do not stop the night; without a warning there is no alert.

    Args:
        warnings: What was observed, a sentence each.
        challenger: Whether they are about a challenger's scores only.
    """
    if not warnings:
        return
    from nightshift.alerts.alert import warning_alert

    context = get_current_context()
    run, task = context["dag_run"], context["task_instance"].task_id
    send(
        warning_alert(
            alert_run(run, task, run.run_after, run.partition_key), "; ".join(warnings), challenger=challenger
        )
    )


def alert_run(run: Any, task: str, since: datetime, night: str | None) -> AlertRun:
    """A run of a DAG as alerts name it.

    Args:
        run: Airflow's run.
        task: The task that sends the alert.
        since: When the run was due, or began to wait.
        night: Its score date, if it has one.
    """
    from nightshift.alerts.alert import AlertRun
    from nightshift.settings import get_settings

    return AlertRun(
        dag_id=run.dag_id,
        run_id=run.run_id,
        task=task,
        night=night,
        since=since.isoformat(timespec="seconds"),
        airflow_url=get_settings().airflow_url,
    )


def send(alert: Alert) -> None:
    """Delivers an alert to every channel of this installation."""
    from nightshift.alerts.deliver import deliver
    from nightshift.settings import get_settings

    deliver(alert, get_settings())
