"""The classes of a version: of labels, of scores, of what is stored."""

from __future__ import annotations

import json
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from nightshift.definition.prediction import CLASS
from nightshift.registry.classes import (
    LabelClasses,
    label_values,
    read_scores,
    scored_columns,
    settle_classes,
)
from nightshift.registry.encoder import Encoder
from nightshift.registry.estimators import fit_estimator, prepare_estimator
from nightshift.registry.estimators.adapter import TrainingMatrix
from nightshift.registry.estimators.manifest import control_rows
from nightshift.registry.package import ModelPackage, load_package, package_digest, stored_classes
from nightshift.registry.reference import NO_REFERENCE

NAMES = ("a", "b", "c")
names = st.lists(st.sampled_from("abcdef"), min_size=2, max_size=5, unique=True)


@given(own=names, labels=st.lists(st.sampled_from("abcdef")), data=st.data())
def test_labels_count_for_their_class_or_the_other_one_or_nowhere(own: list[str], labels: list[str], data: Any) -> None:
    classes = LabelClasses(tuple(own), data.draw(st.sampled_from([None, *own])))
    rows = pa.table({"label": pa.array(labels, pa.string()), "row": pa.array(range(len(labels)), pa.int64())})
    expected = [(n, name if name in own else classes.other) for n, name in enumerate(labels)]
    expected = [(n, name) for n, name in expected if name is not None]
    settled = settle_classes(rows, classes)
    assert list(zip(settled["row"].to_pylist(), settled["label"].to_pylist(), strict=True)) == expected
    assert label_values(settled, classes).tolist() == [own.index(str(name)) for _, name in expected]
    assert LabelClasses.from_json(json.loads(json.dumps(classes.to_json()))) == classes


@given(own=names, theirs=names, rows=st.integers(0, 4))
def test_probabilities_of_another_version_are_those_of_the_same_classes(
    own: list[str], theirs: list[str], rows: int
) -> None:
    probabilities = np.random.default_rng(0).uniform(size=(rows, len(theirs)))
    aligned = LabelClasses(tuple(own)).align(probabilities, theirs)
    assert aligned.shape == (rows, len(own))
    for place, name in enumerate(own):
        column = probabilities[:, theirs.index(name)] if name in theirs else np.zeros(rows)
        assert (aligned[:, place] == column).all()


@pytest.mark.parametrize(
    ("own", "theirs", "shared"),
    [
        (LabelClasses(("a", "b")), LabelClasses(("b", "a")), ("a", "b")),
        (LabelClasses(("a", "b", "c")), LabelClasses(("c", "b")), ("b", "c")),
        (LabelClasses(("a", "b"), "b"), LabelClasses(("b", "a"), "b"), ("a", "b")),
        (LabelClasses(("a", "b", "c"), "c"), LabelClasses(("a", "b", "c")), ("a", "b")),
        (LabelClasses(("a", "b", "rest"), "rest"), LabelClasses(("a", "c", "rest"), "rest"), ("a",)),
        (LabelClasses(("a", "b")), LabelClasses(("c", "d")), ()),
    ],
)
def test_classes_are_shared_that_mean_the_same_to_both(
    own: LabelClasses, theirs: LabelClasses, shared: tuple[str, ...]
) -> None:
    assert own.shared_with(theirs) == shared


def test_scores_of_classes_are_read_as_they_were_written() -> None:
    classes, scores = LabelClasses(("Red wine", "b")), np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    columns = scored_columns(scores, classes)
    assert list(columns) == ["prediction", "score", "probability_red_wine", "probability_b"]
    assert columns["prediction"].to_pylist() == ["b", "Red wine", "Red wine"]  # of equal ones the first
    assert columns["score"].to_pylist() == [0.75, 0.5, 1.0]
    assert (read_scores(pa.table(columns), classes) == scores).all()
    assert {len(column) for column in scored_columns(np.empty((0, 2)), classes).values()} == {0}


ESTIMATORS = {
    "scikit-learn": HistGradientBoostingClassifier(max_iter=5),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=5),
    "xgboost": xgboost.XGBClassifier(n_estimators=5),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_package_of_classes_scores_as_it_did_when_it_was_stored(kind: str) -> None:
    random = np.random.default_rng(3)
    rows = pa.table({"x": random.normal(size=400), "y": random.normal(size=400)})
    encoder = Encoder.fit(rows, {"x": "number", "y": "number"}, None)
    matrix, labels = encoder.matrix(rows), np.digitize(rows["x"].to_numpy(), [-0.4, 0.6])
    estimator = ESTIMATORS[kind]
    prepare_estimator(estimator, 0)
    fitted = fit_estimator(estimator, TrainingMatrix(matrix, labels))
    classes = LabelClasses(NAMES, "b")
    package = ModelPackage(fitted, encoder, NO_REFERENCE, None, CLASS, classes, control_rows(matrix))
    files = package.dump()
    loaded = load_package(files, package_digest(files))
    assert (loaded.classes, loaded.prediction, stored_classes(files)) == (classes, CLASS, classes)
    scores = loaded.score(rows)
    assert scores.shape == (400, 3)
    assert (scores == package.score(rows)).all()
    assert scores.sum(axis=1) == pytest.approx(np.ones(400), abs=1e-6)
    assert (scores.argmax(axis=1) == labels).mean() > 0.9
    assert loaded.score(rows.slice(0, 0)).shape == (0, 3)
