"""Models that predict one of several classes: metrics, the classes of a training, calibration, and the gate."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from nightshift.definition.gate import AgainstChampion, Gate
from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import CLASS
from nightshift.errors import TerminalError
from nightshift.registry.calibration import calibration_from_json, calibration_to_json
from nightshift.registry.classes import LabelClasses
from nightshift.training import category
from nightshift.training.bootstrap import Sample, Vector, draw_days, estimate, metrics
from nightshift.training.calibrate import calibrate
from nightshift.training.classes import learn_classes
from nightshift.training.report import render_gate
from nightshift.training.results import Baseline, Holdout
from unit.examples import examples
from unit.shops import shops
from unit.training.test_gate import judged, result

NAMES = ("bread", "fruit", "wine")
DAYS = 4
_rows = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), min_size=6)


def of_rows(rows: list[tuple[int, int, int, int]]) -> tuple[Vector, Vector]:
    labels, weights = np.array([row[0] for row in rows], float), np.array([row[1:] for row in rows], float)
    return labels, weights / weights.sum(axis=1, keepdims=True)


def area_by_pairs(labels: Vector, scores: Vector) -> float:
    """The mean over classes that have a row, and another class one, of the area against the rest."""
    areas = [
        roc_auc_score(labels == place, scores[:, place])
        for place in range(scores.shape[1])
        if 0 < (labels == place).sum() < len(labels)
    ]
    return float(np.mean(areas)) if areas else math.nan


def of_sklearn(metric: Metric, labels: Vector, scores: Vector) -> float:
    predicted, present = scores.argmax(axis=1), sorted(set(labels.astype(int)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match metric:
            case "accuracy":
                return float(accuracy_score(labels, predicted))
            case "macro_f1":
                return float(f1_score(labels, predicted, labels=present, average="macro", zero_division=0))
            case "log_loss":
                return float(log_loss(labels, scores, labels=range(scores.shape[1])))
            case _:
                return area_by_pairs(labels, scores)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "macro_roc_auc", "log_loss"])
@examples(max_examples=20)
@given(rows=_rows, seed=st.integers(0, 99))
def test_every_resample_is_what_its_rows_give(metric: Metric, rows: list[Any], seed: int) -> None:
    """Also where a class has no row."""
    labels, scores = of_rows(rows)
    days = np.random.default_rng(seed).integers(0, DAYS, len(labels))
    drawn = draw_days(DAYS, 8, seed)
    estimated = estimate(metric, Sample(labels, scores, days), drawn)
    assert estimated.value == pytest.approx(of_sklearn(metric, labels, scores), nan_ok=True)
    for counts, value in zip(drawn, estimated.resamples, strict=True):
        places = np.repeat(np.arange(len(labels)), counts[days])
        expected = of_sklearn(metric, labels[places], scores[places]) if len(places) else math.nan
        assert value == pytest.approx(expected, nan_ok=True)


def test_the_calibration_error_is_that_of_the_predictions_probability() -> None:
    labels, scores = np.array([0.0, 1.0] * 50), np.tile([0.6, 0.3, 0.1], (100, 1))
    assert metrics(labels, scores, ["calibration_error"])["calibration_error"] == pytest.approx(0.1)


def labelled(names: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([dict(zip("bfwx", (*NAMES, "soap"), strict=True))[name] for name in names])])


DECLARED = "classes: [wine, bread, fruit]"
MOST = "{{source: sales, window: 7d, agg: most, value: shop, empty: null, {}}}"


@pytest.mark.parametrize(
    ("declared", "labels", "expected"),
    [
        (DECLARED, "bbfw", LabelClasses(("wine", "bread", "fruit"))),
        (f"{DECLARED}, other: null", "bbfwx", LabelClasses(("wine", "bread", "fruit"))),
        (f"{DECLARED}, other: fruit", "bbfwx", LabelClasses(("wine", "bread", "fruit"), "fruit")),
        ("classes: {most: 2, rows: 1}, other: null", "bbfffw", LabelClasses(("bread", "fruit"))),
        ("classes: {most: 2, rows: 1}, other: rest", "bbfffw", LabelClasses(("bread", "fruit", "rest"), "rest")),
        ("classes: {most: 3, rows: 1}, other: rest", "bbfffw", LabelClasses(NAMES)),
        ("classes: {rows: 2}, other: null", "bbffw", LabelClasses(("bread", "fruit"))),
        ("classes: {most: 2, rows: 1}, other: null", "bfw", LabelClasses(("bread", "fruit"))),
    ],
)
def test_a_training_learns_its_classes(tmp_path: Path, declared: str, labels: str, expected: LabelClasses) -> None:
    assert learn_classes(shops(tmp_path, MOST.format(declared)), labelled(labels)) == expected


@pytest.mark.parametrize(
    ("declared", "labels", "problem", "received"),
    [
        (DECLARED, "bbf", "a declared class has no row in the training period", "wine"),
        (DECLARED, "bbfwx", "1 of 5 outcomes are none of the declared classes", "soap (1)"),
        (
            "classes: {rows: 3}, other: null",
            "bbbff",
            "fewer than two classes have 3 labelled rows",
            "bread (3), fruit (2)",
        ),
    ],
)
def test_classes_that_cannot_be_learned_are_refused(
    tmp_path: Path, declared: str, labels: str, problem: str, received: str
) -> None:
    with pytest.raises(TerminalError) as error:
        learn_classes(shops(tmp_path, MOST.format(declared)), labelled(labels))
    assert (error.value.problem, error.value.received) == (problem, received)
    assert "label.classes" in str(error.value.where)


def test_a_text_of_spaces_is_no_class(tmp_path: Path) -> None:
    definition = shops(tmp_path, MOST.format("classes: {rows: 1}, other: null"))
    with pytest.raises(TerminalError, match="a text without a letter or digit"):
        learn_classes(definition, pa.chunked_array([pa.array(["bread", " ", "fruit"])]))


def test_found_classes_need_columns_of_their_own(tmp_path: Path) -> None:
    definition = shops(tmp_path, MOST.format("classes: {rows: 1}, other: null"))
    with pytest.raises(TerminalError, match="columns of the same name"):
        learn_classes(definition, pa.chunked_array([pa.array(["Red Wine", "red-wine", "bread"])]))


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_calibrated_probabilities_add_up_and_are_nearer_to_the_truth(method: Any) -> None:
    random = np.random.default_rng(1)
    true = random.dirichlet([2, 1, 1], 6_000)
    labels = (random.uniform(size=(6_000, 1)) > true.cumsum(axis=1)).sum(axis=1).astype(float)
    raw = true**3 / (true**3).sum(axis=1, keepdims=True)  # too sure of itself
    fitted = calibrate(method, raw[:3_000], labels[:3_000])
    calibrated = calibration_from_json(calibration_to_json(fitted)).apply(raw[3_000:])
    assert category.valid_scores(calibrated).all()
    before, after = (metrics(labels[3_000:], scores, ["log_loss"])["log_loss"] for scores in (raw[3_000:], calibrated))
    assert after < before - 0.05


def world(rows: int, days: int, skill: float, seed: int) -> tuple[Vector, Vector, Vector]:
    """Labels, days, and the probabilities of a model of some skill, 0 to 1."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, rows, p=[0.6, 0.3, 0.1]).astype(float)
    right = np.eye(3)[labels.astype(int)]
    blurred = random.dirichlet([1, 1, 1], rows)
    return labels, np.sort(random.integers(0, days, rows)), skill * right + (1 - skill) * blurred


