"""An MLflow that lacks versions the events know: nothing is written until they are back, or are given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prepared import PreparedInstallation, copy_database

from nightshift.errors import TransientError
from nightshift.lake.catalog import Lake
from nightshift.project import Project
from nightshift.registry.champions import Champions
from nightshift.registry.events import RegistryEvent, append_event
from nightshift.settings import PROJECT, Settings
from nightshift.stages.decide import decide
from nightshift.stages.gate import gate
from nightshift.stages.register import register
from nightshift.stages.reproduce import reproduce
from nightshift.stages.train import StoredModel, train
from unit.cli.commands import Command
from unit.registry.trainings import Start, challenged, check_sound, promoted, recorded_changes
from unit.tables import day

NIGHT = day(6)
MODEL = StoredModel("0" * 32, "")
# Whatever reads or writes the registry first, as a task of a night or of a training calls it.
STAGES: dict[str, Callable[[Project], object]] = {
    "train": lambda project: train(project, NIGHT, "reason", lambda line: None),
    "gate": lambda project: gate(project, MODEL, NIGHT, "run"),
    "register": lambda project: register(project, MODEL, "note", "run"),
    "shadow": lambda project: project.challengers.reconcile_and_get_challenger("run"),
    "decide": lambda project: decide(project, NIGHT, "run"),
    "reproduce": lambda project: reproduce(project, 1, lambda line: None),
    "champion of a night": lambda project: project.champions.require_champion(),
    "expectation": lambda project: project.registry.expectation(1),
}
COMMANDS = ("champion tiny", "versions tiny", "rollback tiny", "retire tiny", "retire tiny --champion 2")


@pytest.fixture
def database(project: Project) -> Path:
    return Path(project.settings.tracking_uri.removeprefix("sqlite:///"))


@pytest.fixture(params=["empty", "older copy"])
def away(
    request: pytest.FixtureRequest,
    project: Project,
    database: Path,
    start: Start,
    prepared_installation: PreparedInstallation,
    tmp_path: Path,
) -> Callable[[], None]:
    """Takes MLflow's database away from a model with two champions and a challenger; called, it brings it back."""
    older, current = tmp_path / "older.db", tmp_path / "current.db"
    start(3)
    copy_database(database, older)
    promoted(project, 4)
    challenged(project, 5)
    copy_database(database, current)
    copy_database(prepared_installation.empty_mlflow if request.param == "empty" else older, database)
    return lambda: copy_database(current, database)


def test_nothing_is_written_and_afterwards_all_is_as_before(
    project: Project, away: Callable[[], None], nightshift: Command
) -> None:
    settings, events = project.settings, project.champions.events()
    for stage in STAGES.values():
        with pytest.raises(TransientError, match="nightshift forget tiny"):
            stage(Project("tiny", settings))
    for command in COMMANDS:
        ended = nightshift(*command.split())
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert "nothing is written" in ended.err
    # Stages that had opened the registry before it went.
    for reconcile in (project.champions.reconcile_aliases, project.challengers.reconcile_and_get_challenger):
        with pytest.raises(TransientError, match="received 'without version"):
            reconcile("run")
    assert project.champions.events() == events
    away()
    again = Project("tiny", settings)
    assert again.champions.require_champion().number == 2
    challenge = again.challengers.reconcile_and_get_challenger("run")
    assert challenge is not None and challenge[0].number == 3
    assert again.champions.events() == events
    check_sound(again)


def test_a_database_that_is_missing_is_not_made_anew(tmp_path: Path, settings: Settings) -> None:
    own = Settings(home=PROJECT, var=tmp_path / "var", models_folder=settings.models_folder)
    append_event(Lake(own), RegistryEvent("tiny", "registered", NIGHT, "me", to_version=1, mlflow_run="0" * 32))
    with pytest.raises(TransientError, match=r"mlflow.db: MLflow's database is missing.*nightshift forget"):
        assert Project("tiny", own).registry
    assert not own.has_registry


def test_what_is_lost_for_good_is_given_up_by_a_command_and_no_number_is_given_twice(
    project: Project,
    database: Path,
    start: Start,
    prepared_installation: PreparedInstallation,
    process: Command,
    nightshift: Command,
) -> None:
    start(3, 4)
    assert nightshift("forget", "tiny", "--yes").err.endswith("fix: nothing has to be done\n")
    copy_database(prepared_installation.empty_mlflow, database)
    refused = process("forget", "tiny")
    assert (refused.code, "not confirmed" in refused.err) == (2, True)
    assert "MLflow lacks version 1, 2" in refused.out
    assert nightshift("forget", "tiny", "--yes", "--reason", "the disk broke").code == 0
    assert recorded_changes(project)[4:] == [
        ("forgotten", None, 1),
        ("forgotten", None, 2),
        ("changed_elsewhere", 2, None),
    ]
    assert [event.reason for event in project.champions.events()[4:6]] == ["the disk broke"] * 2
    promoted(Project("tiny", project.settings), 5)
    assert recorded_changes(project)[7:] == [("registered", None, 3), ("promoted", None, 3)]
    assert nightshift("champion", "tiny").out.startswith("tiny: version 3 is the champion\n")


def test_the_champion_of_an_older_copy_is_the_champion_again(
    project: Project, database: Path, start: Start, nightshift: Command, tmp_path: Path
) -> None:
    start(3)
    copy_database(database, tmp_path / "older.db")
    promoted(project, 4)
    copy_database(tmp_path / "older.db", database)
    assert nightshift("forget", "tiny", "--yes").code == 0
    assert nightshift("champion", "tiny").out.startswith("tiny: version 1 is the champion\n")


def test_a_version_of_another_run_is_another_version(project: Project, start: Start) -> None:
    first, second = start(3, unregistered=(4,))
    registry = project.registry
    registry.client.delete_registered_model("tiny")
    assert registry.register(second.run_id, "by hand").number == 1
    champions = Champions(registry, project.lake, project.definition)
    with pytest.raises(TransientError, match="without version 1"):
        champions.reconcile_aliases("me")
    assert first.run_id != second.run_id and [event.event for event in champions.events()] == ["registered", "promoted"]
