"""The API follows the champion, and answers on when what it asks is away."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from servers import free_port

from nightshift.project import Project
from nightshift.serving.served_model import RegisteredModel
from nightshift.settings import PROJECT, Settings
from unit.registry.trainings import Start, artifact, promoted


def answering(model: RegisteredModel) -> int | None:
    model.follow()
    return model.champion.number if model.champion else None


def test_it_follows_promotions_and_rollbacks(start: Start, project: Project) -> None:
    start(1)
    model = RegisteredModel(project)
    assert answering(model) == 1
    first = model.champion
    assert answering(model) == 1 and model.champion is first  # loaded once
    promoted(project, 2)
    assert answering(model) == 2
    project.champions.roll_back("somebody", reason="a test")
    assert answering(model) == 1
    assert not model.problem


def test_without_a_champion_nothing_answers(start: Start, project: Project) -> None:
    start()
    model = RegisteredModel(project)
    assert answering(model) is None
    assert "no version has passed the gate yet" in model.problem


def test_a_champion_that_is_retired_stops_answering(start: Start, project: Project) -> None:
    start(1)
    model = RegisteredModel(project)
    assert answering(model) == 1
    project.champions.retire(1, "somebody", "a test")
    assert answering(model) is None
    assert "version 1 was retired by somebody" in model.problem


def test_an_alias_that_was_removed_by_hand_stops_nothing(start: Start, project: Project) -> None:
    start(1)
    model = RegisteredModel(project)
    assert answering(model) == 1
    MlflowClient(project.settings.tracking_uri).delete_registered_model_alias("tiny", "champion")
    assert answering(model) == 1
    assert "has lost MLflow's alias" in model.problem


def test_a_champion_that_is_refused_does_not_answer_and_the_old_one_stays(start: Start, project: Project) -> None:
    start(1)
    model = RegisteredModel(project)
    assert answering(model) == 1
    [second] = promoted(project, 2)
    file = artifact(project, second.run_id) / "encoder.json"
    content = file.read_bytes()
    file.write_bytes(content + b" ")
    assert answering(model) == 1
    assert "the model's artifact is not the one that was registered" in model.problem
    file.write_bytes(content)
    assert answering(model) == 2 and not model.problem


def test_a_registry_that_is_away_stops_nothing(start: Start, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    start(1)
    model = RegisteredModel(project)
    assert answering(model) == 1
    champion, settings = model.champion, project.settings
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = f"http://127.0.0.1:{free_port()}"
    away = Settings(home=PROJECT, var=settings.var, models_folder=settings.models_folder, mlflow_uri=nobody)
    model.project = Project("tiny", away)
    model.follow()
    assert model.champion is champion
    assert "MLflow does not answer" in model.problem
    model.project = project
    assert answering(model) == 1 and not model.problem
