"""A model whose definition is gone is deleted with everything that it left, and with nothing of another model."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import Result
from prepared import PreparedInstallation
from typer.testing import CliRunner

from nightshift.alerts.alert import AlertRun, failed_run_alert
from nightshift.alerts.deliver import deliver, read_alerts
from nightshift.cli import app
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.inventory import list_tables
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table, scores_table, tiles_table
from nightshift.project import Project
from nightshift.quality.docs import docs_folder
from nightshift.registry.events import read_events
from nightshift.settings import PROJECT, Settings, get_settings
from nightshift.stages import delete as stage
from nightshift.types import Measurement
from unit.registry.trainings import promoted

NIGHT = date(2024, 1, 2)
STEPS = ("remove_from_mlflow", "remove_alerts", "remove", "delete_model_tables")

Run = Callable[..., Result]


@pytest.fixture
def settings(models: Path, prepared_installation: PreparedInstallation) -> Settings:
    """Two models that share a source: `tiny`, and `second`, which has another one for its outcomes."""
    text = (models / "tiny" / "model.yaml").read_text().replace("name: tiny", "name: second")
    (models / "second").mkdir()
    (models / "second" / "model.yaml").write_text(
        text.replace("\n  failures:", "\n  results:").replace(": failures", ": results")
    )
    settings = Settings(home=PROJECT, var=prepared_installation.var, models_folder=models)

    def prepare() -> None:
        for model in ("tiny", "second"):
            leave_everything(Project(model, settings))

    prepared_installation.clear()
    prepared_installation.start("two models that share a source", prepare)
    return settings


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield lambda *words, answer="": CliRunner().invoke(app, list(words), input=answer)
    get_settings.cache_clear()


def leave_everything(project: Project) -> None:
    """What a model has after a night: rows in every layer, a version, an alert, pages."""
    definition, lake = project.definition, project.lake
    inputs = {raw_table(definition, name).name: "1" for name in definition.sources}
    specs = [table(definition, name) for name in definition.sources for table in (raw_table, tiles_table)]
    for spec in (*specs, features_table(definition), scores_table(definition)):
        split: dict[str, str | int] = {"model": definition.name, "days": 1} if "days" in spec.split_by else {}
        row: dict[str, Any] = {spec.date_column: NIGHT, "machine": "m1"} | split
        publish(lake, spec, stage_arrow(lake, spec, table_of(spec, row), NIGHT, NIGHT, inputs, split))
    project.record("drift", NIGHT, [Measurement("x", "psi", 0.1)], "test")
    promoted(project, 1)
    run = AlertRun(
        f"{definition.name}.score", "r1", str(NIGHT), "2024-01-05T06:31:00+00:00", "score", "http://127.0.0.1"
    )
    deliver(failed_run_alert(run, "?"), project.settings)
    page = Path(docs_folder(project.settings.quality_docs_uri, definition.name, "run")) / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("?")


def table_of(spec: TableSpec, row: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in spec.schema.names}], schema=spec.schema)


def traces(settings: Settings, model: str) -> dict[str, Any]:
    """What an installation has of a model."""
    lake, project = Lake(settings), Project("tiny", settings)
    client = project.registry.client
    word = f"{model}."
    tables = [entry.table for entry in list_tables(lake, {}) if entry.table.endswith(f".{model}")]
    return {
        "tables": tables,
        "events": len(read_events(lake, model)),
        "registered": [m.name for m in client.search_registered_models() if m.name == model],
        "experiments": [e.name for e in client.search_experiments() if e.name in {model} or e.name.startswith(word)],
        "alerts": [alert["incident"] for alert in read_alerts(settings) if alert["model"] == model],
        "pages": list((settings.var_path / "quality").glob(f"{model}*/**/*.html")),
        "files": [str(f) for f in (settings.var_path / "warehouse").rglob("*.parquet") if f".{model}/" in str(f)],
    }


def everything(settings: Settings) -> tuple[dict[str, Any], list[str]]:
    lake = Lake(settings)
    rows = {e.table: e.rows for e in list_tables(lake, {})}
    return traces(settings, "second"), sorted(f"{name}: {count}" for name, count in rows.items())


def test_a_model_goes_after_a_confirmation_and_the_other_stays(settings: Settings, run: Run, models: Path) -> None:
    other = traces(settings, "tiny")
    kept = run("delete", "second", "--yes")
    assert isinstance(kept.exception, TerminalError) and str(models / "second") in str(kept.exception)
    shutil.rmtree(models / "second")
    before = everything(settings)
    declined = run("delete", "second", answer="n\n")
    assert "not confirmed: nothing is deleted" in str(declined.exception) and everything(settings) == before
    for line in (
        "features.second: 1 rows of 2024-01-02 to 2024-01-02",
        "raw.results: 1 rows",
        "raw.plan stays, it is used by tiny",
        "tiles.plan: its 1 rows; the table stays",
        "monitoring.registry_events: its 2 rows; the table stays",
        "MLflow: the registered model with 1 versions",
        "1 alerts",
    ):
        assert line in declined.stdout, declined.stdout
    assert run("delete", "second", answer="y\n").exit_code == 0
    gone, tables = everything(settings)
    assert not any(gone.values()), gone
    assert [name.split(":")[0] for name in tables if "plan" in name or "failures" in name] == [
        "raw.failures", "raw.plan", "tiles.failures", "tiles.plan",
    ]  # fmt: skip
    assert "tiles.plan: 1" in tables and traces(settings, "tiny") == other
    plan = Project("tiny", settings)
    assert read_dates(plan.lake, raw_table(plan.definition, "plan"), NIGHT, NIGHT).num_rows == 1
    assert "nothing of the model is left" in str(run("delete", "second", "--yes").exception)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_interrupted_and_run_again_it_ends_the_same(
    settings: Settings, run: Run, models: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    shutil.rmtree(models / "second")
    real = getattr(stage, step)

    def interrupted(*arguments: Any) -> None:
        if after:
            real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, step, interrupted)
        run("delete", "second", "--yes")
    run("delete", "second", "--yes")
    gone, tables = everything(settings)
    assert not any(gone.values()), gone
    assert not [line for line in tables if "results" in line or "second" in line]


def test_a_drop_that_was_killed_after_the_catalog_forgot_the_table_is_finished(
    settings: Settings, run: Run, models: Path
) -> None:
    shutil.rmtree(models / "second")
    lake = Lake(settings)
    for name in ("raw.results", "scores.second"):
        lake.catalog.drop_table(name)
    run("delete", "second", "--yes")
    assert not traces(settings, "second")["files"]
    assert not list((settings.var_path / "warehouse" / "raw" / "results").rglob("*.*"))


def test_the_records_of_its_dags_are_named(settings: Settings, run: Run, models: Path) -> None:
    shutil.rmtree(models / "second")
    file = settings.var_path / "airflow" / "airflow.db"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as database:
        database.execute("create table dag (dag_id text)")
        dags = ["second.score", "second.train", "tiny.score", "second_half.score"]
        database.executemany("insert into dag values (?)", [(dag,) for dag in dags])
    assert "Airflow: the records of second.score, second.train\n" in run("delete", "second", answer="n\n").stdout
