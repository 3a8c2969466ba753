"""The threshold of a version: chosen on its holdout, stored with it, made again, and what its nights are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prepared import PreparedInstallation

from nightshift.errors import TerminalError
from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.registry.package import ModelPackage
from nightshift.registry.pyfunc import VersionModel
from nightshift.stages.gate import GATE_PAGE, gate
from nightshift.stages.register import promote
from nightshift.stages.reproduce import reproduce
from nightshift.stages.train import StoredModel, train
from unit.stages.machines import FIRST, machines_that_turn

pytestmark = pytest.mark.usefixtures("smoke_in_this_process")
BEST = ("decision: score >= 0.5", "decision: {threshold: best}")
WORTH = "case when not decision then 0 when label then 1 else -1 end"
DEAR = (WORTH, "case when not decision then 0 when label then 1 else -4 end")


def trained(project: Project) -> tuple[StoredModel, ModelPackage]:
    stored = train(project, FIRST, "test", lambda line: None)
    return stored, project.registry.package(stored.run_id, stored.digest)


def holdout(project: Project, stored: StoredModel) -> tuple[pd.DataFrame, np.ndarray]:
    """The features of the holdout, and whether each machine failed, in the same order."""
    lineage, _ = project.registry.lineage(stored.run_id)
    first, last = (pd.Timestamp(lineage[name]).date() for name in ("holdout", "last"))
    features = read_dates(project.lake, features_table(project.definition), first, last).to_pandas()
    outcomes = read_dates(project.lake, raw_table(project.definition, "failures"), first, last).to_pandas()
    joined = features.merge(outcomes, left_on=["score_date", "machine"], right_on=["source_date", "machine"])
    return joined, joined["failed"].to_numpy()


@pytest.mark.parametrize(("declared", "cost"), [((BEST,), 1), ((BEST, DEAR), 4)])
def test_no_other_threshold_is_worth_more_on_the_holdout(
    models: Path, prepared_installation: PreparedInstallation, declared: tuple[tuple[str, str], ...], cost: int
) -> None:
    project = machines_that_turn(models, prepared_installation, *declared)
    stored, package = trained(project)
    assert package.threshold is not None
    rows, failed = holdout(project, stored)
    decided = VersionModel(package).predict(rows[list(package.encoder.types)])
    scores = decided["score"].to_numpy()
    assert (decided["decision"] == (scores >= package.threshold.threshold)).all()

    def value(is_decided: np.ndarray) -> float:
        return float(np.where(failed, 1, -cost)[is_decided].sum())

    assert package.threshold.value == value(decided["decision"].to_numpy(bool))
    assert package.threshold.value == max(value(scores >= score) for score in [*scores, np.inf])
    assert package.threshold.naive == value((rows["busy"] > 0.5).to_numpy())  # the load is the feature
    assert (package.threshold.rows, package.threshold.days) == (len(rows), 5)
    assert package.threshold.low is not None and package.threshold.high is not None
    assert package.threshold.low <= package.threshold.threshold <= package.threshold.high
    logged = project.registry.metrics(stored.run_id)
    assert logged["decision.threshold"] == package.threshold.threshold
    assert logged["decision.value"] == package.threshold.value


def test_a_version_with_a_threshold_is_made_again_bit_by_bit_whatever_landed_since(
    models: Path, prepared_installation: PreparedInstallation
) -> None:
    project = machines_that_turn(models, prepared_installation, BEST)
    stored, package = trained(project)
    assert package.threshold is not None
    report = gate(project, stored, FIRST, "test").report
    page = Path(project.registry.client.mlflow.download_artifacts(stored.run_id, GATE_PAGE)).read_text()
    assert f"score &gt;= {package.threshold.threshold:.4g} (the best of resampled nights" in page
    promote(project, stored, report.summary(), "test")
    lineage, _ = project.registry.lineage(stored.run_id)
    assert lineage["snapshots"].keys() == {"features.tiny", "raw.failures", "raw.plan"}
    again = reproduce(project, 1, lambda line: None)
    assert again.identical, again.differences


def test_a_declared_number_is_the_threshold_of_each_version(
    models: Path, prepared_installation: PreparedInstallation
) -> None:
    number = ("decision: score >= 0.5", "decision: {threshold: 0.25}")
    project = machines_that_turn(models, prepared_installation, number)
    _, package = trained(project)
    assert package.threshold is not None
    assert (package.threshold.threshold, package.threshold.value) == (0.25, None)


def test_a_holdout_without_any_value_is_refused(models: Path, prepared_installation: PreparedInstallation) -> None:
    project = machines_that_turn(models, prepared_installation, BEST, (WORTH, "case when decision then null end"))
    with pytest.raises(TerminalError, match=r"monitoring\.value: no row of the holdout has a value") as refused:
        trained(project)
    assert "fix: " in str(refused.value)
