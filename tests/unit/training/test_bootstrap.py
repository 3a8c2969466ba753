from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm, t
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import NUMBER
from nightshift.training import bootstrap
from nightshift.training.bootstrap import Draws, Estimate, Sample, Vector, draw_days, estimate, metrics
from unit.examples import examples

METRICS: list[Metric] = ["roc_auc", "average_precision", "brier", "log_loss", "calibration_error"]
DAYS = 4

Rows = list[tuple[bool, float, int]]


def calibration_by_hand(labels: Vector, scores: Vector, sample_weight: Vector) -> float:
    """Ten bins of equal weight; rows of one score that lie in two bins are in both in proportion."""
    error, total = 0.0, sample_weight.sum()
    edges = total * np.arange(11) / 10
    for low, high in pairwise(edges):
        surplus = 0.0
        for score in np.unique(scores):
            same = scores == score
            start, end = sample_weight[scores < score].sum(), sample_weight[scores <= score].sum()
            overlap = max(0.0, min(high, end) - max(low, start))
            if overlap:
                surplus += overlap * (score - np.average(labels[same], weights=sample_weight[same]))
        error += abs(surplus)
    return error / total


def log_loss_of(labels: Vector, scores: Vector, sample_weight: Vector) -> float:
    return float(log_loss(labels, scores, sample_weight=sample_weight, labels=[0, 1]))


def bias_by_hand(labels: Vector, scores: Vector, sample_weight: Vector) -> float:
    return abs(float(np.average(scores, weights=sample_weight) - np.average(labels, weights=sample_weight)))


THEIRS: dict[Metric, Callable[..., Any]] = {
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
    "log_loss": log_loss_of,
    "calibration_error": calibration_by_hand,
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "r2": r2_score,
    "bias": bias_by_hand,
}

# Few different scores, so that there are ties within a day, between days and between the classes.
rows_of_days = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8).map(lambda n: n / 8), st.integers(0, DAYS - 1)), min_size=2, max_size=40
)


def sample_of(rows: Rows) -> Sample:
    labels, scores, days = (np.array(column) for column in zip(*rows, strict=True))
    return Sample(labels.astype(float), scores, days)


def all_draws() -> Draws:
    """Every way to draw four days out of four."""

    def ways(days: int, left: int) -> Iterator[list[int]]:
        if days == 1:
            yield [left]
            return
        for count in range(left + 1):
            yield from ([count, *rest] for rest in ways(days - 1, left - count))

    return np.array(list(ways(DAYS, DAYS)))


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@examples(max_examples=25)
@given(rows=rows_of_days)
def test_every_resample_is_what_weights_give(metric: Metric, rows: Rows) -> None:
    sample, drawn = sample_of(rows), all_draws()
    resampled = estimate(metric, sample, drawn).resamples
    for counts, value in zip(drawn, resampled, strict=True):
        weights = counts[sample.days].astype(float)
        labels = sample.labels[weights > 0]
        lacking = {"roc_auc": len(set(labels)) < 2, "average_precision": not labels.any()}.get(metric, not len(labels))
        if lacking:
            assert math.isnan(value)
        else:
            theirs = THEIRS[metric](sample.labels, sample.scores, sample_weight=weights)
            assert value == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("metric", NUMBER.metrics.names)
@pytest.mark.parametrize("far", [0.0, 1e6])
@examples(max_examples=25)
@given(
    rows=st.lists(
        st.tuples(st.integers(-8, 8), st.integers(-80, 80), st.integers(0, DAYS - 1)), min_size=2, max_size=40
    )
)
def test_every_resample_of_predicted_numbers_is_what_weights_give(
    metric: Metric, far: float, rows: list[tuple[int, int, int]]
) -> None:
    """Also where the numbers lie far from 0, as years or identifiers do."""
    labels, scores, days = (np.array(column) for column in zip(*rows, strict=True))
    sample, drawn = Sample(labels / 4 + far, scores / 32 + far, days), all_draws()
    resampled = estimate(metric, sample, drawn).resamples
    for counts, value in zip(drawn, resampled, strict=True):
        weights = counts[sample.days].astype(float)
        labels = sample.labels[weights > 0]
        if not len(labels) or (metric == "r2" and len(set(labels)) < 2):
            assert math.isnan(value)
        else:
            theirs = THEIRS[metric](sample.labels, sample.scores, sample_weight=weights)
            assert value == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_the_metrics_of_predicted_numbers_are_those_worked_out_by_hand() -> None:
    values = metrics(np.array([1.0, 2.0, 3.0, 6.0]), np.array([2.0, 2.0, 5.0, 5.0]), NUMBER.metrics.names)
    assert values["mae"] == pytest.approx((1 + 0 + 2 + 1) / 4)
    assert values["rmse"] == pytest.approx(math.sqrt((1 + 0 + 4 + 1) / 4))
    assert values["bias"] == pytest.approx(abs(1 + 0 + 2 - 1) / 4)
    assert values["r2"] == pytest.approx(1 - 6 / (4 + 1 + 0 + 9))  # the mean of the outcomes is 3
    assert list(values) == list(NUMBER.metrics.names)


