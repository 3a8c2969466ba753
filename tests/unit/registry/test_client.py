"""An MLflow that does not answer is a transient error with one clear line."""

from __future__ import annotations

import socket
import sqlite3

import pytest

from nightshift.errors import TerminalError, TransientError
from nightshift.project import Project
from nightshift.registry.store import Registry
from nightshift.settings import PROJECT, Settings
from nightshift.stages.register import promote
from unit.registry.trainings import Start, recorded_changes, trained


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody listens."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_a_server_that_is_down_is_named_and_its_password_is_not(settings: Settings, nobody: str) -> None:
    away = Settings(home=PROJECT, var=settings.var_path, mlflow_uri=f"http://me:secret@{nobody}")
    with pytest.raises(TransientError) as caught:
        Registry(away, "tiny")
    line = str(caught.value)
    assert line.startswith(f"http://me:***@{nobody}: MLflow does not answer: ")
    assert "; fix: check that it is running" in line
    assert "secret" not in line
    assert "\n" not in line


def test_a_server_that_goes_away_is_a_transient_error_of_every_call(project: Project, nobody: str) -> None:
    model = trained(project, 3)
    project.registry.client = Registry(project.settings, "tiny").client
    # The same client, as if the address it was given had died since.
    from mlflow import MlflowClient

    project.registry.client.mlflow = MlflowClient(f"http://{nobody}", f"http://{nobody}")
    calls = [
        project.registry.champion,
        project.registry.versions,
        project.registry.confirmed_event,
        lambda: project.registry.version(1),
        lambda: project.registry.package_files(model.run_id, model.digest),
        lambda: promote(project, model, "note", "run 3"),
        lambda: project.champions.roll_back("me"),
        lambda: project.champions.reconcile_and_get_champion("me"),
    ]
    for call in calls:
        with pytest.raises(TransientError, match="MLflow does not answer"):
            call()
    assert recorded_changes(project) == []


def test_a_locked_database_is_a_transient_error_and_nothing_was_changed(
    project: Project, start: Start, impatient: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    start(3)
    model = trained(project, 4)
    before = recorded_changes(project)
    holder = sqlite3.connect(project.settings.var_path / "mlflow" / "mlflow.db")
    holder.execute("begin exclusive")
    with pytest.raises(TransientError, match=r"mlflow\.db: MLflow does not answer: .*database is locked"):
        promote(project, model, "note", "run 4")
    assert set(impatient) == {"PRAGMA busy_timeout = 20000;"}  # how long MLflow itself waits
    holder.rollback()
    assert recorded_changes(project) == before
    assert "Traceback" not in capfd.readouterr().err
    assert promote(project, model, "note", "run 4").number == 2


def test_what_mlflow_does_not_have_is_not_silence(project: Project) -> None:
    with pytest.raises(TerminalError, match=r"MLflow refused: .*not found.*; fix: look at the model"):
        project.registry.client.get_run("0" * 32)
