"""What tests share: a workshop of small definitions and an installation of their own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from databases import copy_mlflow
from xdist.scheduler import LoadScopeScheduling

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings

TESTS = Path(__file__).parent
TINY = TESTS / "models"
# Folders whose tests share a server or a JVM: each runs in one process, and first, since it takes longest.
SHARING = ("tests/e2e/", "tests/integration/")
# A test that uses one of these needs a database.
DATABASES = {"lake", "project", "empty_mlflow"}


def group_of(nodeid: str) -> str:
    """The tests that run in the same process as this one: those of its folder if they share a server, or its file's."""
    return next((folder for folder in SHARING if nodeid.startswith(folder)), nodeid.partition("::")[0])


class GroupScheduling(LoadScopeScheduling):
    """Gives each process whole groups of tests, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """Schedules by group, whatever `--dist` says."""
    return GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a database, and puts the groups that take longest first."""
    for item in items:
        if DATABASES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)
    order = {folder: number for number, folder in enumerate(SHARING)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid), len(SHARING)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation in a folder of the test's own, with the tests' tiny model."""
    return Settings(home=PROJECT, var=tmp_path / "var", models_folder=TINY)


@pytest.fixture
def flight_delay() -> ModelDefinition:
    return load_definition(PROJECT / "include" / "models" / "flight_delay")


@pytest.fixture
def tiny() -> ModelDefinition:
    return load_definition(TINY / "tiny")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of definitions that a test may change: a copy of the tests' own."""
    return Path(shutil.copytree(TINY, tmp_path / "models"))


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as its migrations leave it, which takes seconds: tests copy it."""
    from nightshift.registry.store import Registry

    settings = Settings(home=PROJECT, var=tmp_path_factory.mktemp("mlflow"))
    Registry(settings, "tiny")
    return settings.var_path / "mlflow" / "mlflow.db"


@pytest.fixture
def project(settings: Settings, empty_mlflow: Path) -> Project:
    """The tiny model in an installation with MLflow's database, of which nothing was trained yet."""
    copy_mlflow(empty_mlflow, settings.var_path)
    return Project("tiny", settings)
