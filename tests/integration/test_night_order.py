"""Nights that run in another order, or again, leave the tables of nights that ran once, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from nights import run_night
from unit.registry.trainings import promoted

from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.history import build_history

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("jobs_in_this_process")]

FIRST, BUILT = date(2024, 1, 1), date(2024, 1, 8)
NIGHTS = tuple(date(2024, 1, day) for day in (9, 10, 11))
TABLES = ("raw.plan", "raw.failures", "features.tiny", "scores.tiny")


def in_order(project: Project) -> None:
    for night in NIGHTS:
        run_night(project, night)


def newest_first(project: Project) -> None:
    land(project, NIGHTS[-1])  # as after days without a scheduler
    for night in reversed(NIGHTS):
        run_night(project, night)


def again(project: Project) -> None:
    in_order(project)
    for night in (NIGHTS[1], NIGHTS[0]):
        run_night(project, night, "again")


ORDERS: dict[str, Callable[[Project], None]] = {
    "newest first": newest_first,
    "again": again,
}


def installation(folder: Path) -> Project:
    project = Project("tiny", Settings(home=PROJECT, var=folder / "var", models_folder=PROJECT / "tests" / "models"))
    land(project, BUILT)
    build_history(project, FIRST, BUILT, lambda line: None)
    promoted(project, 5)
    return project


def rows_of(project: Project) -> dict[str, Counter[str]]:
    """The rows of the tables that nights write to, but for those about their quality, which name their runs."""
    tables = {name: project.lake.table(name).scan().to_arrow() for name in TABLES}
    return {name: Counter(map(str, without_snapshot(table).to_pylist())) for name, table in tables.items()}


def without_snapshot(table: pa.Table) -> pa.Table:
    """Of which each publication makes a new one."""
    return table.select([name for name in table.column_names if name != "features_snapshot"])


@pytest.fixture(scope="module")
def ordered(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> dict[str, Counter[str]]:
    project = installation(tmp_path_factory.mktemp("ordered"))
    in_order(project)
    return rows_of(project)


@pytest.mark.parametrize("order", ORDERS)
def test_nights_in_any_order_leave_the_same_tables(
    ordered: dict[str, Counter[str]], tmp_path: Path, order: str
) -> None:
    project = installation(tmp_path)
    ORDERS[order](project)
    assert rows_of(project) == ordered
