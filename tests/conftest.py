"""What tests share: a workshop of small definitions and an installation of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from databases import copy_mlflow

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings

TESTS = Path(__file__).parent
TINY = TESTS / "models"
# Tests that share a server or a JVM run in one process, and first: they take longest.
SHARED = {"airflow": 0, "spark": 1}
# A test that uses one of these needs a database.
DATABASES = {"lake", "project", "empty_mlflow"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a database, and groups all tests for pytest-xdist: by file, or by what they share."""
    for item in items:
        if DATABASES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)
        item.add_marker(pytest.mark.xdist_group(_shared(item) or str(item.path.relative_to(TESTS))))
    items.sort(key=lambda item: SHARED.get(_shared(item), len(SHARED)))


def _shared(item: pytest.Item) -> str:
    return next((name for name in SHARED if item.get_closest_marker(name)), "")


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
