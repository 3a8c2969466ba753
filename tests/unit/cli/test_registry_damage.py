"""What somebody removed in MLflow, and what each command and stage says of it: one line, with the way back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import date

import pytest
from prepared import PreparedInstallation

from nightshift.errors import NightshiftError
from nightshift.project import Project
from nightshift.registry.store import CHAMPION
from nightshift.stages.gate import gate
from nightshift.stages.train import StoredModel, train
from unit.cli.commands import Command
from unit.registry.trainings import artifact, promoted
from unit.stages.minutes import AGAINST, AS_OF, LABEL, TYPED, OfNumber, month

pytestmark = pytest.mark.usefixtures("smoke_in_this_process")

Damage = Callable[[Project, str], None]


def _experiment(project: Project) -> str:
    return str(project.registry.client.get_experiment_by_name("tiny").experiment_id)


DAMAGES: dict[str, Damage] = {
    "alias": lambda project, _: project.registry.client.delete_registered_model_alias("tiny", CHAMPION),
    "version": lambda project, _: project.registry.client.delete_model_version("tiny", "2"),
    "run": lambda project, run_id: project.registry.client.delete_run(run_id),
    "experiment": lambda project, _: project.registry.client.delete_experiment(_experiment(project)),
    "artifact": lambda project, run_id: shutil.rmtree(artifact(project, run_id)),
    "model": lambda project, _: project.registry.client.delete_registered_model("tiny"),
}
SINCE = "tiny: no champion: version 2, the champion from 2024-01-04 on by the events,"
ALIAS = f"{SINCE} has lost MLflow's alias `champion`; fix: restore it: nightshift rollback tiny --to 2"
VERSION = f"{SINCE} was deleted in MLflow; fix: go back to version 1: nightshift rollback tiny"
MODEL = f"{SINCE} was deleted in MLflow; fix: trigger the DAG tiny.train and look at its gate"
DISAGREE = "tiny: MLflow's alias `champion` points to version none, according to the events to 2"
EXPERIMENT = "the model's experiment was deleted in MLflow; received 'experiment 1'; fix: restore it: mlflow exp"
ARTIFACT = (
    "tiny, run [0-9a-f]+: the model's artifact cannot be read: .*; fix: restore the artifact store, or go back to"
)
LOST = "version 2, the champion, .* nightshift retire tiny --champion 2"
# What each says after each damage; nothing if it works all the same.
TABLE: dict[str, dict[str, str]] = {
    "alias": {"score": ALIAS, "champion": ALIAS, "versions": DISAGREE},
    "version": {"score": VERSION, "champion": VERSION, "versions": DISAGREE},
    "run": {},
    "experiment": {"train": EXPERIMENT, "gate": EXPERIMENT},
    "artifact": {"score": ARTIFACT, "gate": LOST},
    "model": {
        "score": MODEL,
        "champion": MODEL,
        "versions": DISAGREE,
        "rollback": "tiny: no previous champion exists in MLflow any more; fix: name a version .* the DAG tiny.train",
    },
}
CHAMPION_AFTER_ROLLBACK = {"alias": 2, "version": 1, "run": 1, "experiment": 1, "artifact": 1, "model": None}


@pytest.fixture
def project(of_number: OfNumber, prepared_installation: PreparedInstallation) -> Project:
    return month(prepared_installation, of_number(TYPED, LABEL, AGAINST))


@pytest.fixture
def second_and_third(project: Project, prepared_installation: PreparedInstallation) -> tuple[StoredModel, StoredModel]:
    """The champion, which is the second version, and a model that waits for the gate."""

    def prepare() -> tuple[StoredModel, StoredModel]:
        _, second = promoted(project, 3, 4)
        third = train(project, AS_OF, "third", lambda line: None)
        project.registry.log_lineage(second.run_id, *project.registry.lineage(third.run_id))
        return second, third

    return prepared_installation.start("a second champion of minutes", prepare)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_in_mlflow_is_one_line_that_names_the_way_back(
    project: Project, second_and_third: tuple[StoredModel, StoredModel], nightshift: Command, damage: str
) -> None:
    second, third = second_and_third
    DAMAGES[damage](project, second.run_id)
    stages: dict[str, Callable[[], object]] = {
        "score": lambda: _score(project),
        "train": lambda: train(project, AS_OF, "fourth", lambda line: None),
        "gate": lambda: gate(project, third, AS_OF, "test"),
    }
    answers = {name: _line(stage) for name, stage in stages.items()}
    for command in ("status", "versions", "champion", "rollback"):
        ended = nightshift(command, "tiny")
        code = 0 if command == "versions" else 2  # it says what disagrees, and shows what there is
        assert (ended.code, ended.err.count("\n")) == ((code, 1) if ended.err else (0, 0)), (command, ended.err)
        answers[command] = ended.err.strip()
    for command, answer in answers.items():
        expected = TABLE[damage].get(command, "")
        assert re.search(expected, answer) if expected else not answer, f"{command}: {answer!r}"
        assert "\n" not in answer
    champion = project.registry.champion()
    assert (champion.number if champion else None) == CHAMPION_AFTER_ROLLBACK[damage]


def test_a_model_that_is_judged_while_the_alias_is_gone_says_so_at_the_gate(
    project: Project, second_and_third: tuple[StoredModel, StoredModel]
) -> None:
    _, third = second_and_third
    DAMAGES["alias"](project, "")
    gate(project, third, AS_OF, "test")
    [verdict] = [row for row in project.monitored(AS_OF, AS_OF, "gate") if row["statistic"] == "verdict"]
    assert verdict["detail"].startswith(
        "no champion: version 2, the champion from 2024-01-04 on by the events, has lost"
    )


def test_a_run_that_was_deleted_before_the_gate_is_named_with_the_command_that_restores_it(project: Project) -> None:
    stored = StoredModel(project.registry.start_run(str(date(2024, 1, 5)), "r", "n"), "")
    project.registry.client.delete_run(stored.run_id)
    line = _line(lambda: gate(project, stored, AS_OF, "test"))
    assert line.endswith(
        f"deleted in MLflow; received '{stored.run_id}'; fix: restore it: mlflow runs restore --run-id {stored.run_id}"
    )
    line = _line(lambda: project.registry.log(stored.run_id, params={}, metrics={"a": 1.0}, tags={}))
    assert "MLflow refused: The run" in line and line.endswith(f"mlflow runs restore --run-id {stored.run_id}")


def _score(project: Project) -> None:
    """What the job that scores asks the registry for."""
    version = project.champions.require_champion()
    project.registry.package_files(version.run_id, version.digest)


def _line(call: Callable[[], object]) -> str:
    """The line of the error that a call raises; empty if it raises none."""
    try:
        call()
    except NightshiftError as error:
        return str(error)
    return ""
