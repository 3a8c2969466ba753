"""A challenger beside the champion in a real Spark job: what is published, and that it harms nobody."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from nightshift.compute.job import Job, run_job
from nightshift.lake.read import read_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.staging import load_staged, new_attempt
from nightshift.lake.tables import features_table, scores_table, shadow_table
from nightshift.project import Project
from nightshift.quality.docs import docs_folder, read_docs
from nightshift.registry.store import ARTIFACT
from nightshift.replay.landing import land
from nightshift.scoring.batches import Scorer
from nightshift.settings import PROJECT, Settings
from nightshift.stages import publish as publish_stage
from nightshift.stages import score as score_stage
from nightshift.stages.audit import audit
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.publish import publish as publish_staged
from nightshift.stages.register import register as register_model
from nightshift.stages.train import train
from nightshift.status import night_statuses
from nightshift.types import PROBLEM

pytestmark = pytest.mark.spark

FIRST, BUILT, NIGHT = date(2024, 1, 1), date(2024, 1, 30), date(2024, 1, 31)
SHADOW = "{shadow: {nights: 5, metric: roc_auc, margin: 0.05}}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """A month of history and the features of one more night, a champion, and a challenger of another kind."""
    folder = tmp_path_factory.mktemp("shadow")
    shutil.copytree(PROJECT / "tests" / "models", folder / "models")
    file = folder / "models" / "tiny" / "model.yaml"
    file.write_text(f"{file.read_text()}\npromotion: {SHADOW}\n")
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=folder / "models")
    project = Project("tiny", settings)
    land(project, NIGHT)
    build_history(project, FIRST, NIGHT, lambda text: None)
    assert register(project, BUILT) == (1, "champion")
    file.write_text(file.read_text().replace("C: 1.0", "C: 0.01"))
    project = Project("tiny", settings)
    assert register(project, NIGHT) == (2, "challenger")
    return project


def register(project: Project, as_of: date) -> tuple[int, str]:
    trained = train(project, as_of, "test", lambda text: None)
    report = gate(project, trained, as_of, "test").report
    registration = register_model(project, trained, report.summary(), f"train {as_of}")
    return registration.version.number, registration.role


def submitted(project: Project) -> tuple[list[str], list[str]]:
    """The sets a job of its own staged, and what it said."""
    arguments = ["--model", "tiny", "--attempt", new_attempt(NIGHT, NIGHT), "--night", str(NIGHT)]
    said: list[str] = []
    job = Job("score", (*arguments, "--at", f"{NIGHT}T06:00:00+00:00"))
    return list(run_job(project.settings, job, said.append).staged), said


def scores_of(project: Project, version: int) -> dict[str, float]:
    """What a version gives the night, outside of Spark."""
    found = project.registry.version(version)
    features = read_dates(project.lake, features_table(project.definition), NIGHT, NIGHT)
    package = project.registry.package(found.run_id, found.digest)
    return dict(zip(features["machine"].to_pylist(), package.score(features).tolist(), strict=True))


def by_machine(rows: pa.Table) -> dict[str, float]:
    return dict(zip(rows["machine"].to_pylist(), rows["score"].to_pylist(), strict=True))


def quality(project: Project, run: str) -> dict[tuple[str, str], dict]:
    kept = project.monitored(NIGHT, NIGHT)
    return {(r["subject"], r["statistic"]): r for r in kept if r["monitor"] == "quality.shadow" and r["run_id"] == run}


def test_both_score_in_one_job_and_each_ones_rows_are_in_a_table_of_their_own(project: Project) -> None:
    staged, said = submitted(project)
    assert "champion: version 1" in said and "challenger: version 2" in said
    assert [load_staged(one).table for one in staged] == ["scores.tiny", "shadow.tiny"]
    audited = audit(project, staged, NIGHT, "both")
    assert audited.locations == tuple(staged) and audited.left_out == audited.warnings == ()
    assert set(publish_staged(project, audited.locations).snapshots) == {"scores.tiny", "shadow.tiny"}
    published = read_dates(project.lake, scores_table(project.definition), NIGHT, NIGHT)
    beside = read_dates(project.lake, shadow_table(project.definition), NIGHT, NIGHT)
    assert by_machine(published) == pytest.approx(scores_of(project, 1))
    assert by_machine(beside) == pytest.approx(scores_of(project, 2))
    assert set(published["model_version"].to_pylist()) == {1} and set(beside["model_version"].to_pylist()) == {2}
    assert published["features_snapshot"][0] == beside["features_snapshot"][0]
    assert not np.allclose(published["score"].to_numpy(), beside["score"].to_numpy())
    kept = quality(project, "both")
    assert {row["verdict"] for row in kept.values()} == {"pass"}
    assert kept["challenger 2", "scored"]["value"] == 60
    assert any(subject == "shadow.tiny: score" for subject, _ in kept)
    assert [one.table for one in read_docs(docs_folder(project.settings.quality_docs_uri, "tiny", "both"))] == [
        "scores.tiny", "shadow.tiny",
    ]  # fmt: skip


def test_a_challenger_whose_artifact_was_changed_is_left_out_and_the_night_is_published(project: Project) -> None:
    challenger = project.registry.version(2)
    folder = Path(project.settings.artifact_root) / "tiny" / challenger.run_id / "artifacts" / ARTIFACT
    good = (folder / "encoder.json").read_bytes()
    (folder / "encoder.json").write_bytes(good + b" ")
    try:
        staged, said = submitted(project)
    finally:
        (folder / "encoder.json").write_bytes(good)
    assert any(
        "challenger: version 2 failed: TerminalError: the model's artifact is not the one" in line for line in said
    )
    told: list[str] = []
    audited = audit(project, staged, NIGHT, "changed", told.append)
    [why] = audited.left_out
    assert why.startswith(
        "challenger 2 has no scores of this night: TerminalError: the model's artifact is not the one"
    )
    assert why in told and why in audited.summary
    assert audited.locations == (staged[0],)
    assert set(publish_staged(project, audited.locations).snapshots) == {"scores.tiny"}
    [row] = quality(project, "changed").values()
    assert (row["subject"], row["verdict"], row["model_version"]) == ("challenger 2", "fail", 2)
    [status] = night_statuses(project)
    assert status.complete and status.quality.startswith("pass")


class Deadly(Scorer):
    """A challenger that takes the worker's process along."""

    def scores(self, rows: pa.RecordBatch) -> pa.Array:
        if self.spec.split_by:
            os._exit(1)
        return super().scores(rows)


