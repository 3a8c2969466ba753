"""Alerts that a task sends about its own run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    run = alert_run(context, context["dag_run"].run_after, night=context["dag_run"].partition_key)
    send(warning_alert(run, "; ".join(warnings), challenger=challenger))


def alert_run(context: Mapping[str, Any], since: datetime, *, night: str | None) -> AlertRun:
    """The run of a task's context, as alerts name it.

    Args:
        context: The task's context.
        since: When the run was due, or began to wait.
        night: Its score date, if it has one.
    """
    from nightshift.alerts.alert import AlertRun
    from nightshift.settings import get_settings

    return AlertRun(
        dag_id=context["dag_run"].dag_id,
        run_id=context["dag_run"].run_id,
        task=context["task_instance"].task_id,
        night=night,
        since=since.isoformat(timespec="seconds"),
        airflow_url=get_settings().airflow_url,
    )


def send(alert: Alert) -> None:
    """Delivers an alert to every channel of this installation."""
    from nightshift.alerts.deliver import deliver
    from nightshift.settings import get_settings

    deliver(alert, get_settings())
