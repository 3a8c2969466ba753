"""Champions that several machines change at once: they share PostgreSQL, S3 and Glue, and no folder."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from unit.registry.trainings import NOTE, at_once, trained

from nightshift.project import Project
from nightshift.registry.events import champion_changes, current_champion
from nightshift.settings import Settings
from nightshift.stages.register import promote
from nightshift.stages.train import StoredModel
from production.conftest import RACING

pytestmark = [pytest.mark.production, pytest.mark.timeout(900)]


def promote_on(machine: Settings, name: str, model: StoredModel) -> None:
    promote(Project(name, machine), model, NOTE, f"training {model.run_id}")


def roll_back_on(machine: Settings, name: str) -> None:
    Project(name, machine).champions.roll_back("a person", reason="worse")


@pytest.mark.parametrize("kind", RACING)
def test_changes_by_many_machines_come_one_after_the_other(kind: str, settings: Settings, tmp_path: Path) -> None:
    name, state = RACING[kind], {"postgresql": settings.state, "s3": "s3://lake/state"}[kind]
    machines = [settings.model_copy(update={"state": state, "var": tmp_path / str(n)}) for n in range(3)]
    project = Project(name, machines[0])
    models = [trained(project, number) for number in range(1, 5)]
    for model in models[:2]:
        promote_on(machines[0], name, model)
    promotions = [(promote_on, machine, name, model) for machine, model in zip(machines[:2], models[2:], strict=True)]
    at_once(*promotions, (roll_back_on, machines[2], name))
    events = project.champions.events()
    changes = champion_changes(events)
    assert sorted(event.event for event in changes) == ["promoted"] * 4 + ["rolled_back"]
    assert {event.mlflow_run for event in changes} == {model.run_id for model in models}
    assert all(later.from_version == earlier.to_version for earlier, later in pairwise(changes))
    champion = project.registry.champion()
    assert champion is not None
    assert champion.number == current_champion(events)
    assert project.champions.reconcile_aliases("a look") == events  # nothing was left to be finished