@pytest.fixture
def this_module_in_workers() -> Iterator[None]:
    """Spark's workers get what this module defines: they cannot import it."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.usefixtures("this_module_in_workers")
def test_a_challenger_that_takes_the_process_along_does_not_take_the_night(
    project: Project, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_stage, "Scorer", Deadly)
    session: Future[SparkSession] = Future()
    session.set_result(spark)
    at = datetime(2024, 1, 31, 6, tzinfo=UTC)
    champion, challenger = score_stage.stage_scores(project, session, NIGHT, new_attempt(NIGHT, NIGHT), at)
    assert champion.rows == 60 and challenger.rows == 0
    assert "crashed" in challenger.inputs[PROBLEM]
    assert audit(project, [champion.location, challenger.location], NIGHT, "deadly").locations == (champion.location,)


def test_scores_that_fail_their_audit_are_left_out(project: Project) -> None:
    staged, _ = submitted(project)
    short = replace(load_staged(staged[1]), files=(), rows=0)
    beside = Path(short.location.removeprefix("file://")) / "_staged.json"
    beside.write_text(json.dumps(short.to_json()))
    audited = audit(project, staged, NIGHT, "short")
    assert audited.locations == (staged[0],)
    assert "challenger 2 has no scores of this night: shadow.tiny 2024-01-31: " in audited.left_out[0]


def test_a_shadow_that_cannot_be_published_stops_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, _ = submitted(project)
    real = publish_stage.commit

    def publish(lake: Any, spec: Any, one: Any) -> int:
        if one.table == "shadow.tiny":
            raise OSError("no space left")
        return real(lake, spec, one)

    monkeypatch.setattr(publish_stage, "commit", publish)
    assert set(publish_staged(project, staged).snapshots) == {"scores.tiny"}


def test_what_a_challenger_gave_is_never_among_the_published_scores(project: Project) -> None:
    assert run_sql(project.lake, "select distinct model_version from scores.tiny")[1] == [(1,)]
    assert run_sql(project.lake, "select distinct model_version from shadow.tiny")[1] == [(2,)]


def test_a_night_after_going_to_the_challenger_is_its_own_and_nobodys_shadow(project: Project) -> None:
    project.champions.roll_back("me", 2)
    [location], said = submitted(project)
    assert load_staged(location).inputs["model_version"] == "2"
    assert not any(line.startswith("challenger:") for line in said)
