"""LightGBM, XGBoost and a pipeline of both libraries' kinds make real nights, and are made again bit for bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import lightgbm
import pytest
import xgboost
from nights import run_night

from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table, scores_table
from nightshift.project import Project
from nightshift.registry.store import Version
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.register import promote
from nightshift.stages.train import train

pytestmark = pytest.mark.spark

FIRST, BUILT = date(2024, 1, 1), date(2024, 1, 30)
LINEAR = "{class: sklearn.linear_model.LogisticRegression, params: {C: 1.0}}"
WEIGHTED = "weight: if(kind = 'a', 0.5, 1)\n  class_weight: balanced\n"
PIPELINE = """
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier


def make_estimator(params, seed, categories):
    encoded = (OneHotEncoder(handle_unknown="ignore"), categories)
    return make_pipeline(
        make_column_transformer(encoded, remainder="passthrough"), XGBClassifier(random_state=seed, **params)
    )
"""
DECLARED = {
    "lightgbm": "{class: lightgbm.LGBMClassifier, params: {n_estimators: 20, min_child_samples: 5, max_depth: 2}}",
    "xgboost": "{class: xgboost.XGBClassifier, params: {n_estimators: 20, max_depth: 2}}\n  " + WEIGHTED.rstrip("\n"),
    "pipeline": "{params: {n_estimators: 20, max_depth: 2}}\n  calibration: {method: sigmoid, period: 5d}",
}


@dataclass(frozen=True)
class ScoredNight:
    """A night that a version scored.

    Attributes:
        project: The model as it was trained.
        version: The champion of the night.
        night: Its date.
    """

    project: Project
    version: Version
    night: date


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> dict[str, ScoredNight]:
    """A champion of each kind, one after the other, and a night that each scored."""
    folder = tmp_path_factory.mktemp("estimators")
    models = Path(shutil.copytree(PROJECT / "tests" / "models", folder / "models"))
    settings, scored = Settings(home=PROJECT, var=folder / "var", models_folder=models), {}
    project = Project("tiny", settings)
    land(project, BUILT + timedelta(days=1))
    build_history(project, FIRST, BUILT, lambda line: None)
    file = models / "tiny" / "model.yaml"
    plain = file.read_text().replace("  impute: median\n", "")
    for offset, (kind, declared) in enumerate(DECLARED.items(), 1):
        file.write_text(plain.replace(LINEAR, declared))
        if kind == "pipeline":
            (models / "tiny" / "estimator.py").write_text(PIPELINE)
        project, night = Project("tiny", settings), BUILT + timedelta(days=offset)
        trained = train(project, BUILT, "test", lambda line: None)
        report = gate(project, trained, BUILT, "test", lambda line: None).report
        assert report.passed, report.summary()
        version = promote(project, trained, report.summary())
        run_night(project, night)
        scored[kind] = ScoredNight(project, version, night)
    return scored


@pytest.mark.parametrize("kind", DECLARED)
def test_the_scores_of_sparks_workers_are_those_of_the_registered_version(
    nights: dict[str, ScoredNight], kind: str
) -> None:
    project, version, night = nights[kind].project, nights[kind].version, nights[kind].night
    rows = read_dates(project.lake, features_table(project.definition), night, night)
    scores = read_dates(project.lake, scores_table(project.definition), night, night)
    assert set(scores["model_version"].to_pylist()) == {version.number}
    expected = project.registry.package(version.run_id, version.digest).score(rows).tolist()
    by_machine = dict(zip(scores["machine"].to_pylist(), scores["score"].to_pylist(), strict=True))
    assert by_machine == dict(zip(rows["machine"].to_pylist(), expected, strict=True))
    assert len(set(expected)) > 10


@pytest.mark.parametrize("kind", DECLARED)
def test_a_version_is_made_again_bit_for_bit_in_another_process_of_other_threads(
    nights: dict[str, ScoredNight], kind: str
) -> None:
    project, version = nights[kind].project, nights[kind].version
    command = [sys.executable, "-c", "from nightshift.cli import main; main()", "reproduce", "tiny"]
    environment = os.environ | project.settings.as_environment() | {"PYTHONPATH": str(PROJECT / "include")}
    done = subprocess.run(
        [*command, str(version.number)], capture_output=True, text=True, env=environment | {"OMP_NUM_THREADS": "1"}
    )
    assert f"identical, digest {version.digest}" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "name", "installed"), [
    ("lightgbm", "lightgbm", lightgbm), ("xgboost", "xgboost", xgboost), ("pipeline", "xgboost", xgboost)
])  # fmt: skip
def test_the_lineage_has_the_version_of_the_library(
    nights: dict[str, ScoredNight], kind: str, name: str, installed: object
) -> None:
    project, version = nights[kind].project, nights[kind].version
    lineage, _ = project.registry.lineage(version.run_id)
    assert lineage["libraries"][name] == getattr(installed, "__version__", None)
    run = project.registry.client.get_run(version.run_id).data
    assert run.metrics["importance.busy"] > 0.05
    assert ("training.class_weight" in run.params) == (kind == "xgboost")
