"""A label that becomes a class, or is none any more: what the versions and nights of before are still used for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from databases import copy_mlflow

from nightshift.errors import TerminalError
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import CLASSES, TableSpec, raw_table, scores_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.estimate import estimate_performance
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.register import register
from nightshift.stages.score import scorable_files
from nightshift.stages.shadow import judge_challenger
from unit.registry.test_shadow import challenge
from unit.registry.trainings import NOTE, trained
from unit.tables import day

NAMES = ("running", "failed")
LABELS = {
    "condition": ("failed", "roc_auc: 0.5"),
    "class": (f"if(failed, 'failed', 'running')\n  type: category\n  classes: [{', '.join(NAMES)}]", "accuracy: 0.1"),
}
PREDICTED = {"condition": "a probability", "class": "a class"}
MACHINES = [f"m{number:02d}" for number in range(40)]
EITHER_WAY = pytest.mark.parametrize(("before", "now"), [("condition", "class"), ("class", "condition")])


@pytest.fixture
def settings(models: Path, tmp_path: Path, empty_mlflow: Path) -> Settings:
    copy_mlflow(empty_mlflow, tmp_path / "var")
    return Settings(home=PROJECT, var=tmp_path / "var", models_folder=models)


def declared(settings: Settings, label: str) -> Project:
    """The tiny model with a challenger in shadow, and a label of this kind."""
    file = settings.models_path / "tiny" / "model.yaml"
    text = file.read_text()
    for before, after in zip(LABELS["class" if label == "condition" else "condition"], LABELS[label], strict=True):
        text = text.replace(f"  expression: {before}\n", f"  expression: {after}\n").replace(
            f"{{{before}}}", f"{{{after}}}"
        )
    shadow = "promotion: {shadow: {nights: 5, metric: log_loss, margin: 0.01}}\n"
    file.write_text(text if shadow in text else text + shadow)
    return Project("tiny", settings)


def put(project: Project, spec: TableSpec, columns: dict[str, Any], inputs: dict[str, str]) -> None:
    night = pa.array([day(5)] * len(MACHINES), pa.date32())
    data = pa.table({"machine": MACHINES, spec.date_column: night, **columns}).select(list(spec.columns))
    publish(project.lake, spec, stage_arrow(project.lake, spec, data.cast(spec.schema), day(5), day(5), inputs))


def score(project: Project) -> None:
    """The champion's scores of a night, and its outcomes."""
    classes = project.classes_of(project.champions.require_champion())
    scores, count = np.linspace(0.51, 0.99, len(MACHINES)), len(MACHINES)
    columns: dict[str, Any] = {"score": scores, "model_version": [1] * count, "features_snapshot": [1] * count}
    columns |= {"scored_at": [datetime(2024, 1, 5, tzinfo=UTC)] * count}
    if classes is not None:
        columns |= {"prediction": [NAMES[1]] * count, "probability_failed": scores, "probability_running": 1 - scores}
    inputs = {CLASSES: json.dumps(NAMES)} if classes else {}
    put(project, scores_table(project.definition, classes.names if classes else ()), columns, inputs)
    put(project, raw_table(project.definition, "failures"), {"failed": scores > 0.7}, {})


@EITHER_WAY
def test_a_night_of_another_kind_of_version_is_measured_by_nothing(settings: Settings, before: str, now: str) -> None:
    project = declared(settings, before)
    register(project, trained(project, 1), NOTE, "run 1")
    score(project)
    measure_outcomes(project, day(6), "test")
    [accuracy] = [row for row in project.monitored(day(5), day(5), "outcome") if row["statistic"] == "log_loss"]
    assert accuracy["value"] is not None
    project = declared(settings, now)
    reason = f"version 1 predicts {PREDICTED[before]}, but the label is a {now}"
    assert {(row.value, row.verdict, row.detail) for row in estimate_performance(project, day(5), "test")} == {
        (None, "unknown", reason)
    }
    assert measure_outcomes(project, day(6), "test") == (day(5),)
    outcomes = {row["statistic"]: row for row in project.monitored(day(5), day(5), "outcome")}
    assert outcomes["label_coverage"]["detail"] == reason
    for metric in project.definition.prediction.metrics.names:
        assert (outcomes[metric]["value"], outcomes[metric]["verdict"]) == (None, "unknown")


@EITHER_WAY
def test_a_champion_of_another_kind_scores_no_night_and_makes_place_at_once(
    settings: Settings, before: str, now: str
) -> None:
    project = declared(settings, before)
    register(project, trained(project, 1), NOTE, "run 1")
    scorable_files(project, project.champions.require_champion())
    project = declared(settings, now)
    with pytest.raises(TerminalError, match=f"version 1 predicts {PREDICTED[before]}, but the label is a {now}"):
        scorable_files(project, project.champions.require_champion())
    assert register(project, trained(project, 2), NOTE, "run 2").role == "champion"
    assert register(project, trained(project, 3), NOTE, "run 3").role == "challenger"


@EITHER_WAY
def test_a_challenger_of_another_kind_is_retired(settings: Settings, before: str, now: str) -> None:
    project = declared(settings, before)
    for number in (1, 2):
        register(project, trained(project, number), NOTE, f"run {number}")
    project = declared(settings, now)
    assert judge_challenger(project, day(9), "test") == (
        f"challenger 2: retired, version 2 predicts {PREDICTED[before]}, but the label is a {now}"
    )
    assert project.registry.challenger() is None


def test_a_challenger_whose_package_is_lost_waits_until_its_time_is_up(settings: Settings) -> None:
    project = declared(settings, "class")
    register(project, trained(project, 1), NOTE, "run 1")
    challenge(project, 2)
    score(project)
    for file in (settings.var_path / "mlflow").rglob("task.json"):
        file.unlink()
    assert "0 of 5 nights that can be compared" in judge_challenger(Project("tiny", settings), day(9), "test")
