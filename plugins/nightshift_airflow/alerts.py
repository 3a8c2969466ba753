"""Alerts of what does not stop a run, with the facts of the task that sends them."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import get_current_context


def send_warning(warnings: Sequence[str], *, challenger: bool = False) -> None:
    """Alerts on-call engineers to warnings that do not stop the night; none, no alert.

    Args:
        warnings: What was observed, a sentence each.
        challenger: Whether they are about a challenger's scores only.
    """
    if not warnings:
        return
    from nightshift.alerts.alert import AlertRun, warning_alert
    from nightshift.alerts.deliver import deliver
    from nightshift.settings import get_settings

    context, settings = get_current_context(), get_settings()
    run = context["dag_run"]
    alert_run = AlertRun(
        dag_id=run.dag_id,
        run_id=run.run_id,
        task=context["task_instance"].task_id,
        night=str(run.partition_key),
        since=run.run_after.isoformat(timespec="seconds"),
        airflow_url=settings.airflow_url,
    )
    deliver(warning_alert(alert_run, "; ".join(warnings), challenger=challenger), settings)
