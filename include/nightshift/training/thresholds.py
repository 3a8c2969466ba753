"""The threshold of a decision that has the largest value on the rows of a holdout."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nightshift.registry.decision_threshold import DecisionThreshold
from nightshift.training.bootstrap import Integers, Vector, draw_days

RESAMPLES = 1000  # of the holdout's days
CONFIDENCE = 0.95  # of each end of the interval
LEAST_DAYS = 5  # that an interval needs
MOST_CANDIDATES = 2000


def best_threshold(scores: Vector, gains: Vector, days: Integers, seed: int) -> DecisionThreshold:
    """The threshold from which on deciding for rows has the largest sum of values.

    Candidates lie between neighbouring scores; of more than 2,000 they are at equal numbers of rows. Of equally good
    ones the highest is chosen, which decides for the fewest rows. Its interval is that of the best threshold of
    resampled days.

    Args:
        scores: The score of each row, shape (rows,); at least one.
        gains: What each row is worth more if it is decided for than otherwise, shape (rows,).
        days: Each row's day, as a number from 0, shape (rows,).
        seed: Of the resamples.
    """
    candidates = _candidates(scores)
    # The row is decided for by candidates up to this one, from the highest: the sums of all further ones.
    place = np.searchsorted(candidates, scores, "right")
    count = int(days.max()) + 1
    by_day = np.zeros((count, len(candidates) + 1))
    np.add.at(by_day, (days, place), gains)
    reached = by_day[:, ::-1].cumsum(axis=1)[:, -2::-1]  # of each day and candidate: the rows with at least that score
    best = _highest_best(candidates, np.ones((1, count), dtype=np.int64) @ reached)[0]
    if count < LEAST_DAYS:
        return DecisionThreshold(float(best), rows=len(scores), days=count)
    resampled = _highest_best(candidates, draw_days(count, RESAMPLES, seed) @ reached)
    low = float(np.quantile(resampled, 1 - CONFIDENCE, method="lower"))
    high = float(np.quantile(resampled, CONFIDENCE, method="higher"))
    return DecisionThreshold(float(best), low, high, rows=len(scores), days=count)


def _candidates(scores: Vector) -> Vector:
    """Thresholds, ascending: the lowest decides for every row, the highest for none."""
    distinct = np.unique(scores)
    if len(distinct) > MOST_CANDIDATES:
        ranks = np.linspace(0, len(scores) - 1, MOST_CANDIDATES).round().astype(np.int64)
        distinct = np.unique(np.sort(scores)[ranks])
    return np.concatenate([distinct[:1], _between(distinct), [np.nextafter(distinct[-1], np.inf)]])


def _between(distinct: Vector) -> Vector:
    """The middles of neighbours; of two without a double between them the upper one."""
    middles = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    result: npt.NDArray[np.float64] = np.where(middles > distinct[:-1], middles, distinct[1:])
    return result


def _highest_best(candidates: Vector, values: Vector) -> Vector:
    """Of each row of values, shape (…, candidates), the highest candidate that has the largest, to rounding."""
    largest = values.max(axis=1, keepdims=True)
    close = values >= largest - 1e-9 * np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-300)
    highest: Vector = candidates[len(candidates) - 1 - close[:, ::-1].argmax(axis=1)]
    return highest
