"""The records of a model's DAGs in the Airflow of this installation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

from nightshift.errors import TerminalError
from nightshift.replay.servers import Servers, airflow_database
from nightshift.settings import Settings

MODULE = "nightshift_airflow.delete_dags"


def dag_records(settings: Settings, model: str) -> list[str]:
    """The model's DAGs that the Airflow of this installation knows; none if it has no database yet."""
    url = make_url(airflow_database(settings))
    if url.drivername.startswith("sqlite") and not Path(url.database or "").exists():
        return []
    with create_engine(url, poolclass=NullPool).connect() as database:
        dags = database.execute(text("select dag_id from dag order by dag_id")).scalars()
        return [dag for dag in dags if dag.rpartition(".")[0] == model]


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
