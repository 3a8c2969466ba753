"""What killed trainings and attempts leave behind, and that maintenance removes it and nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prepared import PreparedInstallation

from nightshift.compute.scratch import remove_scratch, scratch_conf, scratch_flag
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.project import Project
from nightshift.registry.store import Registry
from nightshift.settings import Settings
from nightshift.stages.maintenance import Maintenance, maintain
from nightshift.stages.train import train
from unit.cli.commands import commands_in_this_process
from unit.registry.trainings import killed
from unit.stages.minutes import AGAINST, AS_OF, LABEL, TYPED, OfNumber, month

LATER = datetime.now(UTC) + timedelta(days=4)
KILLED_AFTER = ["the run is open", "the snapshots are tagged", "the package is stored", "the lineage is stored"]


@pytest.fixture
def project(of_number: OfNumber, prepared_installation: PreparedInstallation) -> Project:
    return month(prepared_installation, of_number(TYPED, LABEL, AGAINST))


def train_tiny(settings: Settings) -> None:
    train(Project("tiny", settings), AS_OF, "killed", lambda line: None)


def training_tags(lake: Lake) -> set[tuple[str, str]]:
    return {(name, tag) for name in lake.table_names() for tag in lake.table(name).refs() if tag != "main"}


def running_runs(project: Project) -> int:
    experiments = [experiment.experiment_id for experiment in project.registry.client.search_experiments()]
    return len(project.registry.client.search_runs(experiments, "attributes.status = 'RUNNING'"))


def run_maintenance(project: Project, now: datetime | None = LATER) -> Maintenance:
    return maintain(project.settings, lambda line: None, now=now)


def test_a_killed_training_is_ended_and_its_snapshots_are_released(project: Project) -> None:
    stored = train(project, AS_OF, "whole", lambda line: None)
    tags = training_tags(project.lake)
    for step in KILLED_AFTER:
        killed(step, 1, train_tiny, project.settings)
    assert running_runs(project) == len(KILLED_AFTER)
    assert len(training_tags(project.lake)) > len(tags) > 0
    young = run_maintenance(project, None)
    assert (young.runs, young.tags, running_runs(project)) == ((), 0, len(KILLED_AFTER))
    removed = run_maintenance(project)
    assert (len(removed.runs), running_runs(project)) == (len(KILLED_AFTER), 0)
    assert training_tags(project.lake) == tags
    assert all(stored.run_id in tag for _, tag in tags)
    again = run_maintenance(project)
    assert (again.runs, again.tags) == ((), 0)


def test_a_training_that_a_clock_days_ahead_took_for_killed_keeps_its_snapshots(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Maintenance] = []
    store = Registry.log_lineage

    def maintained(*arguments: Any) -> None:
        removed.append(run_maintenance(project))
        store(*arguments)

    monkeypatch.setattr(Registry, "log_lineage", maintained)
    stored = train(project, AS_OF, "whole", lambda line: None)
    assert [len(maintenance.runs) for maintenance in removed] == [1] and removed[0].tags
    assert {stored.run_id in tag for _, tag in training_tags(project.lake)} == {True}
    assert project.registry.client.get_run(stored.run_id).info.status == "FINISHED"
    again = run_maintenance(project)
    assert (again.runs, again.tags) == ((), 0)


def test_empty_folders_of_dead_attempts_go_and_others_stay(project: Project) -> None:
    staged = Path(local_path(project.lake.warehouse)) / "staged"
    (staged / "features.tiny" / "2024-01-01-dead" / "deeper").mkdir(parents=True)
    young = run_maintenance(project, None)
    assert (staged / "features.tiny" / "2024-01-01-dead" / "deeper").is_dir() and young.scratch == 0
    run_maintenance(project)
    assert not (staged / "features.tiny" / "2024-01-01-dead").exists()
    assert not [folder for folder in staged.rglob("*") if folder.is_dir() and not any(folder.iterdir())]


def test_files_of_killed_spark_processes_go_when_nothing_in_them_is_young(project: Project) -> None:
    folder = Path(scratch_conf(project.settings)["spark.local.dir"])
    assert scratch_flag(project.settings) == f" -Djava.io.tmpdir={folder}"
    for name in ("blockmgr-old", "blockmgr-used"):
        (folder / name / "0a").mkdir(parents=True)
        (folder / name / "0a" / "block").write_bytes(b"rows")
    (folder / "liblz4.so").write_bytes(b"library")
    old = (datetime.now(UTC) - timedelta(days=4)).timestamp()
    for path in (*folder.rglob("*"),):
        if "used" not in str(path) or path.name != "block":
            os.utime(path, (old, old))
    assert remove_scratch(project.settings, datetime.now(UTC) - timedelta(days=3)) == 2
    assert [path.name for path in folder.iterdir()] == ["blockmgr-used"]


def test_a_folder_whose_name_a_flag_cannot_have_is_not_the_jvms(project: Project, tmp_path: Path) -> None:
    settings = project.settings.model_copy(update={"var": tmp_path / "my var"})
    assert scratch_flag(settings) == "" and scratch_conf(settings)["spark.local.dir"].endswith("my var/spark/scratch")


def test_the_command_says_what_it_removed(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with commands_in_this_process(project.settings.as_environment(), monkeypatch, capsys) as command:
        lines = command("maintain").out.splitlines()
    assert "raw.failures: 0 snapshots expired, 0 files removed" in lines
    assert lines[-1] == "this machine: 0 temporary folders of killed processes removed"
