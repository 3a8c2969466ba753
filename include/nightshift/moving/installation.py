"""Moves an installation to other places: from one machine to PostgreSQL and an object store, or back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from nightshift.alerts.deliver import FOLDER as ALERTS
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.moving.files import Places, copy_folder, copy_warehouse
from nightshift.moving.mlflow_store import copy_store
from nightshift.moving.tables import TableComparison, compare_tables, plan_tables, register_tables
from nightshift.project import Progress
from nightshift.registry.client import Client
from nightshift.registry.store import Registry
from nightshift.settings import Settings
from nightshift.state import open_state

PREFIX = "NIGHTSHIFT_"
DATABASES = ("sqlite", "postgresql", "mysql")  # of MLflow, whose rows can be copied


@dataclass(frozen=True)
class Move:
    """What was moved.

    Attributes:
        files: The number of files by what they are.
        tables: Every table in both installations.
        versions: The number of versions whose packages were read in the new place and have their digests.
    """

    files: dict[str, int]
    tables: tuple[TableComparison, ...]
    versions: int

    @property
    def is_equal(self) -> bool:
        """Whether all tables are the same in both installations."""
        return all(table.is_equal for table in self.tables)


def read_settings(file: Path) -> Settings:
    """The settings of another installation, by the `NIGHTSHIFT_…` variables of a file alone.

    Args:
        file: Lines of `NAME=value`. AWS's own variables and credentials are those of this environment.

    Raises:
        TerminalError: If the file has other variables.
    """
    values = {name: value for name, value in dotenv_values(file).items() if value is not None}
    if others := [name for name in values if not name.startswith(PREFIX)]:
        fix = "leave them out, and set those of AWS in this environment"
        raise TerminalError("a variable is not Nightshift's", where=str(file), received=others[0], fix=fix)
    with _environment(values):
        return Settings()


def move(old: Settings, new: Settings, models: list[str], progress: Progress) -> Move:
    """Copies an installation to new places, where nothing is yet; the old one stays as it is.

    Airflow's own records are not moved: what was decided, when and why is in the tables. Run again after an
    interruption, it goes on.

    Args:
        old: The installation, in which nothing runs meanwhile.
        new: Where it is to be.
        models: The models whose versions are read and compared in the new place.
        progress: Receives what is being copied.

    Raises:
        TerminalError: If one of the places cannot be moved to.
    """
    for settings in (old, new):
        if not settings.tracking_uri.startswith(DATABASES):
            fix = "name MLflow's database in NIGHTSHIFT_MLFLOW_URI for the move, and its server's address afterwards"
            allowed = "a database of MLflow"
            raise TerminalError("MLflow's rows cannot be copied", where=settings.tracking_uri, allowed=allowed, fix=fix)
    places = Places.of(
        (old.warehouse_uri, new.warehouse_uri),
        (old.artifact_root, new.artifact_root),
        (old.quality_docs_uri, new.quality_docs_uri),
        (old.landing_uri, new.landing_uri),
    )
    old_lake, new_lake = Lake(old), Lake(new)
    plan = plan_tables(old_lake, new_lake, places)
    Client(new.tracking_uri)  # makes its tables
    counts = {
        "landed": copy_folder(old.landing_uri, new.landing_uri, progress),
        "artifacts": copy_folder(old.artifact_root, new.artifact_root, progress),
        "quality pages": copy_folder(old.quality_docs_uri, new.quality_docs_uri, progress),
        "tables": copy_warehouse(old.warehouse_uri, new.warehouse_uri, places, progress),
        "alerts": _copy_alerts(old, new),
    }
    copy_store(old.tracking_uri, new.tracking_uri, places, progress)
    register_tables(new_lake, plan)
    progress("comparing both installations")
    return Move(counts, tuple(compare_tables(old_lake, new_lake, plan)), _read_versions(new, models))


def _copy_alerts(old: Settings, new: Settings) -> int:
    source, target = open_state(old), open_state(new)
    names = source.names(ALERTS)
    for name in names:
        target.write(name, source.read(name) or b"")
    return len(names)


def _read_versions(settings: Settings, models: list[str]) -> int:
    """Reads the package of every version, which its digest proves; how many there are."""
    count = 0
    for model in models:
        registry = Registry(settings, model)
        for version in registry.versions().values():
            registry.package_files(version.run_id, version.digest)
            count += 1
    return count


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """This environment with other variables of Nightshift."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)
