"""What tests of the registry share: an installation that is put back as it was, which spares most of them trainings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prepared import PreparedInstallation
from sqlalchemy import event
from sqlalchemy.engine import Engine

from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.train import StoredModel
from unit.registry.trainings import Start, challenged, promoted, trained


@pytest.fixture
def settings(prepared_installation: PreparedInstallation, settings: Settings) -> Settings:
    """The installation that tests share, with nothing in it."""
    prepared_installation.clear()
    return Settings(home=PROJECT, var=prepared_installation.var, models_folder=settings.models_folder)


@pytest.fixture
def project(settings: Settings) -> Project:
    return Project("tiny", settings)


@pytest.fixture
def start(prepared_installation: PreparedInstallation, project: Project) -> Start:
    """Starts a test from trainings that were registered before, once for all tests."""

    def start(
        *champions: int, challengers: tuple[int, ...] = (), unregistered: tuple[int, ...] = ()
    ) -> list[StoredModel]:
        def prepare() -> list[StoredModel]:
            models = promoted(project, *champions)
            models += [challenged(project, number) for number in challengers]
            return models + [trained(project, number) for number in unregistered]

        return prepared_installation.start(("tiny", champions, challengers, unregistered), prepare)

    return start


@pytest.fixture
def impatient() -> Iterator[list[str]]:
    """MLflow waits half a second for a locked database instead of twenty; the statements that said how long."""
    shortened: list[str] = []

    def shorten(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        if "busy_timeout" in statement:
            shortened.append(statement)
            statement = "pragma busy_timeout = 500"
        return statement, parameters

    event.listen(Engine, "before_cursor_execute", shorten, retval=True)
    yield shortened
    event.remove(Engine, "before_cursor_execute", shorten)
