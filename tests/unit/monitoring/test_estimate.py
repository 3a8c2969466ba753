from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error

from nightshift.definition.prediction import NUMBER
from nightshift.monitoring import expected_performance
from nightshift.monitoring.estimate import estimate_performance
from nightshift.monitoring.expected_performance import (
    ErrorModel,
    ExpectedPerformance,
    MetricBand,
    ProbabilityModel,
    error_model,
    expected_roc_auc,
    learn_expected_performance,
)
from nightshift.registry.calibration import Sigmoid, Vector
from nightshift.training.bootstrap import metrics
from nightshift.training.calibrate import calibrate
from nightshift.types import Measurement

SAME = Sigmoid(1.0, 0.0)  # a score is the probability

Chances = list[tuple[float, float]]
chances = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.floats(0, 1)), min_size=2, max_size=7)


def chance(logit: Vector) -> Vector:
    return np.asarray(1 / (1 + np.exp(-logit)))


@given(chances)
@pytest.mark.slow
def test_the_expected_area_is_that_of_every_possible_outcome(rows: Chances) -> None:
    """Pairs in order by pairs of both classes, each expected over all outcomes, weighted by how likely they are."""
    scores, likely = (np.array([row[part] for row in rows]) for part in (0, 1))
    ordered = pairs = 0.0
    for outcome in range(2 ** len(rows)):
        labels = np.array([outcome >> place & 1 for place in range(len(rows))])
        weight = float(np.prod(np.where(labels == 1, likely, 1 - likely)))
        both = labels.sum() * (len(rows) - labels.sum())
        pairs += weight * both
        ordered += weight * both * (roc_auc_score(labels, scores) if both else 0)
    area = expected_roc_auc(scores, likely)
    if pairs > 1e-9:
        assert area == pytest.approx(ordered / pairs, abs=1e-6)


@pytest.mark.parametrize("rows", [[(0.5, 0.5)], [(0.1, 0.0), (0.9, 0.0)]])
def test_without_a_pair_to_compare_there_is_no_area(rows: Chances) -> None:
    scores, likely = (np.array([row[part] for row in rows]) for part in (0, 1))
    assert math.isnan(expected_roc_auc(scores, likely))


@given(chances, st.integers(1, 4))
def test_the_expected_performance_of_rows_is_that_of_their_parts(rows: Chances, size: int) -> None:
    scores = np.array([row[0] for row in rows])
    whole = ProbabilityModel(SAME).estimate(scores)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expected_performance, "AT_ONCE", size)
        assert ProbabilityModel(SAME).estimate(scores) == pytest.approx(whole, nan_ok=True)


def world(rows: int, shift: float, seed: int, change: float = 0.0) -> tuple[Vector, Vector]:
    """What a model sees of rows, and what becomes of them.

    Args:
        rows: How many.
        shift: By how much the rows are moved to where fewer are undecided.
        seed: Of chance.
        change: By how much the concept is changed.
    """
    random = np.random.default_rng(seed)
    inputs = random.normal(shift, 1 + 0.5 * abs(shift), rows)
    return inputs, (random.uniform(size=rows) < chance((1.5 - change) * inputs - 1)).astype(float)


def model(seed: int = 1) -> tuple[LogisticRegression, ExpectedPerformance]:
    """A model, miscalibrated on purpose, and its expected performance from a holdout of 14 days."""
    inputs, labels = world(4000, 0.0, seed)
    fitted = LogisticRegression(C=0.002, class_weight="balanced").fit(inputs.reshape(-1, 1), labels)
    inputs, labels = world(14 * 600, 0.0, seed + 1)
    given = scores(fitted, inputs)
    return fitted, learn_expected_performance(
        labels, given, np.repeat(np.arange(14), 600), metrics, calibrate("isotonic", given, labels)
    )  # fmt: skip


def scores(fitted: LogisticRegression, inputs: Vector) -> Vector:
    return np.asarray(fitted.predict_proba(inputs.reshape(-1, 1))[:, 1])


def of_night(measured: list[Measurement]) -> dict[str, Measurement]:
    return {m.statistic: m for m in measured if m.subject == "night"}


