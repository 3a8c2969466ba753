"""Sums of trees with a bit for each row: bit for bit those of a walk, of scikit-learn's own estimators too."""

from __future__ import annotations

import logging
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from nightshift.definition.prediction import PROBABILITY
from nightshift.registry.estimators import dump_estimator, load_estimator, tree_sums
from nightshift.registry.estimators.hist_gradient_boosting import FEW_ROWS, SUM, sum_by_bits
from nightshift.registry.estimators.tree_sums import MAX_LEAVES, MISSING, Branch, BranchCondition, Leaf, Tree, TreeSums

KNOWN = {2: frozenset({0, 1, 3})}  # the third feature is a category
NUMBERS = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 5e-324, 0.5, 1.0, 2.0, np.inf, np.nan])
CATEGORIES = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, 255.0, np.nan])
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, CATEGORIES), min_size=1, max_size=40)
VALUES = st.floats(-1e6, 1e6)
CONDITIONS = st.one_of(
    st.builds(BranchCondition, st.integers(0, 1), NUMBERS.filter(lambda value: not isnan(value)), st.booleans()),
    st.builds(BranchCondition, st.just(2), categories=st.frozensets(st.sampled_from([0, 1, 3, MISSING]))),
)
TREES = st.recursive(st.builds(Leaf, VALUES), lambda nodes: st.builds(Branch, CONDITIONS, nodes, nodes), max_leaves=40)


def walk(tree: Tree, row: Any) -> float:
    """The value of the leaf that a row reaches, by the words of `BranchCondition`."""
    while isinstance(tree, Branch):
        condition = tree.condition
        value = row[condition.feature]
        if condition.feature in KNOWN:
            category = int(value) if value in KNOWN[condition.feature] else MISSING
            is_left = category in (condition.categories or ())
        else:
            is_left = condition.missing if isnan(value) else value <= condition.threshold
        tree = tree.left if is_left else tree.right
    return tree.value


@given(st.lists(st.tuples(st.integers(0, 1), TREES), max_size=6), ROWS, st.sampled_from([1, 8, 13, 65_536]))
def test_sums_are_those_of_a_walk(trees: list[tuple[int, Tree]], rows: list[Any], block: int) -> None:
    expected = np.full((len(rows), 2), 0.1)
    for position, tree in trees:
        expected[:, position] += [walk(tree, row) for row in rows]
    sums = np.full((len(rows), 2), 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_sums, "BLOCK", block)
        TreeSums(trees, KNOWN).add_to(sums, np.array(rows))
    assert sums.tobytes() == expected.tobytes()


@pytest.mark.parametrize("leans", ["left", "right"])
def test_the_largest_tree_and_one_that_is_too_large(leans: str) -> None:
    tree: Tree = Leaf(0.0)
    for threshold in range(1, MAX_LEAVES):
        condition, leaf = (
            BranchCondition(0, float(threshold if leans == "left" else -threshold)),
            Leaf(float(threshold)),
        )
        tree = Branch(condition, tree, leaf) if leans == "left" else Branch(condition, leaf, tree)
    rows = np.linspace(-MAX_LEAVES, MAX_LEAVES, 999)[:, None]
    sums = np.zeros((999, 1))
    TreeSums([(0, tree)], {}).add_to(sums, rows)
    assert sums[:, 0].tolist() == [walk(tree, row) for row in rows]
    with pytest.raises(ValueError, match=f"a tree has {MAX_LEAVES + 1} leaves"):
        TreeSums([(0, Branch(BranchCondition(0), tree, Leaf(1.0)))], {})


def table(rows: int) -> Any:
    """Rows of five numbers and a category of forty, all with gaps."""
    random = np.random.default_rng(7)
    features = np.column_stack([random.normal(size=(rows, 5)), random.integers(0, 40, rows)])
    features[:, 1] = features[:, 1].round(1)
    features[random.random(features.shape) < 0.05] = np.nan
    return features


def labels(features: Any) -> Any:
    odd = np.nan_to_num(features[:, 5]) % 3 == 1
    return np.nan_to_num(features[:, 0] + features[:, 1] ** 2 - features[:, 2]) + 2 * odd


