"""What the registry's tests share: an installation with a real MLflow in it, quickly made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nightshift.project import Project
from nightshift.registry.store import Registry
from nightshift.settings import PROJECT, Settings


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as MLflow makes it, which takes seconds."""
    settings = Settings(home=PROJECT, var=tmp_path_factory.mktemp("mlflow"))
    Registry(settings, "tiny")
    return settings.var_path / "mlflow" / "mlflow.db"


@pytest.fixture
def project(settings: Settings, empty_mlflow: Path) -> Project:
    """The loop of the tiny model, of which nothing was trained yet."""
    folder = settings.var_path / "mlflow"
    folder.mkdir(parents=True)
    shutil.copy(empty_mlflow, folder)
    return Project("tiny", settings)
