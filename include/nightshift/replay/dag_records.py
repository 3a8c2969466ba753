"""The records of a model's DAGs in the Airflow of this installation."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

from nightshift.errors import TerminalError
from nightshift.replay.servers import Servers
from nightshift.settings import Settings

MODULE = "nightshift_airflow.delete_dags"


def dag_records(settings: Settings, model: str) -> list[str]:
    """The model's DAGs that the Airflow of this installation knows; none if its database is not on this machine."""
    file = settings.var_path / "airflow" / "airflow.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
        dags = database.execute("select dag_id from dag order by dag_id").fetchall()
    return [dag for (dag,) in dags if dag.rpartition(".")[0] == model]


def delete_dag_records(settings: Settings, model: str) -> None:
    """Deletes the records of a model's DAGs, in a process of its own: the library does not know Airflow.

    Raises:
        TerminalError: If Airflow refuses it, such as while a task of the model runs.
    """
    command = [sys.executable, "-m", MODULE, model]
    environment = Servers(settings).environment()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = next((line for line in reversed(ended.stderr.splitlines()) if line.strip()), "no output")
        raise TerminalError(
            f"Airflow does not delete the DAGs of '{model}': {last}",
            where=str(settings.var_path / "airflow"),
            fix="wait until its runs have ended, or mark them as failed; then run this again",
        )
