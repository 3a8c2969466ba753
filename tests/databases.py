"""Databases that are prepared once a run and copied by tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def copy_mlflow(database: Path, var: Path) -> None:
    """Puts MLflow's database where an installation has it."""
    (var / "mlflow").mkdir(parents=True)
    shutil.copy(database, var / "mlflow")


def migrate_airflow(home: Path) -> Path:
    """Airflow's database as its migrations leave it, in an Airflow home of its own."""
    database = home / "airflow.db"
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
    }
    command = [str(Path(sys.executable).parent / "airflow"), "db", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return database
