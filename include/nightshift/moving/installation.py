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
from nightshift.lake.files import as_uri
from nightshift.moving.files import Places, copy_folder, copy_warehouse
from nightshift.moving.mlflow_store import copy_store
from nightshift.moving.tables import TableComparison, compare_tables, plan_tables, register_tables
from nightshift.project import Progress
from nightshift.registry.database import open_client
from nightshift.registry.store import Registry
from nightshift.settings import Settings, read_environment
from nightshift.settings_names import PREFIX, is_setting, nearest, setting_names
from nightshift.state import open_state

# What a file names, unless it names the folder below which they are.
PLACES = tuple(f"{PREFIX}{name}" for name in ("LANDING", "WAREHOUSE", "MLFLOW_URI", "MLFLOW_ARTIFACTS", "QUALITY_DOCS"))
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
        TerminalError: If the file has other variables, or a value that is not allowed, or does not say where
            everything is to be.
    """
    values, names = dotenv_values(file), setting_names(Settings)
    for name, value in values.items():
        if not name.startswith(PREFIX) or value is None:
            fix = "write NAME=value; leave out others, and set those of AWS in this environment"
            problem = "a line is no variable of Nightshift's with its value"
            raise TerminalError(problem, where=str(file), received=name, fix=fix)
        if not is_setting(name, names):
            near = nearest(name, names)
            fix = f"did you mean {near}?" if near else "docs/settings.md lists all of them"
            raise TerminalError("there is no such setting", where=str(file), received=name, fix=fix)
    if f"{PREFIX}VAR" not in values and (missing := [name for name in PLACES if name not in values]):
        fix = "add it, or NIGHTSHIFT_VAR: what is not named goes below that folder"
        raise TerminalError("a place is not named", where=str(file), received=f"no {missing[0]}", fix=fix)
    with _environment({name: value for name, value in values.items() if value is not None}):
        return read_environment(f"{file}:")


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
    _refuse_same_places(old, new)
    with open_state(new).lock("move"):
        return _move(old, new, models, progress)


def _refuse_same_places(old: Settings, new: Settings) -> None:
    """Landed files, pages and the shared state may stay where they are: nothing in them is rewritten."""
    pairs = {
        "NIGHTSHIFT_WAREHOUSE": (as_uri(old.warehouse_uri), as_uri(new.warehouse_uri)),
        "NIGHTSHIFT_MLFLOW_ARTIFACTS": (as_uri(old.artifact_root), as_uri(new.artifact_root)),
        "NIGHTSHIFT_MLFLOW_URI": (old.tracking_uri, new.tracking_uri),
        "NIGHTSHIFT_CATALOG": (_catalog_place(old), _catalog_place(new)),
    }
    for name, (before, after) in pairs.items():
        if before == after:
            # The place itself is not repeated: it may have a password, or a catalog's secrets.
            raise TerminalError(
                "the new installation has the same place as the old one", where=name, fix="name another"
            )


def _catalog_place(settings: Settings) -> str:
    catalog = settings.catalog
    return f"{catalog.type} {catalog.name} {settings.catalog_uri or catalog.properties}"


def _move(old: Settings, new: Settings, models: list[str], progress: Progress) -> Move:
    places = Places.of(
        (old.warehouse_uri, new.warehouse_uri),
        (old.artifact_root, new.artifact_root),
        (old.quality_docs_uri, new.quality_docs_uri),
        (old.landing_uri, new.landing_uri),
    )
    old_lake, new_lake = Lake(old), Lake(new)
    plan = plan_tables(old_lake, new_lake, places)
    open_client(new)  # makes its tables
    counts = {
        "landed files": copy_folder(old.landing_uri, new.landing_uri, progress),
        "artifacts": copy_folder(old.artifact_root, new.artifact_root, progress),
        "quality pages": copy_folder(old.quality_docs_uri, new.quality_docs_uri, progress),
        "files of tables": copy_warehouse(old.warehouse_uri, new.warehouse_uri, places, progress),
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
