"""The artifact of the only champion is lost: what the gate says, and the command that gets out."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from prepared import PreparedInstallation
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.errors import TerminalError
from nightshift.project import Project
from nightshift.settings import get_settings
from nightshift.stages.gate import gate
from nightshift.stages.register import register
from nightshift.stages.train import StoredModel, train
from unit.registry.trainings import recorded_changes
from unit.stages.minutes import AGAINST, AS_OF, LABEL, TYPED, OfNumber, champion_of_month, publish_days

pytestmark = pytest.mark.usefixtures("smoke_in_this_process")


@pytest.fixture
def project(of_number: OfNumber, prepared_installation: PreparedInstallation) -> Project:
    """A champion whose artifacts, the model and its lineage, were deleted from the artifact store."""
    project, stored, _ = champion_of_month(prepared_installation, of_number(TYPED, LABEL, AGAINST))
    shutil.rmtree(Path(project.settings.artifact_root) / project.definition.name / stored.run_id)
    return project


def successor(project: Project) -> StoredModel:
    publish_days(project, AS_OF, AS_OF)
    return train(project, AS_OF + timedelta(days=1), "test", lambda line: None)


def test_the_gate_lets_no_successor_pass_unseen_and_names_the_command_that_gets_out(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of, name, stored = AS_OF + timedelta(days=1), project.definition.name, successor(project)
    with pytest.raises(TerminalError) as refusal:
        gate(project, stored, as_of, "second", lambda line: None)
    text = str(refusal.value)
    assert "version 1, the champion, cannot be compared with: the model's artifact cannot be read" in text
    assert f"nightshift retire {name} --champion 1" in text and "\n" not in text
    for variable, value in project.settings.as_environment().items():
        monkeypatch.setenv(variable, value)
    get_settings.cache_clear()
    try:
        done = CliRunner().invoke(app, ["retire", name, "--champion", "1", "--reason", "its artifact is lost"])
    finally:
        get_settings.cache_clear()
    assert done.exit_code == 0, done.output
    assert "version 1 is retired as champion" in done.output
    with pytest.raises(TerminalError, match=rf"no champion: version 1 was retired by .*trigger the DAG {name}.train"):
        project.champions.require_champion()

    result = gate(project, stored, as_of, "second", lambda line: None)
    assert result.report.passed, result.report.summary()
    registration = register(project, stored, result.report.summary(), "second")
    assert (registration.role, project.champions.require_champion().number) == ("champion", 2)
    assert recorded_changes(project)[2:] == [
        ("champion_retired", 1, None),
        ("registered", None, 2),
        ("promoted", None, 2),
    ]
