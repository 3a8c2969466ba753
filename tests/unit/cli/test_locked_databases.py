"""A SQLite file that another process locks: writes and reads end in one line that says which, and work afterwards."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from nightshift.errors import TransientError
from nightshift.lake import publish as publishing
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.tables import TableSpec
from nightshift.project import Project
from nightshift.service_errors import explain
from nightshift.settings import CatalogSettings, Settings
from unit.cli.commands import Command
from unit.registry.trainings import Start
from unit.tables import Rows, day, publish_rows, published_rows, stage

FIRST: Rows = {day(1): [("a", 1.0)]}
SECOND: Rows = {day(2): [("b", 2.0)]}
READING = [("sql", "select load from raw.readings"), ("champion", "tiny"), ("versions", "tiny")]
LOCKED = "another process locks the database: database is locked; fix: wait for the process that locks it"
# MLflow's database has no write-ahead log: whoever writes locks out those who read.
LOCKED_MLFLOW = r"mlflow\.db: MLflow does not answer: .*database is locked.*; fix: check that .* nothing locks its"


@pytest.fixture
def project(project: Project) -> Project:
    """The tiny model, whose catalog is waited for a fifth of a second instead of a minute."""
    catalog = CatalogSettings(uri=f"sqlite:///{project.settings.var_path / 'catalog.db'}?timeout=0.2")
    settings = Settings(
        home=project.settings.home,
        var=project.settings.var,
        models_folder=project.settings.models_folder,
        catalog=catalog,
    )
    return Project("tiny", settings)


@contextmanager
def locked(file: Path, *, against_readers: bool = False) -> Iterator[None]:
    """Locks a database against others that write, or against all."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        if against_readers:
            holder.execute("pragma locking_mode = exclusive")
        holder.execute("begin exclusive")
        yield


def catalog_file(project: Project) -> Path:
    return project.settings.var_path / "catalog.db"


def test_a_locked_catalog_is_read_and_a_write_is_a_transient_error(
    project: Project, readings: TableSpec, nightshift: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "COMMIT_ATTEMPTS", 2)
    lake = project.lake
    publish_rows(lake, readings, FIRST)
    staged = stage(lake, readings, SECOND)
    with locked(catalog_file(project)):
        with pytest.raises(TransientError, match=rf"^sqlite:///.*catalog\.db\?timeout=0\.2: {LOCKED}"):
            publish(lake, readings, staged)
        assert "1.0" in nightshift("sql", "select load from raw.readings").out
        assert published_rows(Lake(project.settings), readings) == FIRST
    publish(lake, readings, staged)
    assert published_rows(lake, readings) == FIRST | SECOND


def test_a_catalog_that_cannot_be_read_is_one_line(
    project: Project, readings: TableSpec, start: Start, nightshift: Command
) -> None:
    start(3)
    publish_rows(project.lake, readings, FIRST)
    project.lake.catalog.close()
    with locked(catalog_file(project), against_readers=True):
        for words in READING:
            ended = nightshift(*words)
            assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), words
            assert re.match(rf"NIGHTSHIFT_CATALOG__URI=sqlite:///.*: {LOCKED}", ended.err), ended.err
        assert LOCKED in nightshift("doctor").out
    for words in READING:
        assert nightshift(*words).code == 0, words


def test_a_catalog_that_gets_locked_while_it_is_open_is_one_line(project: Project, readings: TableSpec) -> None:
    lake = project.lake
    publish_rows(lake, readings, FIRST)
    lake.catalog.close()
    with locked(catalog_file(project), against_readers=True), pytest.raises(Exception) as caught:
        lake.table(readings.name)
    assert re.search(rf"catalog\.db\?timeout=0\.2: {LOCKED}", str(explain(caught.value)))
    assert published_rows(lake, readings) == FIRST


def test_a_locked_mlflow_is_one_line_of_every_command_that_asks_it(
    project: Project, readings: TableSpec, start: Start, nightshift: Command, impatient: list[str]
) -> None:
    start(3)
    publish_rows(project.lake, readings, FIRST)
    with locked(project.settings.var_path / "mlflow" / "mlflow.db"):
        for words in READING[1:]:
            ended = nightshift(*words)
            assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), words
            assert re.search(LOCKED_MLFLOW, ended.err), ended.err
        assert re.search(LOCKED_MLFLOW, nightshift("doctor").out)
        assert "1.0" in nightshift("sql", "select load from raw.readings").out
    assert impatient
    for words in READING:
        assert nightshift(*words).code == 0, words