def holdout_of(skill: float, champion: float | None, rows: int = 1_500, days: int = 14) -> Holdout:
    labels, of_day, challenger = world(rows, days, skill, 1)
    dates = tuple(np.arange("2024-01-01", f"2024-01-{days + 1:02}", dtype="datetime64[D]").tolist())
    against = None if champion is None else world(rows, days, champion, 1)[2]
    baseline = Baseline(shares=(0.6, 0.3, 0.1))
    return Holdout(labels, of_day, dates, challenger, against, baseline, {}, CLASS, NAMES, NAMES)


COMPARISON = Gate(minimum={"accuracy": 0.6}, against_champion=AgainstChampion(metric="log_loss", margin=0.02))


@pytest.mark.parametrize(("skill", "champion", "passes"), [(0.3, 0.2, True), (0.2, 0.2, True), (0.2, 0.3, False)])
def test_a_challenger_is_compared_with_the_champion(skill: float, champion: float, passes: bool) -> None:
    report = judged(COMPARISON, holdout_of(skill, champion))
    assert result(report, "against_champion.log_loss").passed == passes
    assert report.metrics.keys() == set(CLASS.metrics.names)


def of_versions(champion: LabelClasses) -> Holdout:
    """A holdout whose champion gives the same probabilities, as far as it has the classes."""
    labels, days, challenger = world(600, 7, 0.3, 2)
    rows = pa.table(
        {
            "label": pa.array(np.array(NAMES)[labels.astype(int)]),
            "score_date": pa.array(np.datetime64("2024-01-01") + days),
            "shop": pa.array(["north", "south"] * 300),
        }
    )
    places = [NAMES.index(name) for name in champion.names if name in NAMES]
    scores = np.column_stack([challenger[:, places], np.full((600, len(champion.names) - len(places)), 0.2)])
    scores /= scores.sum(axis=1, keepdims=True)
    baseline, classes = Baseline(shares=(0.6, 0.3, 0.1)), LabelClasses(NAMES)
    compared = {"prediction": CLASS, "classes": classes, "champion_classes": champion}
    return Holdout.of(rows, challenger, scores, baseline, ("shop",), **compared)


