from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.errors import DefinitionError, TerminalError
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import Settings, get_settings
from nightshift.stages.ingest import ingest
from nightshift.stages.publish import publish
from nightshift.types import Measurement
from unit.cli.commands import Command
from unit.definition.test_shared_sources import share
from unit.tables import day

LONG = "x" * 200
QUERY = f"select '{LONG}' as first, '{LONG}' as second, null as third, '[red]1,2' as fourth"


def test_a_query_prints_whole_values_to_a_pipe(process: Command) -> None:
    ended = process("sql", QUERY)
    assert (ended.code, ended.err) == (0, "")
    [row] = [line for line in ended.out.splitlines() if LONG in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [LONG, LONG, "", "[red]1,2"]


def test_csv_and_json_hold_the_same_values(nightshift: Command) -> None:
    names, row = csv.reader(nightshift("sql", QUERY, "--format", "csv").out.splitlines())
    assert (names, row) == (["first", "second", "third", "fourth"], [LONG, LONG, "", "[red]1,2"])
    assert json.loads(nightshift("sql", QUERY, "--format", "json").out) == [
        {"first": LONG, "second": LONG, "third": None, "fourth": "[red]1,2"}
    ]


@pytest.fixture
def run(settings: Settings, models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs a command in an installation whose definitions a test may change."""
    installation = settings.model_copy(update={"models_folder": models})
    for name, value in installation.as_environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield lambda *words, answer="": CliRunner().invoke(app, list(words), input=answer)
    get_settings.cache_clear()


def run_night(model: str) -> None:
    """Lands the files of a day and publishes its raw rows."""
    project = Project(model)
    land(project, day(2))
    publish(project, ingest(project, day(2)))
    project.record("drift", day(2), [Measurement("x", "psi", 0.1)], "test")


def write_second(models: Path, *changes: tuple[str, str]) -> None:
    text = (models / "tiny" / "model.yaml").read_text()
    for old, new in (("name: tiny", "name: second"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    folder = models / "second"
    folder.mkdir(exist_ok=True)
    (folder / "model.yaml").write_text(text)
    shutil.copy(models / "tiny" / "landing.py", folder)


def orphans(run: Callable[..., Result]) -> list[str]:
    return [row["table"] for row in json.loads(run("tables", "--orphans", "--format", "json").stdout)]


def test_two_models_of_one_source_from_the_conflict_to_the_dropped_tables(
    run: Callable[..., Result], models: Path
) -> None:
    tiny, second = (models / name / "model.yaml" for name in ("tiny", "second"))
    write_second(models, ("path: outcomes/{date}.parquet", "path: results/{date}.parquet"))
    for command in (["validate", "second"], ["build", "second", "--from", "2024-01-01", "--to", "2024-01-02"]):
        refused = run(*command)
        says = refused.stderr + str(refused.exception)
        assert refused.exit_code and f"{second}:" in says and f"{tiny}:" in says

    share(models, "plan")
    write_second(
        models,
        ("  failures:", "  results:"),
        ("source: failures\n  expr", "source: results\n  expr"),
        ("source: failures\n      by", "source: results\n      by"),
    )
    assert run("validate").exit_code == 0
    (models / "second" / "landing.py").write_text(
        (models / "tiny" / "landing.py").read_text().replace('"failures"', '"results"')
    )
    for model in ("tiny", "second"):
        run_night(model)
    assert orphans(run) == []
    assert run("drop", "raw.plan", "--yes").exception.received == "second, tiny"

    shutil.rmtree(models / "second")
    assert orphans(run) == ["monitoring.second", "raw.results"]
    declined = run("drop", "raw.results", answer="n\n")
    assert isinstance(declined.exception, TerminalError) and "not confirmed" in str(declined.exception)
    assert "raw.results: 60 rows of 2024-01-01 to 2024-01-01" in declined.stdout
    assert run("drop", "raw.results", answer="y\n").exit_code == 0
    assert run("drop", "monitoring.second", "--yes").exit_code == 0
    assert orphans(run) == []
    assert isinstance(run("drop", "raw.results", "--yes").exception, TerminalError)
    run_night("tiny")


@pytest.mark.parametrize("table", ["raw.plan", "monitoring.tiny", "raw.nothing", "nothing"])
def test_no_table_of_a_definition_is_dropped(run: Callable[..., Result], table: str) -> None:
    run_night("tiny")
    before = run("tables", "--format", "json").stdout
    assert isinstance(run("drop", table, "--yes").exception, TerminalError)
    assert run("tables", "--format", "json").stdout == before


def test_nothing_is_dropped_while_a_definition_cannot_be_read(run: Callable[..., Result], models: Path) -> None:
    """It may use any table."""
    run_night("tiny")
    shutil.rmtree(models / "tiny")
    assert "raw.plan" in orphans(run)
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text("sources: [")
    assert isinstance(run("drop", "raw.plan", "--yes").exception, DefinitionError)
    (models / "broken" / "model.yaml").write_text("sources: {plan: {unknown: key}}")
    assert run("drop", "raw.plan", "--yes").exception.received == "broken"
