"""The whole loop without Airflow, on the tests' tiny model: real Spark, real Iceberg, real MLflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from nights import score_night, stage
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.gate import AgainstChampion, Slices
from nightshift.definition.load import definition_files
from nightshift.errors import DataError, NotYetAvailable, TerminalError
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.publish import publish
from nightshift.lake.read import published_dates, read_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.staging import load_staged, published_inputs, stage_arrow
from nightshift.lake.tables import raw_table, scores_table
from nightshift.monitoring.night_profile import PROFILE, NightProfile, Profiler
from nightshift.project import Project
from nightshift.quality.docs import docs_folder, read_docs
from nightshift.quality.expectation import MIX
from nightshift.registry.bins import NumberBins
from nightshift.registry.reference import NO_REFERENCE
from nightshift.registry.store import ARTIFACT
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit
from nightshift.stages.decide import decide
from nightshift.stages.drift import measure_drift, scored_features
from nightshift.stages.estimate import estimate_performance
from nightshift.stages.gate import GATE_PAGE
from nightshift.stages.gate import gate as run_gate
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.publish import publish as publish_staged
from nightshift.stages.register import promote
from nightshift.stages.reproduce import reproduce
from nightshift.stages.train import StoredModel, fit_model, train
from nightshift.stages.wait import files_not_landed
from nightshift.status import night_statuses
from nightshift.training import lineage

pytestmark = pytest.mark.spark

FIRST, BUILT, NIGHT = date(2024, 1, 1), date(2024, 1, 30), date(2024, 1, 31)
MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """A month of history, features and a first champion."""
    project = Project("tiny", Settings(home=PROJECT, var=tmp_path_factory.mktemp("tiny"), models_folder=MODELS))
    land(project, NIGHT)
    build_history(project, FIRST, BUILT, lambda text: None)
    with pytest.raises(NotYetAvailable, match=r"no champion.*tiny\.train"):
        project.champions.require_champion()
    trained = train(project, BUILT, "first", lambda text: None)
    report = run_gate(project, trained, BUILT, "test").report
    assert report.passed, report.summary()
    assert promote(project, trained, report.summary()).number == 1
    return project


@pytest.fixture(scope="module")
def night(project: Project) -> Project:
    """One night, stage by stage."""
    assert files_not_landed(project, NIGHT) == ()
    score_night(project, NIGHT, "test")
    return project


def test_the_scored_table_holds_exactly_the_observations_with_their_version(night: Project) -> None:
    names, rows = run_sql(
        night.lake,
        "select count(*), count(distinct machine), min(score), max(score), min(model_version), max(scored_at)::varchar "
        "from scores.tiny",
    )
    count, machines, least, most, version, at = rows[0]
    assert (count, machines, version) == (60, 60, 1)
    assert 0 <= least < most <= 1
    assert str(at).startswith("2024-01-31 06:00:00")
    assert names[0] == "count_star()"


def test_a_version_is_made_again_bit_for_bit_in_another_process(night: Project) -> None:
    """Though its tables were published to since, and maintenance has expired what nobody keeps."""
    for _ in range(3):
        publish_staged(night, ingest(night, NIGHT))
    maintain_tables(night.lake, lambda line: None, now=datetime.now(UTC) + timedelta(days=365))
    command = [sys.executable, "-c", "from nightshift.cli import main; main()", "reproduce", "tiny", "1"]
    environment = os.environ | night.settings.as_environment() | {"PYTHONPATH": str(PROJECT / "include")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"identical, digest {night.registry.version(1).digest}" in done.stdout


def test_what_differs_from_then_is_named(night: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit_another(*arguments: Any) -> Any:
        fitted = fit_model(*arguments)
        return replace(fitted, package=replace(fitted.package, reference=NO_REFERENCE), rows=fitted.rows.slice(1))

    monkeypatch.setattr("nightshift.stages.reproduce.fit_model", fit_another)
    monkeypatch.setattr(lineage, "version", lambda name: "0.1")
    again = reproduce(night, 1, lambda line: None)
    assert not again.identical
    told = "; ".join(again.differences)
    assert "the rows: " in told and "the number of rows: " in told
    assert re.search(r"scikit-learn: [\d.]+ then, 0\.1 now", told)
    assert "the definition" not in told


def test_the_lineage_of_a_version_names_what_it_was_made_from(night: Project) -> None:
    told, files = night.registry.lineage(night.registry.version(1).run_id)
    assert files == definition_files(night.definition)
    assert told["reason"] == "first" and told["as_of"] == str(BUILT)
    assert told["rows"] > told["positives"] > 0
    assert set(told["snapshots"]) == {"features.tiny", "raw.failures"}
    tags = night.lake.table("features.tiny").refs()
    assert any(ref.snapshot_id == told["snapshots"]["features.tiny"] for name, ref in tags.items() if name != "main")


def test_the_trials_of_a_search_are_children_of_the_run_and_the_result_is_calibrated(
    night: Project, tmp_path: Path
) -> None:
    shutil.copytree(MODELS / "tiny", tmp_path / "tiny")
    file, said = tmp_path / "tiny" / "model.yaml", list[str]()
    searched = "  period: 20d\n  search: {grid: {C: [1.0e-9, 1.0]}}\n  calibration: {period: 5d}\n"
    file.write_text(file.read_text().replace("  period: 20d\n", searched))
    project = Project("tiny", Settings(home=PROJECT, var=night.settings.var_path, models_folder=tmp_path))
    trained = train(project, BUILT, "by hand", said.append)
    client, run = project.registry.client, project.registry.client.get_run(trained.run_id)
    query = f"tags.`mlflow.parentRunId` = '{trained.run_id}'"
    children = client.search_runs([run.info.experiment_id], query)
    assert {child.data.params["C"]: len(child.data.metrics) for child in children} == {"1e-09": 4, "1.0": 4}
    assert run.data.params["C"] == "1.0"
    assert project.registry.package(trained.run_id, trained.digest).calibration is not None
    assert sum(line.startswith("search: ") for line in said) == 2
    version = project.registry.register(trained.run_id, "by hand")
    assert reproduce(project, version.number, said.append).identical


def test_scores_equal_the_model_applied_outside_spark(night: Project) -> None:
    champion = night.champions.require_champion()
    package = night.registry.package(champion.run_id, champion.digest)
    features = scored_features(night, NIGHT)
    expected = dict(zip(features["machine"].to_pylist(), package.score(features).tolist(), strict=True))
    scored = read_dates(night.lake, scores_table(night.definition), NIGHT, NIGHT)
    assert dict(zip(scored["machine"].to_pylist(), scored["score"].to_pylist(), strict=True)) == pytest.approx(expected)


def test_scores_are_held_against_those_that_the_version_gave_to_its_holdout(night: Project) -> None:
    holdout = night.registry.reference(night.champions.require_champion()).scores
    assert holdout is not None and isinstance(holdout.bins, NumberBins)
    assert sum(holdout.counts) == 60 * 5  # five days
    assert len(holdout.bins.edges) == 9
    scores = read_dates(night.lake, scores_table(night.definition), NIGHT, NIGHT)["score"].to_numpy()
    counts = np.bincount(np.searchsorted(holdout.bins.edges, scores), minlength=10)
    apart = np.abs(counts / 60 - np.array(holdout.counts[:10]) / 300).sum() / 2
    [kept] = [row for row in night.monitored(NIGHT, NIGHT) if row["statistic"] == MIX]
    assert (kept["monitor"], kept["subject"], kept["verdict"]) == ("quality.scores", "scores.tiny: score", "pass")
    assert kept["value"] == pytest.approx(apart)


def test_a_night_is_profiled_while_it_is_scored(night: Project) -> None:
    spec = scores_table(night.definition)
    kept = NightProfile.from_json(json.loads(published_inputs(night.lake, spec, NIGHT)[PROFILE]))
    profiler = Profiler.of(night.registry.reference(night.champions.require_champion()))
    assert profiler is not None
    again = profiler(scored_features(night, NIGHT), read_dates(night.lake, spec, NIGHT, NIGHT))
    assert kept.features.rows == kept.scores.rows == 60
    for one, other in ((kept.features, again.features), (kept.scores, again.scores)):
        assert {name: counts.tolist() for name, counts in one.counts.items()} == {
            name: counts.tolist() for name, counts in other.counts.items()
        }
    assert kept.features.products == pytest.approx(again.features.products)


def test_thresholds_of_the_champion_are_printed_and_plotted(
    night: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightshift.project.Project", lambda _: night)
    page = tmp_path / "pages" / "thresholds.html"
    done = CliRunner().invoke(app, ["thresholds", "tiny", "--rows", "60", "--page", str(page), "--format", "json"])
    assert done.exit_code == 0, done.output
    rows = {(row["subject"], row["statistic"]): row["60 rows"] for row in json.loads(done.output)}
    measure_drift(night, NIGHT, "test")
    kept = {(row["subject"], row["statistic"]): row for row in night.monitored(NIGHT, NIGHT, "drift")}
    for subject in ("busy", "kind", "scores"):
        assert float(rows[subject, "psi"]) == pytest.approx(kept[subject, "psi"]["threshold"], rel=1e-3)
    assert page.read_text().count("<figure") == 4


def test_monitoring_keeps_drift_outcomes_and_a_decision_and_repeats_itself(night: Project) -> None:
    first = measure_drift(night, NIGHT, "test")
    assert first == measure_drift(night, NIGHT, "again")
    estimated = {m.statistic: m.value for m in estimate_performance(night, NIGHT, "test") if m.subject == "night"}
    assert estimated["roc_auc"] is not None and 0.5 < estimated["roc_auc"] < 1
    assert measure_outcomes(night, NIGHT, "test") == ()  # its labels are due tomorrow
    tomorrow = date(2024, 2, 1)
    land(night, tomorrow)
    publish_staged(night, ingest(night, tomorrow))
    assert measure_outcomes(night, tomorrow, "test") == (NIGHT,)
    assert decide(night, NIGHT, "test") == decide(night, NIGHT, "again")
    status = night_statuses(night)
    assert [s.night for s in status] == [NIGHT]
    assert status[0].complete and status[0].version == 1 and status[0].quality.startswith("pass")
    assert status[0].accuracy is not None and 0.5 < status[0].accuracy <= 1


def test_a_large_night_is_judged_by_spark_as_a_small_one_in_process(night: Project) -> None:
    spark = Project("tiny", night.settings.model_copy(update={"audit_in_process": 30}))
    staged = ingest(night, NIGHT)
    said: list[str] = []
    by_spark, in_process = audit(spark, staged, NIGHT, "spark", said.append), audit(night, staged, NIGHT, "process")
    assert by_spark == in_process
    assert any(line.startswith("raw.plan 2024-01-31: ") and "checks passed on 60 rows" in line for line in said)
    pages = {run: read_docs(docs_folder(night.settings.quality_docs_uri, "tiny", run)) for run in ("spark", "process")}
    assert pages["spark"] == pages["process"]
    assert [page.table for page in pages["spark"]] == ["raw.failures", "raw.plan"]


def test_running_every_stage_again_leaves_the_same_tables(night: Project) -> None:
    query = "select * exclude (features_snapshot) from scores.tiny order by all"
    before = run_sql(night.lake, query)
    raw = ingest(night, NIGHT)
    publish_staged(night, raw)
    publish_staged(night, raw)
    staged = stage(night, "features", NIGHT)
    publish_staged(night, staged)
    staged = stage(night, "score", NIGHT)
    publish_staged(night, staged)
    publish_staged(night, staged)
    assert run_sql(night.lake, query) == before


@pytest.mark.parametrize(
    ("source", "content", "message"),
    [
        ("plan", b"not a gzip file", "cannot be read"),
        ("plan", b"\x1f\x8b\x08\x00", "cannot be read"),
        ("failures", b"PAR1 truncated", "cannot be read"),
    ],
)
def test_an_unreadable_file_stops_the_night_before_anything_is_published(
    project: Project, source: str, content: bytes, message: str
) -> None:
    day = date(2024, 3, 1)
    land(project, date(2024, 3, 2), since=date(2024, 2, 28))
    file = landing_file(project.settings.landing_uri, source, project.definition.sources[source], day)
    path = Path(local_path(file.uri))
    good = path.read_bytes()
    before = published_dates(project.lake, raw_table(project.definition, source))
    path.write_bytes(content)
    try:
        with pytest.raises(DataError, match=message) as caught:
            ingest(project, day if source == "plan" else date(2024, 3, 2))
        assert file.uri in str(caught.value)
        assert published_dates(project.lake, raw_table(project.definition, source)) == before
    finally:
        path.write_bytes(good)


def test_a_failed_check_stops_the_night_and_is_kept(project: Project) -> None:
    day = date(2024, 3, 1)
    spec = raw_table(project.definition, "plan")
    rows = pa.table({"source_date": [day] * 3, "machine": ["a1", "a1", "b2"], "load": [0.5, 0.5, 7.0]}).cast(
        spec.schema
    )
    staged = stage_arrow(project.lake, spec, rows, day, day, {})
    with pytest.raises(DataError, match=r"2 of 5 checks failed.*load has 1 value outside 0 to 1, first 7\.0"):
        audit(project, [staged.location], day, "test")
    kept = [row for row in project.monitored(day, day) if row["verdict"] == "fail"]
    assert {row["subject"] for row in kept} == {"raw.plan: load", "raw.plan: source_date + machine"}
    assert day not in published_dates(project.lake, spec)


def test_the_gate_of_a_first_model_leaves_a_row_a_rule_and_a_report(project: Project) -> None:
    rows = {row["statistic"]: row for row in project.monitored(BUILT, BUILT) if row["monitor"] == "gate"}
    absolute = {"rows", "classes", "scores", "leak", "minimum.roc_auc", "baseline.roc_auc", "smoke"}
    assert {name for name, row in rows.items() if row["subject"] == "gate"} == {*absolute, "verdict"}
    assert {name for name, row in rows.items() if row["subject"] == "training"} == {
        "unlabelled_observations",
        "labels_without_observation",
    }
    assert {row["verdict"] for row in rows.values()} == {"pass", "passed"}
    assert rows["minimum.roc_auc"]["sample_size"] == 300 and "interval 0." in rows["minimum.roc_auc"]["detail"]
    assert rows["smoke"]["detail"] == "loaded in a process of its own, it gave the same 300 scores"
    assert rows["verdict"]["detail"].startswith("no champion to compare with: roc_auc 0.")


def test_the_gate_of_the_next_model_compares_it_with_the_champion_by_the_days_of_the_holdout(project: Project) -> None:
    declared, champion = project.definition, project.champions.require_champion()
    against = AgainstChampion(metric="roc_auc", margin=0.1)
    slices = Slices(columns=("kind",), minimum=60, regression=0.3)
    gate = declared.gate.model_copy(update={"against_champion": against, "slices": slices})
    project.definition = declared.model_copy(update={"gate": gate})
    try:
        trained = train(project, NIGHT, "next", lambda text: None)
        report = run_gate(project, trained, NIGHT, "test").report
        again = run_gate(project, trained, NIGHT, "again").report
    finally:
        project.definition = declared
    assert report.passed, report.summary()
    assert again.results == report.results
    rows = {row["statistic"]: row for row in project.monitored(NIGHT, NIGHT) if row["monitor"] == "gate"}
    assert {f"slices.kind={kind}" for kind in "abc"} < set(rows)
    assert rows["against_champion.roc_auc"]["threshold"] == -0.1
    assert rows["verdict"]["detail"].startswith(f"against version {champion.number}: ")
    assert project.registry.run_tags(trained.run_id)["nightshift.gate"] == "passed"
    logged = project.registry.metrics(trained.run_id)
    assert logged["holdout_roc_auc"] == pytest.approx(rows["minimum.roc_auc"]["value"])
    assert 0 < logged["holdout_calibration_error"] < 0.2
    page = Path(project.settings.artifact_root) / "tiny" / trained.run_id / "artifacts" / GATE_PAGE
    assert page.read_text().count("<svg") == 5


def test_a_worse_model_is_refused_and_stays_a_run(project: Project) -> None:
    champion = project.champions.require_champion()
    trained = train(project, NIGHT, "worse", lambda text: None)
    strict = project.definition.gate.model_copy(update={"minimum": {"roc_auc": 0.999}})
    project.definition = project.definition.model_copy(update={"gate": strict})
    report = run_gate(project, trained, NIGHT, "test").report
    assert not report.passed
    run_gate(project, trained, NIGHT, "test")
    [refused] = [one for one in project.champions.events() if one.event == "refused"]
    assert (refused.actor, refused.effective, refused.mlflow_run, refused.reason) == (
        "test", NIGHT, trained.run_id, "worse",
    )  # fmt: skip
    assert report.summary() in refused.evidence
    with pytest.raises(TerminalError, match="passed the gate"):
        promote(project, trained, "by force")
    assert project.champions.require_champion() == champion


def test_promoting_twice_makes_one_version_and_two_events(project: Project) -> None:
    champion = project.champions.require_champion()
    assert promote(project, StoredModel(champion.run_id, champion.digest), "again") == champion
    done = [(one.event, one.to_version, one.effective) for one in project.champions.events() if one.event != "refused"]
    assert done == [("registered", 1, BUILT), ("promoted", 1, BUILT)]


def test_a_changed_artifact_is_refused_before_it_is_loaded(project: Project) -> None:
    champion = project.champions.require_champion()
    folder = Path(project.settings.artifact_root) / "tiny" / champion.run_id / "artifacts" / ARTIFACT
    file = folder / "encoder.json"
    good = file.read_bytes()
    file.write_bytes(good + b" ")
    try:
        with pytest.raises(TerminalError, match="not the one that was registered"):
            project.registry.package(champion.run_id, champion.digest)
    finally:
        file.write_bytes(good)


def test_publishing_what_is_published_makes_no_snapshot(project: Project) -> None:
    spec = raw_table(project.definition, "plan")
    day = date(2024, 4, 1)
    rows = pa.table({"source_date": [day], "machine": ["a1"], "load": [0.5]}).cast(spec.schema)
    staged = stage_arrow(project.lake, spec, rows, day, day, {})
    assert publish(project.lake, spec, staged) == publish(project.lake, spec, staged)


def test_a_night_is_scored_by_the_version_that_was_gone_back_to(night: Project) -> None:
    project = Project("tiny", night.settings)
    trained = train(project, NIGHT, "another", lambda text: None)
    assert run_gate(project, trained, NIGHT, "again").report.passed
    better = promote(project, trained, "better", "again").number
    assert better > 1
    [location] = stage(project, "score", NIGHT)
    assert load_staged(location).inputs["model_version"] == str(better)
    done = project.champions.roll_back("me", reason="worse")
    assert (done.to_version, done.effective) == (1, NIGHT + timedelta(days=1))
    [location] = stage(project, "score", NIGHT)
    assert load_staged(location).inputs["model_version"] == "1"
    publish_staged(project, audit(project, [location], NIGHT, "again").locations)
    assert run_sql(project.lake, "select distinct model_version from scores.tiny")[1] == [(1,)]
