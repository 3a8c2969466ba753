"""Errors of failed tasks: a task records its error in a file, from which the scheduler makes the alert for the run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from nightshift.settings import Settings


def record_failure(settings: Settings, dag_id: str, run_id: str, task_id: str, error: str) -> None:
    """Records the error of a task; a later attempt replaces it."""
    folder = _folder(settings, dag_id, run_id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_name(task_id)}.json").write_text(json.dumps({"task": task_id, "error": error}))


def read_failures(settings: Settings, dag_id: str, run_id: str) -> dict[str, str]:
    """The recorded errors of a run, by task."""
    records = [json.loads(file.read_text()) for file in sorted(_folder(settings, dag_id, run_id).glob("*.json"))]
    return {record["task"]: record["error"] for record in records}


def remove_failures(settings: Settings, dag_id: str, run_id: str) -> None:
    """Removes the records of a run."""
    shutil.rmtree(_folder(settings, dag_id, run_id), ignore_errors=True)


def _folder(settings: Settings, dag_id: str, run_id: str) -> Path:
    return settings.var_path / "failures" / _name(f"{dag_id}/{run_id}")


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