@pytest.mark.parametrize(
    "names",
    [("wine", "bread"), ("fruit", "bread", "soap"), ("soap", "wine", "fruit"), ("fruit", "wine", "soap", "bread")],
)
def test_versions_of_other_classes_are_compared_on_those_that_both_have(names: tuple[str, ...]) -> None:
    """What both say of them is the same here, so no class that only one has makes a difference."""
    holdout = of_versions(LabelClasses(tuple(sorted(names, key=lambda name: name not in NAMES))))
    compared = holdout.compared()
    shared = [name for name in NAMES if name in names]
    assert compared.classes == tuple(shared)
    assert len(compared.labels) == sum(NAMES[int(label)] in shared for label in holdout.labels)
    assert compared.champion is not None
    assert compared.challenger == pytest.approx(compared.champion)
    assert category.valid_scores(compared.challenger).all()
    assert len(compared.columns["shop"]) == len(compared.labels)
    report = judged(COMPARISON, holdout)
    assert result(report, "against_champion.log_loss").value == pytest.approx(0)


def test_versions_of_the_same_classes_are_compared_on_all_rows() -> None:
    holdout = of_versions(LabelClasses(("fruit", "wine", "bread")))
    assert holdout.compared() is holdout
    assert result(judged(COMPARISON, holdout), "against_champion.log_loss").value == pytest.approx(0)


def test_common_classes_without_enough_rows_are_not_compared_and_refuse() -> None:
    holdout = of_versions(LabelClasses(("fruit", "wine", "soap")))
    holdout = replace(holdout, labels=np.where(holdout.labels == 2, 0.0, holdout.labels))  # none of wine is left
    report = judged(COMPARISON, holdout)
    outcome = result(report, "against_champion.log_loss")
    assert outcome.passed is False and report.difference is None
    assert outcome.sentence == (
        "log_loss is not compared with the champion's: fewer than two classes with 10 rows among those that both have "
        "learned"
    )


def test_versions_with_one_class_in_common_are_not_compared() -> None:
    holdout = of_versions(LabelClasses(("fruit", "soap")))
    assert holdout.champion is None
    assert "against_champion.log_loss" not in {outcome.rule for outcome in judged(COMPARISON, holdout).results}


def test_a_model_without_skill_is_no_better_than_the_shares_of_the_classes() -> None:
    assert not judged(Gate(minimum={"accuracy": 0.1}), holdout_of(0.0, None)).passed
    assert result(judged(COMPARISON, holdout_of(0.0, None)), "baseline.accuracy").passed is False
    assert result(judged(COMPARISON, holdout_of(0.3, None)), "baseline.accuracy").passed


def test_a_class_that_is_absent_from_the_holdout_is_named_and_left_out() -> None:
    holdout = holdout_of(0.3, 0.3)
    holdout = replace(holdout, labels=np.where(holdout.labels == 2, 1.0, holdout.labels))
    report = judged(COMPARISON, holdout)
    outcome = result(report, "classes")
    assert outcome.passed
    assert outcome.sentence == (
        "2 classes with 10 rows or more; no row of wine, which the means over classes leave out"
    )
    assert all(map(math.isfinite, report.metrics.values()))


def test_a_holdout_of_one_class_judges_nothing() -> None:
    report = judged(COMPARISON, replace(holdout_of(0.3, None), labels=np.zeros(1_500)))
    assert not report.passed
    assert report.summary().startswith("1 classes with 10 rows or more, two are needed")


@pytest.mark.parametrize("scores", [[0.5, 0.4, 0.4], [1.2, -0.1, -0.1], [math.nan, 0.5, 0.5]])
def test_probabilities_that_are_none_are_refused(scores: list[float]) -> None:
    holdout = holdout_of(0.3, None)
    challenger = holdout.challenger.copy()
    challenger[7] = scores
    report = judged(COMPARISON, replace(holdout, challenger=challenger))
    assert result(report, "scores").sentence == (
        "1 of 1500 scores are no probabilities of the classes that add up to 1"
    )


def test_the_page_shows_which_class_is_predicted_for_which() -> None:
    holdout = holdout_of(0.3, 0.2)
    page = render_gate("A gate", COMPARISON, holdout, judged(COMPARISON, holdout), "against version 1")
    for text in ("Predictions by class", "1 bread", "3 wine", "share of right predictions", "the most frequent class"):
        assert text in page


def test_the_importance_of_a_class_is_an_area() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(900, 2))
    labels = np.digitize(x[:, 0], [-0.5, 0.5]).astype(float)
    forest = RandomForestClassifier(30, random_state=0).fit(x[:600], labels[:600])
    explained = category.explained(labels[600:], forest.predict_proba(x[600:]))
    assert explained == pytest.approx(area_by_pairs(labels[600:], forest.predict_proba(x[600:])))
    assert explained > 0.95
