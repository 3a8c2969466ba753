"""Rows of features that a caller sent get the scores that a night would give them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS
from nightshift.registry.classes import LabelClasses
from nightshift.registry.encoder import Encoder
from nightshift.registry.package import ModelPackage
from nightshift.registry.reference import NO_REFERENCE
from nightshift.serving.feature_rows import check_features
from nightshift.serving.refusals import RequestRefusal
from nightshift.serving.request_body import SentRows
from nightshift.serving.scoring import ScoredRows, score_rows
from nightshift.serving.served_version import ServedVersion
from nightshift.training.fit import fit
from unit.training.machines import machines

FEATURES = ["busy", "kind", "machine_failures_3d"]


def version(package: ModelPackage) -> ServedVersion:
    return ServedVersion(1, "", package, datetime.now(UTC))


def score_features(version: ServedVersion, sent: SentRows, *, partial: bool) -> ScoredRows:
    return score_rows(version, check_features(sent, version.package.encoder.types, ()), sent.count, partial=partial)


@pytest.fixture
def package(tiny: ModelDefinition) -> ModelPackage:
    return fit(tiny, machines())


def strict(package: ModelPackage) -> ModelPackage:
    """The same model, which takes no missing value."""
    return replace(package, encoder=replace(package.encoder, fills={}))


def sent(rows: pa.Table) -> SentRows:
    return SentRows(rows.select(FEATURES).to_pydict(), rows.num_rows)


def test_scores_are_those_of_a_night(package: ModelPackage) -> None:
    rows = machines(50, seed=4)
    scored = score_features(version(package), sent(rows), partial=False)
    assert [row["score"] for row in scored.predictions if row] == package.score(rows).tolist()
    assert not scored.errors


def with_errors(rows: SentRows, *changes: tuple[int, str, Any]) -> SentRows:
    columns = {name: list(values) for name, values in rows.columns.items()}
    for row, name, value in changes:
        columns[name][row] = value
    return SentRows(columns, rows.count)


def test_the_good_rows_of_a_request_are_scored_if_asked_for(package: ModelPackage) -> None:
    rows = machines(20, seed=4)
    bad = with_errors(sent(rows), (3, "busy", "much"), (7, "kind", 5), (7, "busy", True))
    with pytest.raises(RequestRefusal) as refusal:
        score_features(version(package), bad, partial=False)
    assert refusal.value.status == 422 and [error.row for error in refusal.value.errors] == [3, 7, 7]
    scored = score_features(version(package), bad, partial=True)
    expected = package.score(rows)
    for place, row in enumerate(scored.predictions):
        assert row == (None if place in (3, 7) else {"score": expected[place]})
    assert [error.row for error in scored.errors] == [3, 7, 7]


def test_rows_that_the_estimator_refuses_are_named(package: ModelPackage) -> None:
    rows = machines(10, seed=4)
    gaps = with_errors(sent(rows), (2, "busy", None), (5, "kind", "never seen"), (6, "kind", 1))
    scored = score_features(version(strict(package)), gaps, partial=True)
    expected = package.score(rows)
    assert [row and row["score"] for row in scored.predictions] == [
        None if place in (2, 5, 6) else expected[place] for place in range(10)
    ]
    messages = [str(error.error) for error in scored.errors]
    assert [error.row for error in scored.errors] == [2, 5, 6]
    assert "column busy: the version takes no missing value" in messages[0]
    assert "column kind: the version takes no missing value, and no category that it has not learned" in messages[1]


def test_classes_are_answered_as_they_are_published() -> None:
    rows = machines(60)
    labels = np.array(["red", "green", "blue"])[(np.asarray(rows["busy"]) * 3).astype(int)]
    encoder = Encoder.fit(rows, {"busy": "number", "machine_failures_3d": "number"})
    estimator = LogisticRegression().fit(encoder.matrix(rows), labels)
    classes = LabelClasses(tuple(estimator.classes_.tolist()))
    package = ModelPackage(estimator, encoder, NO_REFERENCE, prediction=CLASS, classes=classes)
    data = SentRows(rows.select(["busy", "machine_failures_3d"]).to_pydict(), 60)
    scored = score_features(version(package), data, partial=False)
    probabilities = package.score(rows)
    for row, each in zip(scored.predictions, probabilities, strict=True):
        assert row is not None and list(row) == ["prediction", "score", *classes.columns]
        assert row["prediction"] == classes.names[each.argmax()]
        assert row["score"] == each.max()


def test_a_score_that_is_no_number_is_an_error_of_its_row(package: ModelPackage) -> None:
    class Odd:
        def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
            first = np.where(matrix[:, 0] > 0.5, np.nan, 0.25)
            return np.column_stack([1 - first, first])

    rows = machines(10, seed=4)
    odd = replace(package, estimator=Odd())  # type: ignore[arg-type]
    scored = score_features(version(odd), sent(rows), partial=True)
    busy = [place for place, value in enumerate(rows["busy"].to_pylist()) if value > 0.5]
    assert [error.row for error in scored.errors] == busy
    assert "no finite score" in str(scored.errors[0].error)