FEW = {"max_iter": 12, "early_stopping": False, "random_state": 0}
BOOSTED = {
    "a condition": (HistGradientBoostingClassifier(**FEW), lambda numbers: numbers > 1),
    "classes": (HistGradientBoostingClassifier(**FEW), lambda numbers: np.digitize(numbers, [0, 2])),
    "a number": (HistGradientBoostingRegressor(**FEW), lambda numbers: numbers),
    "a count": (HistGradientBoostingRegressor(loss="poisson", **FEW), lambda numbers: np.abs(numbers).round()),
    "categories": (HistGradientBoostingClassifier(categorical_features=[5], **FEW), lambda numbers: numbers > 1),
    "large trees": (HistGradientBoostingRegressor(max_leaf_nodes=64, **FEW), lambda numbers: numbers),
    "a pipeline": (make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(**FEW)), lambda numbers: numbers > 1),
    "calibrated": (CalibratedClassifierCV(HistGradientBoostingClassifier(**FEW), cv=2), lambda numbers: numbers > 1),
    "transformed": (TransformedTargetRegressor(HistGradientBoostingRegressor(**FEW)), lambda numbers: numbers),
}


def boosted_parts(estimator: Any) -> list[Any]:
    """The boosted estimators within the estimators above."""
    if hasattr(estimator, "calibrated_classifiers_"):
        return [part.estimator for part in estimator.calibrated_classifiers_]
    if hasattr(estimator, "regressor_"):
        return [estimator.regressor_]
    return [estimator[-1] if hasattr(estimator, "steps") else estimator]


@pytest.mark.parametrize("name", BOOSTED)
def test_boosted_trees_score_as_by_scikit_learn(name: str) -> None:
    estimator, label = BOOSTED[name]
    features = table(FEW_ROWS + 3)
    estimator.fit(features, label(labels(features)))
    score = getattr(estimator, "predict_proba", estimator.predict)
    unmet = features.copy()
    unmet[::7, 5] = 77  # a category that it has not met
    own, own_few = score(unmet), score(unmet[:50])
    sum_by_bits(estimator)
    assert all(SUM in vars(part) for part in boosted_parts(estimator))
    assert score(unmet).tobytes() == own.tobytes()
    assert score(unmet[:50]).tobytes() == own_few.tobytes()


def test_trees_of_stages_and_of_another_fit_are_summed_by_scikit_learn() -> None:
    features = table(FEW_ROWS + 3)
    first, second = labels(features), -labels(features)
    estimator = HistGradientBoostingRegressor(**FEW).fit(features, first)
    stages = [stage.tobytes() for stage in estimator.staged_predict(features)]
    sum_by_bits(estimator)
    assert [stage.tobytes() for stage in estimator.staged_predict(features)] == stages
    estimator.fit(features, second)
    expected = HistGradientBoostingRegressor(**FEW).fit(features, second).predict(features)
    assert estimator.predict(features).tobytes() == expected.tobytes()


@pytest.mark.parametrize("folds", [2, 5])
def test_all_fits_of_an_ensemble_are_summed_by_bits(folds: int) -> None:
    features = table(600)
    estimator = CalibratedClassifierCV(HistGradientBoostingClassifier(**FEW), cv=folds)
    files = dump_estimator(estimator.fit(features, labels(features) > 1), PROBABILITY, None)
    loaded: Any = load_estimator(files, PROBABILITY)[0]
    assert [SUM in vars(part) for part in boosted_parts(loaded)] == [True] * folds


def test_trees_that_are_too_large_are_summed_by_scikit_learn(caplog: pytest.LogCaptureFixture) -> None:
    features = np.random.default_rng(1).normal(size=(4_000, 2))
    estimator = HistGradientBoostingRegressor(max_iter=1, max_leaf_nodes=400, min_samples_leaf=1)
    estimator.fit(features, features[:, 0] * features[:, 1])
    with caplog.at_level(logging.INFO):
        sum_by_bits(estimator)
    assert SUM not in vars(estimator)
    assert "summed by scikit-learn: a tree has 400 leaves" in caplog.text


def test_sums_that_differ_are_not_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    features = table(500)
    estimator = HistGradientBoostingRegressor(**FEW).fit(features, labels(features))
    monkeypatch.setattr(TreeSums, "_answers", lambda self, block: [~rows for rows in answers(self, block)])
    sum_by_bits(estimator)
    assert SUM not in vars(estimator)
    assert "differ" in caplog.text


answers = TreeSums._answers


def test_the_setting_decides_what_a_loaded_estimator_scores_by() -> None:
    features = table(500)
    fitted = HistGradientBoostingClassifier(**FEW).fit(features, labels(features) > 1)
    files = dump_estimator(fitted, PROBABILITY, None)
    on, off = (load_estimator(files, PROBABILITY, tree_sums=choice)[0] for choice in (True, False))
    assert SUM in vars(on)
    assert SUM not in vars(off)