def test_labels_that_do_not_vary_have_no_r2() -> None:
    values = metrics(np.full(5, 0.1), np.array([0.0, 0.1, 0.2, 0.3, 0.4]), NUMBER.metrics.names)
    assert math.isnan(values["r2"])
    assert values["rmse"] == pytest.approx(math.sqrt((0.01 + 0 + 0.01 + 0.04 + 0.09) / 5))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("name", "size"), [("BLOCK", 1), ("BLOCK", 3), ("BLOCK", 10**6), ("AT_ONCE", 1), ("AT_ONCE", 7)]
)
@pytest.mark.parametrize("days", [9, 1])
def test_how_many_scores_are_looked_at_at_once_makes_no_difference(
    metric: Metric, name: str, size: int, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    sample = Sample(random.integers(0, 2, 500) * 1.0, random.integers(0, 90, 500) / 90, random.integers(0, days, 500))
    drawn = draw_days(days, 50, 1)
    before = estimate(metric, sample, drawn)
    monkeypatch.setattr(bootstrap, name, size)
    after = estimate(metric, sample, drawn)
    assert after.value == pytest.approx(before.value, abs=1e-12)
    assert after.resamples == pytest.approx(before.resamples, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_rows_makes_no_difference(metric: Metric) -> None:
    random = np.random.default_rng(2)
    sample = Sample(random.integers(0, 2, 300) * 1.0, random.integers(0, 20, 300) / 20, random.integers(0, 5, 300))
    permuted = random.permutation(300)
    mixed = Sample(sample.labels[permuted], sample.scores[permuted], sample.days[permuted])
    drawn = draw_days(5, 50, 1)
    assert estimate(metric, mixed, drawn).resamples == pytest.approx(estimate(metric, sample, drawn).resamples)


def test_the_metrics_of_four_rows_are_those_worked_out_by_hand() -> None:
    values = metrics(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))
    assert values["roc_auc"] == pytest.approx(3 / 4)  # three of four pairs are in order
    assert values["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert values["brier"] == pytest.approx((0.1**2 + 0.4**2 + 0.65**2 + 0.2**2) / 4)
    assert values["log_loss"] == pytest.approx(-math.log(0.9 * 0.6 * 0.35 * 0.8) / 4)


def test_calibration_is_held_against_outcomes_in_ten_bins_of_equally_many_rows() -> None:
    positive = np.arange(1, 20, 2)  # of twenty rows each
    scores = np.repeat(positive / 20, 20)
    true = np.concatenate([np.arange(20) < count for count in positive]).astype(float)
    assert metrics(true, scores)["calibration_error"] == pytest.approx(0, abs=1e-12)
    too_high = np.minimum(scores + 0.03, 1)
    assert metrics(true, too_high)["calibration_error"] == pytest.approx(0.03)


@examples(max_examples=25)
@given(rows_of_days.filter(lambda rows: len({label for label, _, _ in rows}) == 2))
def test_the_metrics_are_what_their_definitions_say(rows: Rows) -> None:
    sample = sample_of(rows)
    labels, scores = sample.labels, sample.scores
    values = metrics(labels, scores)
    positive, negative = scores[labels == 1], scores[labels == 0]
    pairs = mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
    assert values["roc_auc"] == pytest.approx(pairs)
    assert values["brier"] == pytest.approx(np.mean((scores - labels) ** 2))


def test_every_resample_draws_as_many_days_as_there_are_and_the_same_seed_draws_the_same() -> None:
    drawn = draw_days(14, 500, 7)
    assert drawn.shape == (500, 14)
    assert set(drawn.sum(axis=1)) == {14}
    assert np.abs(drawn.mean(axis=0) - 1).max() < 0.2
    assert np.array_equal(drawn, draw_days(14, 500, 7))
    assert not np.array_equal(drawn, draw_days(14, 500, 8))


@pytest.mark.parametrize("metric", METRICS)
def test_a_model_differs_from_itself_by_nothing_on_every_resample(metric: Metric) -> None:
    random = np.random.default_rng(3)
    sample = Sample(random.integers(0, 2, 300) * 1.0, random.uniform(size=300), random.integers(0, 7, 300))
    first, second = (estimate(metric, sample, draw_days(7, 100, 1)) for _ in range(2))
    assert (first - second).interval(7, 0.95) == (0.0, 0.0)


def test_the_ends_of_an_interval_are_students_where_resamples_are_normal() -> None:
    resamples = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    for days in (5, 14, 1000):
        low, high = Estimate(0.0, resamples).interval(days, 0.95)
        # Resamples of n days spread by the square root of (n - 1) / n too little.
        assert high == pytest.approx(t.ppf(0.95, days - 1) * math.sqrt(days / (days - 1)), abs=0.02)
        assert low == pytest.approx(-high, abs=0.02)
    assert Estimate(0.0, resamples).interval(14, 0.99)[0] < Estimate(0.0, resamples).interval(14, 0.95)[0]


def test_where_resamples_are_biased_the_value_is_within_its_interval() -> None:
    low, high = Estimate(0.02, np.linspace(0.03, 0.05, 1000)).interval(20, 0.95)
    assert low < 0.02 < high


def test_a_resample_that_says_nothing_counts_as_the_worst_and_as_the_best() -> None:
    few = np.where(np.arange(1000) < 10, np.nan, 0.1)
    assert Estimate(0.1, few).interval(30, 0.95) == pytest.approx((0.1, 0.1))
    many = np.where(np.arange(1000) < 100, np.nan, 0.1)
    assert Estimate(0.1, many).interval(30, 0.95) == (-math.inf, math.inf)
