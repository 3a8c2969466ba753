"""What tests share: a workshop of small definitions and an installation of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.settings import PROJECT, Settings

TINY = Path(__file__).parent / "models"


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
