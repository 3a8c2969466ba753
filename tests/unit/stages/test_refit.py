"""What passed its gate is fitted again with its holdout: what it learns, what stays, and what it is compared with."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from prepared import PreparedInstallation
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.stages.gate import GATE_PAGE, gate
from nightshift.stages.refit import refit
from nightshift.stages.register import promote
from nightshift.stages.reproduce import reproduce
from nightshift.stages.train import StoredModel, train
from nightshift.training.lineage import Lineage
from unit.stages.machines import FIRST, TURN, machines_that_turn

pytestmark = pytest.mark.usefixtures("smoke_in_this_process")
EXPECTATION = "expectation/expectation.json"
REFIT = ("  holdout: 5d\n", "  refit: true\n  holdout: 5d\n")
BEST = ("decision: score >= 0.5", "decision: {threshold: best}")
PASS_ALL = (
    "minimum: {roc_auc: 0.5}\n  against_champion: {metric: roc_auc, margin: 0.02}",
    "baseline: false\n  minimum: {roc_auc: 0.01}",
)


def quiet(line: str) -> None:
    """Says nothing."""


def judged_model(project: Project, as_of: date = FIRST) -> StoredModel:
    stored = train(project, as_of, "test", quiet)
    report = gate(project, stored, as_of, "test").report
    assert report.passed, report.summary()
    return stored


def lineage_of(project: Project, stored: StoredModel) -> Lineage:
    return Lineage(**project.registry.lineage(stored.run_id)[0])


def labelled(project: Project, first: date, last: date) -> tuple[pa.Table, list[bool]]:
    """The features of some dates, and whether each machine failed, in the same order."""
    features = read_dates(project.lake, features_table(project.definition), first, last)
    outcomes = read_dates(project.lake, raw_table(project.definition, "failures"), first, last).to_pylist()
    failed = {(row["source_date"], row["machine"]): row["failed"] for row in outcomes}
    return features, [failed[row["score_date"], row["machine"]] for row in features.to_pylist()]


def tagged_runs(project: Project) -> set[str]:
    """The runs for whose models tables keep snapshots."""
    tags = {tag for name in project.lake.table_names() for tag in project.lake.table(name).refs()}
    return {tag.rpartition(".")[2] for tag in tags if tag.startswith("nightshift.")}


def test_it_learns_from_the_holdout_and_keeps_what_rests_on_rows_it_had_not_learned_from(
    models: Path, prepared_installation: PreparedInstallation
) -> None:
    project = machines_that_turn(models, prepared_installation, REFIT, BEST)
    stored = judged_model(project)
    result = refit(project, stored, FIRST, "test", quiet)
    registry = project.registry
    judged, package = (registry.package(model.run_id, model.digest) for model in (stored, result))
    before, lineage = lineage_of(project, stored), lineage_of(project, result)
    dates = before.split
    features, labels = labelled(project, dates.first, dates.last)
    expected = LogisticRegression(C=1.0).fit(package.encoder.matrix(features), labels)
    assert np.allclose(package.score(features), expected.predict_proba(package.encoder.matrix(features))[:, 1])
    assert not np.allclose(package.score(features), judged.score(features))
    assert (lineage.rows, lineage.refit_of, lineage.split.fitted) == (len(labels), stored.run_id, dates.last)
    assert (lineage.holdout, lineage.last, lineage.as_of) == (before.holdout, before.last, before.as_of)
    assert package.threshold == judged.threshold is not None
    assert package.reference.scores == judged.reference.scores
    assert package.reference.training_dates[-1] == dates.last > judged.reference.training_dates[-1]
    assert package.reference.calibration is not None
    assert registry.page(result.run_id, GATE_PAGE) == registry.page(stored.run_id, GATE_PAGE)
    version = promote(project, result, "passed", "test")
    assert registry.expectation(version.number) == json.loads(registry.page(stored.run_id, EXPECTATION))
    assert (version.gate, version.refit_of) == ("passed", stored.run_id)
    assert version.has_learned(dates.last) and not version.has_learned(dates.last + timedelta(days=1))
    measured = {row["statistic"]: row for row in project.monitored(FIRST, FIRST, "refit")}
    nights = read_dates(project.lake, features_table(project.definition), dates.holdout, dates.last)
    change = np.abs(package.score(nights) - judged.score(nights)).mean()
    assert measured["score_change"]["value"] == pytest.approx(change)
    assert measured["prediction_drift"]["verdict"] == "pass" and measured["prediction_drift"]["value"] <= 1
    assert registry.metrics(result.run_id)["refit.score_change"] == pytest.approx(change)
    assert tagged_runs(project) == {result.run_id}


def test_a_refitted_version_is_made_again_bit_by_bit(models: Path, prepared_installation: PreparedInstallation) -> None:
    project = machines_that_turn(models, prepared_installation, REFIT, BEST)
    result = refit(project, judged_model(project), FIRST, "test", quiet)
    promote(project, result, "passed", "test")
    again = reproduce(project, 1, quiet)
    assert again.identical, again.differences


def test_a_task_that_was_killed_after_it_stored_the_model_fits_no_other(
    models: Path, prepared_installation: PreparedInstallation
) -> None:
    project = machines_that_turn(models, prepared_installation, REFIT)
    stored = judged_model(project)
    result = refit(project, stored, FIRST, "test", quiet)
    assert refit(project, stored, FIRST, "test", quiet) == result


def test_a_champion_that_learned_from_the_holdout_is_compared_as_it_was_before(
    models: Path, prepared_installation: PreparedInstallation
) -> None:
    by_loss = ("metric: roc_auc, margin: 0.02", "metric: log_loss, margin: 0.02")
    project = machines_that_turn(models, prepared_installation, REFIT, by_loss)
    stored = judged_model(project)
    champion = refit(project, stored, FIRST, "test", quiet)
    promote(project, champion, "passed", "test")
    assert gate(project, stored, FIRST, "again").report.difference is None  # a model is not compared with itself
    later = FIRST + timedelta(days=2)
    challenger = train(project, later, "test", quiet)
    report = gate(project, challenger, later, "test").report
    verdict = next(row for row in project.monitored(later, later, "gate") if row["statistic"] == "verdict")
    assert "against version 1, as it was before it learned from the holdout: " in verdict["detail"]
    dates = lineage_of(project, challenger).split
    rows, failed = labelled(project, dates.holdout, dates.last)
    packages = [project.registry.package(model.run_id, model.digest) for model in (challenger, stored, champion)]
    of_challenger, as_judged, as_refitted = (log_loss(failed, package.score(rows)) for package in packages)
    assert report.difference is not None and as_judged != as_refitted
    assert report.difference.value == pytest.approx(as_judged - of_challenger)
    apart = later + timedelta(days=12)  # nothing of its holdout was learned by the champion
    train_later = train(project, apart, "test", quiet)
    gate(project, train_later, apart, "test")
    verdict = next(row for row in project.monitored(apart, apart, "gate") if row["statistic"] == "verdict")
    assert verdict["detail"].startswith("against version 1: ")


def test_a_model_whose_scores_move_too_far_is_not_registered(
    models: Path, prepared_installation: PreparedInstallation
) -> None:
    project = machines_that_turn(models, prepared_installation, REFIT, PASS_ALL)
    as_of = TURN + timedelta(days=6)  # its holdout is after the turn, what it was trained on before
    stored = judged_model(project, as_of)
    lines: list[str] = []
    assert refit(project, stored, as_of, "test", lines.append) == stored
    assert lines[-1] == "too far for what was judged to hold: the model that was judged is registered"
    measured = {row["statistic"]: row for row in project.monitored(as_of, as_of, "refit")}
    assert measured["prediction_drift"]["value"] > 1 and measured["prediction_drift"]["verdict"] == "warn"
    assert tagged_runs(project) == {stored.run_id}
