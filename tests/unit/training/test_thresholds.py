"""The best threshold of a decision, against a search by hand over every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.training.thresholds import MOST_CANDIDATES, best_threshold

ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(-30, 30), st.integers(0, 6)), min_size=1, max_size=40
)  # score, gain, day


def value_at(threshold: float, scores: np.ndarray, gains: np.ndarray) -> float:
    return float(gains[scores >= threshold].sum())


@given(ROWS)
def test_no_other_threshold_is_worth_more_and_of_equal_ones_it_decides_for_the_fewest(
    rows: list[tuple[int, int, int]],
) -> None:
    scores, gains, days = (np.array(column) for column in zip(*rows, strict=True))
    scores = scores / 12
    chosen = best_threshold(scores, gains.astype(float), days, seed=1)
    others = [*np.unique(scores), np.inf]
    assert value_at(chosen.threshold, scores, gains) == max(value_at(other, scores, gains) for other in others)
    best = [other for other in others if value_at(other, scores, gains) == value_at(chosen.threshold, scores, gains)]
    assert (scores >= chosen.threshold).sum() == min((scores >= other).sum() for other in best)
    assert chosen.rows == len(rows)
    if chosen.low is not None and chosen.high is not None:
        assert chosen.low <= chosen.high


@given(ROWS, st.floats(0.01, 100))
def test_the_unit_of_the_value_changes_nothing(rows: list[tuple[int, int, int]], unit: float) -> None:
    scores, gains, days = (np.array(column, float) for column in zip(*rows, strict=True))
    whole = days.astype(int)
    assert best_threshold(scores, gains, whole, 1).threshold == best_threshold(scores, gains * unit, whole, 1).threshold


def test_of_many_scores_it_is_near_the_probability_from_which_a_decision_pays() -> None:
    """A right decision is worth 30, a wrong one costs 20: from 40% on it pays, and the interval says how surely."""
    random = np.random.default_rng(7)
    scores = random.uniform(size=100_000)
    gains = np.where(random.uniform(size=len(scores)) < scores, 30.0, -20.0)
    days = np.arange(len(scores)) % 28
    assert len(np.unique(scores)) > MOST_CANDIDATES
    chosen = best_threshold(scores, gains, days, seed=3)
    assert chosen.threshold == pytest.approx(0.4, abs=0.03)
    assert chosen.low is not None and chosen.high is not None
    assert chosen.low < 0.4 < chosen.high and chosen.high - chosen.low < 0.1
    assert best_threshold(scores, gains, days, seed=3) == chosen


def test_neighbouring_doubles_are_told_apart() -> None:
    scores = np.array([0.5, np.nextafter(0.5, 1)])
    chosen = best_threshold(scores, np.array([-1.0, 1.0]), np.array([0, 0]), 1)
    assert (scores >= chosen.threshold).tolist() == [False, True]
    assert chosen.low is None and chosen.high is None  # one day says nothing of others
