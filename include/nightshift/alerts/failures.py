"""Errors of failed tasks: a task records its error, from which the scheduler makes the alert for the run."""

from __future__ import annotations

import hashlib
import json

from nightshift.json_documents import readable_objects
from nightshift.redaction import redacted
from nightshift.settings import Settings
from nightshift.state import open_state

FIELDS = {"task": str, "error": str}


def record_failure(settings: Settings, dag_id: str, run_id: str, task_id: str, error: str) -> None:
    """Records the error of a task, without what is secret; a later attempt replaces it."""
    record = json.dumps({"task": task_id, "error": redacted(error, settings.secrets)})
    open_state(settings).write(f"{_folder(dag_id, run_id)}/{_name(task_id)}.json", record.encode())


def read_failures(settings: Settings, dag_id: str, run_id: str) -> dict[str, str]:
    """The recorded errors of a run, by task. Records that are damaged are left out, with a warning."""
    state = open_state(settings)
    names = state.names(_folder(dag_id, run_id))
    records = ((name, content) for name in names if (content := state.read(name)) is not None)
    fix = "read the task's log"
    return {record["task"]: record["error"] for _, record in readable_objects(records, FIELDS, fix)}


def remove_failures(settings: Settings, dag_id: str, run_id: str) -> None:
    """Removes the records of a run."""
    state = open_state(settings)
    for name in state.names(_folder(dag_id, run_id)):
        state.remove(name)


def _folder(dag_id: str, run_id: str) -> str:
    return f"failures/{_name(f'{dag_id}/{run_id}')}"


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
