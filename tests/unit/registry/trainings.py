"""Trainings without a lake behind them, and processes that are killed while they promote or go back."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, Protocol

import mlflow
import pyarrow as pa

from nightshift.definition.load import definition_files
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS
from nightshift.definition.recipe import label_digest
from nightshift.features.recorded_recipes import LABEL
from nightshift.lake.tables import RECIPES
from nightshift.project import Project
from nightshift.registry import changes as moves
from nightshift.registry import store
from nightshift.registry.events import champion_changes
from nightshift.registry.store import ARTIFACT
from nightshift.settings import Settings
from nightshift.stages import train as train_stage
from nightshift.stages.register import promote as promote_model
from nightshift.stages.train import StoredModel
from nightshift.training.fit import fit
from unit.training.machines import machines

NOTE = "roc_auc 0.7, at least 0.5"


class Start(Protocol):
    """Starts a test from trainings as of days of January, which its installation has; see `start`."""

    def __call__(
        self, *champions: int, challengers: tuple[int, ...] = (), unregistered: tuple[int, ...] = ()
    ) -> list[StoredModel]: ...


def trained(project: Project, number: int, gate: str = "passed") -> StoredModel:
    """A training as of the n-th day of January, and what the gate said of it."""
    registry = project.registry
    run = registry.start_run(str(date(2024, 1, number)), f"reason {number}", f"training {number}")
    digest = registry.log_package(run, fit(project.definition, labelled_machines(project.definition, number)))
    recipes = {RECIPES: project.definition.feature_digests, LABEL: label_digest(project.definition)}
    registry.log_lineage(run, recipes, definition_files(project.definition))
    registry.log(run, params={}, metrics={"holdout_roc_auc": 0.7}, tags={store.GATE: gate} if gate else {})
    registry.end_run(run)
    return StoredModel(run, digest)


def labelled_machines(definition: ModelDefinition, seed: int) -> pa.Table:
    """Machines whose label is of the definition's type: whether they failed, or the name of that class."""
    rows = machines(seed=seed)
    if definition.prediction != CLASS:
        return rows
    names = pa.array([definition.label.class_names[int(label)] for label in rows["label"].to_pylist()])
    return rows.set_column(rows.schema.get_field_index("label"), "label", names)


def promoted(project: Project, *numbers: int) -> list[StoredModel]:
    """Trainings that passed, each promoted by a run of its own."""
    models = [trained(project, number) for number in numbers]
    for number, model in zip(numbers, models, strict=True):
        promote_model(project, model, NOTE, f"run {number}")
    return models


def challenged(project: Project, number: int) -> StoredModel:
    """A training that passed and is the challenger now."""
    model = trained(project, number)
    project.challengers.register_challenger(model.run_id, NOTE, f"run {number}")
    return model


def recorded_changes(project: Project) -> list[tuple[str, int | None, int | None]]:
    """What happened, in its order."""
    return [(event.event, event.from_version, event.to_version) for event in project.champions.events()]


def artifact(project: Project, run: str) -> Path:
    """Where a run's package lies."""
    return Path(project.settings.artifact_root) / project.definition.name / run / "artifacts" / ARTIFACT


def check_sound(project: Project) -> None:
    """MLflow and the events say the same, nothing is there twice, and no change is missing between two others."""
    events, versions = project.champions.events(), list(project.registry.versions().values())
    champion = project.champions.require_champion()
    chain = champion_changes(events)
    assert [event.from_version for event in chain] == [None, *(event.to_version for event in chain[:-1])]
    assert champion.number == chain[-1].to_version
    assert project.registry.confirmed_event() == chain[-1].event_id
    assert len({version.run_id for version in versions}) == len(versions)
    assert len({event.event_id for event in events}) == len(events)
    registered = {event.to_version: event.parsed_evidence["digest"] for event in events if event.event == "registered"}
    assert registered == {version.number: version.digest for version in versions}
    assert "changed_elsewhere" not in {event.event for event in events}


# ---- in processes of their own

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "nightshift.stages.register",
        "nightshift.registry.champions",
        "mlflow.store.tracking.sqlalchemy_store",
        "skops.io",
    ]
)

STEPS: dict[str, tuple[Any, str]] = {
    "the model is there": (mlflow.MlflowClient, "create_registered_model"),
    "the version is there": (store.Registry, "register"),
    "an event is kept": (moves, "append_event"),
    "the alias is moved": (store.Registry, "set_champion_alias"),
    "the challenger's alias is moved": (store.Registry, "set_challenger_alias"),
    "the values are kept": (Project, "record"),
    "the page is left": (mlflow.MlflowClient, "log_text"),
    "the mark is set": (store.Registry, "confirm_event"),
    "the run is open": (store.Registry, "start_run"),
    "the snapshots are tagged": (train_stage, "tag_snapshots"),
    "the package is stored": (store.Registry, "log_package"),
    "the lineage is stored": (store.Registry, "log_lineage"),
}


def promote(settings: Settings, model: StoredModel, actor: str) -> None:
    promote_model(Project("tiny", settings), model, NOTE, actor)


def roll_back(settings: Settings, to: int | None) -> None:
    Project("tiny", settings).champions.roll_back("me", to, "worse")


def killed(step: str, count: int, job: Callable[..., None], *args: Any) -> None:
    """Runs a job in a process that dies right after the n-th time it did a step."""
    process = PROCESSES.Process(target=_dying, args=(step, count, job, args))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def at_once(*jobs: tuple[Any, ...]) -> None:
    """Runs jobs, each in a process of its own, that all start at once."""
    barrier = PROCESSES.Barrier(len(jobs))
    processes = [PROCESSES.Process(target=_waiting, args=(barrier, *job)) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(jobs)


def _waiting(barrier: Any, job: Callable[..., None], *args: Any) -> None:
    barrier.wait()
    job(*args)


def _dying(step: str, count: int, job: Callable[..., None], args: tuple[Any, ...]) -> None:
    owner, name = STEPS[step]
    real, left = getattr(owner, name), [count]

    @wraps(real)
    def run_step(*given: Any, **options: Any) -> Any:
        result = real(*given, **options)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, run_step)
    job(*args)
