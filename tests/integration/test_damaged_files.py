"""Damaged data files: whoever reads them names them, and the command in the message writes their rows again."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from disks import filled, mounted
from nights import run_night
from unit.cli.commands import Command, commands_in_this_process
from unit.lake.test_damage import flip
from unit.registry.trainings import promoted

from nightshift.errors import TerminalError
from nightshift.lake.read import data_files, read_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import registry_events_table, table_spec
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.service_errors import explain
from nightshift.settings import PROJECT, Settings
from nightshift.stages import by_hand
from nightshift.stages.history import build_history
from nightshift.stages.train import train

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("jobs_in_this_process")]

FIRST, BUILT, BEFORE, NIGHT = date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 9), date(2024, 1, 10)
# The columns that name what a row was made from: computed again, it is made from files that were written again.
MADE_FROM = {"features_snapshot", "made_from", "run_id"}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "empty": lambda file: file.write_bytes(b""),
    "other bytes": lambda file: file.write_bytes(b"x" * file.stat().st_size),
    "flipped bytes": flip,
    "folder removed": lambda file: shutil.rmtree(file.parent),
}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """Two scored nights after a week of history."""
    var = tmp_path_factory.mktemp("damaged") / "var"
    project = Project("tiny", Settings(home=PROJECT, var=var, models_folder=PROJECT / "tests" / "models"))
    land(project, NIGHT)
    build_history(project, FIRST, BUILT, lambda line: None)
    promoted(project, 5)
    for night in (BEFORE, NIGHT):
        run_night(project, night)
    return project


@pytest.fixture
def nightshift(
    scored: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    with commands_in_this_process(scored.settings.as_environment(), monkeypatch, capsys) as command:
        yield command


def files_of(project: Project, table: str, day: date) -> list[Path]:
    files = data_files(project.lake, table_spec(project.definition, table), day, day)
    return [Path(file.removeprefix("file://")) for file in files]


def rows_of(project: Project, table: str) -> list[str]:
    """All rows of a table, without what they were made from."""
    names, rows = run_sql(project.lake, f"select * from {table}")
    return sorted(
        str({name: value for name, value in zip(names, row, strict=True) if name not in MADE_FROM}) for row in rows
    )


def command_in(message: str) -> list[str]:
    """The command that a message says to run."""
    found = re.search(r"fix: nightshift ([^;,]*)[;,]", message)
    assert found, message
    return shlex.split(found[1])


@pytest.mark.parametrize(
    ("table", "day", "damage"),
    [
        ("raw.plan", NIGHT, "folder removed"),
        ("raw.plan", BEFORE, "flipped bytes"),
        ("raw.failures", BEFORE, "missing"),
        ("features.tiny", NIGHT, "other bytes"),
        ("scores.tiny", NIGHT, "truncated"),
    ],
)
def test_the_command_in_the_message_gives_the_same_rows_back(
    scored: Project, nightshift: Command, table: str, day: date, damage: str
) -> None:
    before, [file] = rows_of(scored, table), files_of(scored, table, day)
    DAMAGES[damage](file)
    ended = nightshift("sql", f"select count(columns(*)) from {table}")
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith(f"{table} of {day}: a data file ") and str(file) in ended.err
    assert ended.err.count("\n") == 1
    healed = nightshift(*command_in(ended.err))
    assert (healed.code, healed.err) == (0, ""), healed
    assert rows_of(scored, table) == before


def test_many_damaged_dates_are_written_again_at_once(scored: Project, nightshift: Command) -> None:
    """Also where the checks of a date compare it with dates that are damaged too."""
    tables = ("raw.plan", "raw.failures", "tiles.failures", "features.tiny")
    before = {table: rows_of(scored, table) for table in tables}
    for table in tables:
        shutil.rmtree(Path(scored.settings.warehouse_uri.removeprefix("file://")) / "staged" / table)
    healed = nightshift("build", "tiny", "--from", str(FIRST), "--to", str(NIGHT))
    assert (healed.code, healed.err) == (0, ""), healed
    assert {table: rows_of(scored, table) for table in tables} == before


def measured(project: Project) -> list[str]:
    """The monitored values, without what names the files that they were measured on."""
    return [row for row in rows_of(project, "monitoring.tiny") if "'made_from'" not in row]


@pytest.mark.parametrize("monitor", ["outcome", "decision"])
def test_monitored_values_are_measured_again(scored: Project, nightshift: Command, monitor: str) -> None:
    before = measured(scored)
    spec = table_spec(scored.definition, "monitoring.tiny")
    [file] = data_files(scored.lake, spec, BEFORE, BEFORE, split={"monitor": monitor})
    DAMAGES["truncated"](Path(file.removeprefix("file://")))
    ended = nightshift("status", "tiny")
    assert ended.code == 2 and f"monitoring.tiny of {BEFORE}: a data file has" in ended.err
    healed = nightshift(*command_in(ended.err))
    assert (healed.code, healed.err) == (
        0,
        f"{BEFORE}: what {monitor} measured was lost with its file, and is measured again\n",
    ), healed
    assert measured(scored) == before


def stage_night(project: Project, job: str) -> object:
    return by_hand.stage(project, job, NIGHT, lambda line: None)


def build_night(project: Project) -> None:
    build_history(project, NIGHT, NIGHT, lambda line: None)


JOBS: dict[str, tuple[str, date, Callable[[Project], object]]] = {
    "features from raw rows": ("raw.plan", NIGHT, lambda project: stage_night(project, "features")),
    "features from tiles": ("tiles.failures", BUILT, build_night),
    "scores": ("features.tiny", NIGHT, lambda project: stage_night(project, "score")),
    "training": ("features.tiny", BUILT, lambda project: train(project, NIGHT, "test", lambda line: None)),
}


@pytest.mark.parametrize(("job", "damage"), zip(JOBS, ["missing", "flipped bytes"] * 2, strict=True))
def test_a_job_ends_with_the_line_that_names_the_file_and_its_command_heals_it(
    scored: Project, nightshift: Command, job: str, damage: str
) -> None:
    table, day, run = JOBS[job]
    before, [file] = rows_of(scored, table), files_of(scored, table, day)
    DAMAGES[damage](file)
    with pytest.raises(TerminalError) as failure:
        run(scored)
    line = str(failure.value)
    assert line.startswith(f"{table} of {day}: a data file ") and str(file) in line and "\n" not in line
    assert nightshift(*command_in(line)).code == 0
    run(scored)
    assert rows_of(scored, table) == before


COMMANDS = {
    "parity": ("features.tiny", ["parity", "tiny", "--night", str(NIGHT), "--url", "http://127.0.0.1:9"]),
    "parity of observations": ("raw.plan", ["parity", "tiny", "--night", str(NIGHT), "--url", "http://127.0.0.1:9"]),
    "thresholds": ("monitoring.tiny", ["replay-policy", "tiny", "--from", str(NIGHT), "--to", str(NIGHT)]),
    "leakcheck": ("features.tiny", ["leakcheck", "tiny", "--dates", str(NIGHT)]),
    "skew": ("features.tiny", ["skew", "tiny", "--night", str(NIGHT)]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_name_the_damaged_file(scored: Project, nightshift: Command, name: str) -> None:
    table, words = COMMANDS[name]
    file = files_of(scored, table, NIGHT)[0]
    content = file.read_bytes()
    file.unlink()
    try:
        ended = nightshift(*words)
    finally:
        file.write_bytes(content)
    assert ended.code == 2 and f"{table} of {NIGHT}: a data file is missing: file://{file}; fix: " in ended.err, ended


def test_the_events_of_versions_come_from_a_backup_alone(scored: Project, nightshift: Command) -> None:
    """Nothing can say again what was decided, so no command goes on without it."""
    [file] = [
        Path(file.removeprefix("file://"))
        for file in data_files(scored.lake, registry_events_table(), date.min, date.max)
    ][:1]
    content, champion = file.read_bytes(), nightshift("champion", "tiny").out
    file.write_bytes(b"")
    for words in (["champion", "tiny"], ["score", "tiny", "--night", str(NIGHT)], ["train", "tiny"]):
        ended = nightshift(*words)
        assert ended.code == 2 and "monitoring.registry_events of 2024-01-05: a data file has 0 of" in ended.err, ended
        assert ended.err.endswith("; fix: restore the file from a backup\n")
    file.write_bytes(content)
    assert nightshift("champion", "tiny").out == champion


# What a command says when a disk is full: of a file, of SQLite's database, of a job that could not say how it ended.
FULL = "no space is left on the disk|database or disk is full|disk I/O error|Spark job .* ended with exit code 75"


def test_a_night_that_met_a_full_disk_ends_up_as_an_undisturbed_one(scored: Project, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        project = Project("tiny", Settings(home=PROJECT, var=disk / "var", models_folder=scored.settings.models_folder))
        land(project, BEFORE)
        build_history(project, FIRST, BUILT, lambda line: None)
        promoted(project, 5)
        failed = 0
        for free in (0, 48, 160, 400):
            with filled(disk, free * 1024):
                try:
                    run_night(project, BEFORE)
                except Exception as failure:
                    failed += 1
                    error = explain(failure)
                    assert error is not None and re.search(FULL, str(error)), failure
        assert failed
        run_night(project, BEFORE)
        tables = {"raw.plan": BEFORE, "raw.failures": BUILT, "features.tiny": BEFORE, "scores.tiny": BEFORE}
        for table, last in tables.items():
            spec = table_spec(project.definition, table)
            here, there = (read_dates(lake, spec, FIRST, last) for lake in (project.lake, scored.lake))
            columns = [name for name in spec.columns if name not in MADE_FROM]
            order = [(name, "ascending") for name in spec.key]
            assert here.select(columns).sort_by(order) == there.select(columns).sort_by(order), table
