"""Installations that are prepared once in a process, and put back as they were for each test that starts from them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Hashable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


class PreparedInstallation:
    """A folder `var` that the tests of a process use in turn.

    Tables and MLflow's runs name their files by absolute paths, so a state can only be put back where it was prepared.
    MLflow's database is written to, never exchanged: MLflow's connections to it stay open, and its client is ready.

    Args:
        folder: Where the folder `var` and the prepared states are.
        empty_mlflow: MLflow's database as its migrations leave it.
    """

    def __init__(self, folder: Path, empty_mlflow: Path) -> None:
        self.var, self._states, self.empty_mlflow = folder / "var", folder / "states", empty_mlflow
        self._results: dict[Hashable, tuple[Path, Any]] = {}

    def clear(self) -> None:
        """Leaves nothing but MLflow's empty database."""
        self._put_back(None)

    def start(self, state: Hashable, prepare: Callable[[], Result]) -> Result:
        """Puts the installation into a state, which is prepared in the cleared installation when it is first used.

        Args:
            state: Identifies the state.
            prepare: Prepares it.

        Returns:
            The result of preparing it.
        """
        if state in self._results:
            folder, result = self._results[state]
            self._put_back(folder)
            return result
        result = prepare()
        folder = self._states / str(len(self._results))
        shutil.copytree(self.var, folder, ignore=shutil.ignore_patterns("*.db", "*.db-*"))
        for database in self.var.rglob("*.db"):
            copy_database(database, folder / database.relative_to(self.var))
        self._results[state] = folder, result
        return result

    def _put_back(self, state: Path | None) -> None:
        mlflow = self.var / "mlflow" / "mlflow.db"
        mlflow.parent.mkdir(parents=True, exist_ok=True)
        for path in (*self.var.iterdir(), *mlflow.parent.iterdir()):
            if path.is_dir() and path != mlflow.parent:
                shutil.rmtree(path)
            elif path.is_file() and not path.name.startswith(mlflow.name):
                path.unlink()
        if state:
            shutil.copytree(state, self.var, dirs_exist_ok=True, ignore=shutil.ignore_patterns(mlflow.name))
        copy_database(state / "mlflow" / mlflow.name if state else self.empty_mlflow, mlflow)


def copy_database(source: Path, target: Path) -> None:
    """Copies a SQLite database as its transactions left it, also over one that is in use."""
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(target)) as copy:
        database.backup(copy)
