"""One alert a failed run, with no code in any DAG.

A task that fails notes its error in its own process. The scheduler sends the alert when it fails the run, which it
does even if the task's process was killed and could note nothing.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from airflow.listeners import hookimpl
from sqlalchemy.orm import object_session

from nightshift.alerts.failures import read_failures, record_failure, remove_failures
from nightshift.settings import get_settings

log = logging.getLogger(__name__)


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: BaseException | str | None) -> None:
    """Records why a task failed; runs in the task's own process."""
    del previous_state
    lines = str(error or "").strip().splitlines()
    kind = "" if isinstance(error, str) or error is None else type(error).__name__
    record_failure(
        get_settings(), task_instance.dag_id, task_instance.run_id, task_instance.task_id, lines[0] if lines else kind
    )


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """Removes the records of failed attempts of a run that succeeded in the end."""
    del msg
    remove_failures(get_settings(), dag_run.dag_id, dag_run.run_id)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Sends the alert; runs in the scheduler.

    Only plain attributes and the run's own session are touched here: opening another session on this thread
    would detach the run and stop the scheduler. Delivery happens on a thread of its own.
    """
    del msg
    failed = [ti for ti in dag_run.get_task_instances(session=object_session(dag_run)) if ti.state == "failed"]
    failed.sort(key=lambda ti: str(ti.end_date))
    facts = {
        "dag_id": dag_run.dag_id,
        "run_id": dag_run.run_id,
        "night": dag_run.partition_key or (dag_run.conf or {}).get("as_of"),
        "since": (dag_run.end_date or dag_run.run_after).isoformat(timespec="seconds"),
        "task": failed[0].task_id if failed else "its schedule",
    }
    threading.Thread(target=_send_alert, args=(facts,), name="nightshift-alert").start()


def _send_alert(facts: dict[str, str]) -> None:
    from nightshift.alerts.alert import AlertRun, failed_run_alert
    from nightshift.alerts.deliver import deliver

    settings = get_settings()
    try:
        errors = read_failures(settings, facts["dag_id"], facts["run_id"])
        error = errors.get(facts["task"]) or "its process was killed or lost without an error message"
        deliver(failed_run_alert(AlertRun(**facts, airflow_url=settings.airflow_url), error), settings)
        remove_failures(settings, facts["dag_id"], facts["run_id"])
    except Exception:
        log.exception("the alert for %s %s could not be sent", facts["dag_id"], facts["run_id"])