@pytest.mark.parametrize("shift", [-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_covariate_shift_the_estimate_is_near_the_realized_value(shift: float, seed: int) -> None:
    fitted, expected = model(seed)
    inputs, labels = world(5000, shift, seed + 100)
    given = scores(fitted, inputs)
    estimates = of_night(estimate_performance(expected, given, 1))
    assert estimates["roc_auc"].value == pytest.approx(roc_auc_score(labels, given), abs=0.03)
    assert estimates["brier"].value == pytest.approx(brier_score_loss(labels, given), abs=0.02)
    assert estimates["log_loss"].value == pytest.approx(log_loss(labels, given), abs=0.05)


def test_the_shift_is_one_that_changes_the_performance() -> None:
    """Or the test above would pass by estimating the holdout's own."""
    fitted, expected = model()
    apart = []
    for shift in (-1.0, 2.0):
        inputs, labels = world(5000, shift, 101)
        apart.append(abs(roc_auc_score(labels, scores(fitted, inputs)) - expected.realized["roc_auc"].value))
    assert max(apart) > 0.06


def test_a_changed_concept_is_not_noticed() -> None:
    fitted, expected = model()
    inputs, labels = world(5000, 0.0, 101, change=1.2)
    given = scores(fitted, inputs)
    estimates = of_night(estimate_performance(expected, given, 1))["roc_auc"].value
    assert estimates is not None
    assert estimates - roc_auc_score(labels, given) > 0.15


def test_a_night_as_the_holdout_is_as_expected_and_one_far_off_is_not() -> None:
    fitted, expected = model()
    usual = of_night(estimate_performance(expected, scores(fitted, world(600, 0.0, 101)[0]), 7))
    assert {m.verdict for m in usual.values()} == {"pass"}
    assert {(m.sample_size, m.model_version) for m in usual.values()} == {(600, 7)}
    narrow = scores(fitted, world(600, 0.0, 101)[0] * 0.2)
    assert of_night(estimate_performance(expected, narrow, 7))["roc_auc"].verdict == "warn"


def test_the_means_of_the_holdout_are_measurements_too() -> None:
    _, expected = model()
    references = {
        m.statistic: m.value for m in estimate_performance(expected, np.array([0.2, 0.7]), 1) if m.subject != "night"
    }
    assert references == {name: expected.estimated[name].value for name in ("roc_auc", "brier", "log_loss")}


@pytest.mark.parametrize(
    ("given", "has_expected", "reason"),
    [
        ([], True, "no score"),
        ([math.nan, math.inf], True, "no score"),
        ([0.2, 0.4], False, "the version has no expected performance: it was trained by an earlier release"),
    ],
)
def test_an_estimate_that_is_not_possible_is_unknown(given: list[float], has_expected: bool, reason: str) -> None:
    expected = ExpectedPerformance(ProbabilityModel(SAME), {}, {}) if has_expected else None
    measured = estimate_performance(expected, np.array(given), 1)
    assert [(m.statistic, m.value, m.verdict, m.detail) for m in measured] == [
        (name, None, "unknown", reason) for name in ("roc_auc", "brier", "log_loss")
    ]


def test_of_one_row_there_is_no_area_but_an_error() -> None:
    estimates = of_night(estimate_performance(ExpectedPerformance(ProbabilityModel(SAME), {}, {}), np.array([0.2]), 1))
    assert (estimates["roc_auc"].value, estimates["roc_auc"].verdict) == (None, "unknown")
    assert estimates["brier"].value == pytest.approx(0.2 * 0.8)


def test_scores_that_are_not_finite_are_excluded_and_counted() -> None:
    expected = ExpectedPerformance(ProbabilityModel(SAME), {}, {})
    estimates = of_night(estimate_performance(expected, np.array([0.2, math.nan, 0.6]), 1))["brier"]
    assert (estimates.sample_size, estimates.detail) == (2, "1 scores are not finite numbers")


def test_the_worst_to_expect_is_a_prediction_interval_of_the_days() -> None:
    """By hand: days of 0.5, 0.6, 0.7 have mean 0.6 and deviation 0.1; Student's 99% of two degrees is 6.9646."""
    day_of = {0: 0.5, 1: 0.6, 2: 0.7}

    def metrics_by_day(labels: Vector, given: Vector) -> dict[str, float]:
        value = day_of[int(labels[0])] if len(labels) == 1 else 0.6
        return {"roc_auc": value, "mae": value}

    bands = learn_expected_performance(np.arange(3.0), np.arange(3.0), np.arange(3), metrics_by_day, None).realized
    assert bands["roc_auc"] == MetricBand(0.6, pytest.approx(0.6 - 6.9646 * 0.1 * math.sqrt(4 / 3), abs=1e-4))
    assert bands["mae"].bound == pytest.approx(0.6 + 6.9646 * 0.1 * math.sqrt(4 / 3), abs=1e-4)


def test_a_night_like_the_holdout_is_as_expected_though_only_some_observations_have_an_outcome() -> None:
    """The model separates those that have one better than the rest."""
    inputs, labels = world(14 * 600, 0.0, 2)
    fitted, days = LogisticRegression().fit(inputs.reshape(-1, 1), labels), np.repeat(np.arange(14), 600)
    given, with_outcome = scores(fitted, inputs), np.abs(inputs) > 1
    judged = labels[with_outcome], given[with_outcome], days[with_outcome]
    calibration = calibrate("isotonic", *judged[1::-1])
    expected = learn_expected_performance(*judged, metrics, calibration, (given, days))
    night = scores(fitted, world(600, 0.0, 99)[0])
    measured = estimate_performance(expected, night, 1)
    assert {m.verdict for m in of_night(measured).values()} == {"pass"}
    [mean] = [m.value for m in measured if (m.subject, m.statistic) == ("reference", "roc_auc")]
    assert of_night(measured)["roc_auc"].value == pytest.approx(mean, abs=0.03)
    labelled_alone = learn_expected_performance(*judged, metrics, calibration)
    assert of_night(estimate_performance(labelled_alone, night, 1))["roc_auc"].verdict == "warn"
    assert expected.realized == labelled_alone.realized


def test_two_days_give_no_bound() -> None:
    bands = learn_expected_performance(
        np.arange(2.0), np.arange(2.0), np.arange(2), lambda labels, given: {"mae": 1.0}, None
    )
    assert bands.realized == {"mae": MetricBand(1.0, None)}


# ---- numbers


def world_of_numbers(rows: int, shift: float, seed: int) -> tuple[Vector, Vector]:
    """Numbers whose errors grow with them, and their predictions."""
    random = np.random.default_rng(seed)
    scores = np.exp(random.normal(1 + shift, 0.5, rows))
    return scores + 0.3 * scores * random.normal(size=rows), scores


def of_numbers(labels: Vector, scores: Vector) -> dict[str, float]:
    return {"mae": float(mean_absolute_error(labels, scores)), "rmse": float(root_mean_squared_error(labels, scores))}


@pytest.mark.parametrize("shift", [-0.4, 0.0, 0.4])
def test_errors_of_numbers_are_estimated_by_how_large_they_are(shift: float) -> None:
    labels, given = world_of_numbers(14 * 500, 0.0, 1)
    expected = learn_expected_performance(labels, given, np.repeat(np.arange(14), 500), of_numbers, None)
    labels, given = world_of_numbers(5000, shift, 2)
    estimates = of_night(estimate_performance(expected, given, 1, prediction=NUMBER))
    for name, value in of_numbers(labels, given).items():
        assert estimates[name].value == pytest.approx(value, rel=0.1)
    assert abs(expected.realized["mae"].value - of_numbers(labels, given)["mae"]) > 0.2 * abs(shift)


def test_the_error_model_of_a_small_holdout() -> None:
    scores = np.arange(1.0, 11.0)
    model = error_model(scores + np.where(scores > 5, 2.0, -1.0), scores)
    assert model.absolute == (1.0,) * 5 + (2.0,) * 5
    assert model.squared == (1.0,) * 5 + (4.0,) * 5
    assert model.estimate(np.array([1.0, 10.0])) == {"mae": 1.5, "rmse": pytest.approx(math.sqrt(2.5))}


def test_equal_scores_share_a_bin_and_larger_scores_have_the_error_of_all_rows() -> None:
    model = error_model(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0))
    assert model == ErrorModel((2.0,), (pytest.approx(2 / 3),) * 2, (pytest.approx(2 / 3),) * 2)


@pytest.mark.parametrize("regression", [True, False])
def test_an_expected_performance_is_the_same_after_it_was_stored(regression: bool) -> None:
    labels, given = world(900, 0.0, 3)
    days, map_ = np.repeat(np.arange(3), 300), calibrate("isotonic", chance(given), labels)
    expected = learn_expected_performance(
        labels, chance(given), days, of_numbers if regression else metrics, None if regression else map_
    )
    assert ExpectedPerformance.from_json(json.loads(json.dumps(expected.to_json()))) == expected
