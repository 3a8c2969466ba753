"""Databases that are prepared once a run and copied by tests."""

from __future__ import annotations

import shutil
from pathlib import Path


def copy_mlflow(database: Path, var: Path) -> None:
    """Puts MLflow's database where an installation has it."""
    (var / "mlflow").mkdir(parents=True)
    shutil.copy(database, var / "mlflow")
