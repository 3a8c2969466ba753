"""What tests of the command line share: an installation with a real MLflow, and commands called in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prepared import PreparedInstallation

from nightshift.project import Project
from nightshift.settings import Settings
from unit.cli.commands import Command, Ended, commands_in_this_process
from unit.registry.conftest import impatient, start

__all__ = ["impatient", "start"]


@pytest.fixture
def project(settings: Settings, prepared_installation: PreparedInstallation) -> Project:
    """The tiny model in the installation that tests share, with nothing in it."""
    prepared_installation.clear()
    shared = Settings(home=settings.home, var=prepared_installation.var, models_folder=settings.models_folder)
    return Project("tiny", shared)


@pytest.fixture
def process(project: Project) -> Command:
    """Runs a command in a process of its own, by somebody who says that he is somebody else."""
    environment = os.environ | project.settings.as_environment() | {"USER": "mallory", "LOGNAME": "mallory"}

    def run(*words: str) -> Ended:
        command = [str(Path(sys.executable).parent / "nightshift"), *words]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def nightshift(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs a command in this process, which is quicker."""
    with commands_in_this_process(project.settings.as_environment(), monkeypatch, capsys) as command:
        yield command
