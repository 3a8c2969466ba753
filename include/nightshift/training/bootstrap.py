"""The bootstrap over days: the uncertainty of a holdout's metric, or of the difference of two models' metrics.

Rows of one day share its weather, its promotions, its faults: they are not independent. So whole days are drawn with
replacement, and every row of a day counts as often as the day is drawn (a cluster bootstrap: Davison and Hinkley,
Bootstrap Methods and their Application, 1997, 3.8). Two models are compared on the same draws (a paired bootstrap).

A resample is a vector of how often each day is drawn. No row is copied: a metric is computed for all resamples at once
from sums by day, and by score where the order of scores matters, which is exact with ties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import PROBABILITY

Vector = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Draws = npt.NDArray[np.int64]  # shape (resamples, days)

BINS = 10
ROUNDING = 1e-12  # of a sum of squares
BLOCK, RESAMPLES = 128, 1000  # cells at a time for so many resamples, which then fit into a processor's cache
AT_ONCE = 1_000_000  # rows of which intermediate values are in memory


@dataclass(frozen=True)
class Sample:
    """One model's scores of a holdout.

    Attributes:
        labels: The outcomes, 0 or 1 of a condition, of a class its position, shape (rows,).
        scores: The scores of the same rows, shape (rows,); of a class the probability of each, shape (rows, classes).
        days: Each row's day, as a number from 0.
    """

    labels: Vector
    scores: Vector
    days: Integers

    def part(self, rows: slice | Integers) -> Sample:
        """Some rows of it."""
        return Sample(self.labels[rows], self.scores[rows], self.days[rows])


@dataclass(frozen=True)
class Estimate:
    """A value of a holdout, or the difference of two values, with its value on every resample.

    Attributes:
        value: The value of the holdout itself.
        resamples: The value of each resample, shape (resamples,); NaN where it is not defined.
    """

    value: float
    resamples: Vector

    def __sub__(self, subtracted: Estimate) -> Estimate:
        return Estimate(self.value - subtracted.value, self.resamples - subtracted.resamples)

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, -self.resamples)

    def interval(self, days: int, confidence: float) -> tuple[float, float]:
        """The lower and the upper end, each one-sided at `confidence`.

        The percentile interval or its reflection about the value, whichever end is further out: where a metric is
        biased, as the calibration error of few rows is, the percentiles are twice as biased. A resample on which the
        value is not defined counts as the worst below and as the best above.

        Args:
            days: How many days the holdout has.
            confidence: The confidence of each end.
        """
        share = _tail(days, confidence)
        low = float(np.quantile(np.nan_to_num(self.resamples, nan=-np.inf), share, method="lower"))
        high = float(np.quantile(np.nan_to_num(self.resamples, nan=np.inf), 1 - share, method="higher"))
        return min(low, 2 * self.value - high), max(high, 2 * self.value - low)


def draw_days(days: int, resamples: int, seed: int) -> Draws:
    """How often each day is drawn in each resample, shape (resamples, days)."""
    random = np.random.default_rng(seed)
    return random.multinomial(days, np.full(days, 1 / days), resamples)


def estimate(metric: Metric, sample: Sample, drawn: Draws) -> Estimate:
    """A metric of a holdout and of every resample; not defined on those that lack a class it needs.

    Args:
        metric: The metric.
        sample: The scores and labels.
        drawn: How often each day is drawn, shape (resamples, days).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _METRICS[metric](sample, np.vstack([np.ones_like(drawn[:1]), drawn]))
    return Estimate(float(values[0]), values[1:])


def metrics(labels: Vector, scores: Vector, wanted: Sequence[Metric] = PROBABILITY.metrics.names) -> dict[str, float]:
    """Metrics of scored rows by their name, those of probabilities by default; NaN where a metric is not defined."""
    sample, one_draw = Sample(labels, scores, np.zeros(len(labels), dtype=np.int64)), np.ones((1, 1), dtype=np.int64)
    return {str(metric): estimate(metric, sample, one_draw).value for metric in wanted}


def _tail(days: int, confidence: float) -> float:
    """The share of resamples beyond an end of an interval.

    Resamples of few days vary too little, and by the normal distribution instead of Student's; a smaller share corrects
    both (the expanded percentile interval: Hesterberg, What Teachers Should Know about the Bootstrap, 2015, 5.2).
    """
    return float(ndtr(sqrt(days / (days - 1)) * stdtrit(days - 1, 1 - confidence)))


def _mean_of(loss: Callable[[Vector, Vector], Vector]) -> Callable[[Sample, Draws], Vector]:
    def mean(sample: Sample, drawn: Draws) -> Vector:
        of_day = np.zeros(drawn.shape[1])
        for first in range(0, len(sample.labels), AT_ONCE):
            part = sample.part(slice(first, first + AT_ONCE))
            of_day += _by_day(part, drawn, loss(part.labels, part.scores))
        return (drawn @ of_day) / (drawn @ _by_day(sample, drawn))

    return mean


def _root_mean_squared(sample: Sample, drawn: Draws) -> Vector:
    return np.sqrt(_mean_of(_squared)(sample, drawn))


def _bias(sample: Sample, drawn: Draws) -> Vector:
    """The absolute mean error of the scores."""
    return np.abs(_mean_of(_surplus)(sample, drawn))


def _r2(sample: Sample, drawn: Draws) -> Vector:
    """The share of the labels' variance, within each resample, that the scores explain."""
    labels = sample.labels - sample.labels.mean()  # for precision where labels are far from 0
    rows = drawn @ _by_day(sample, drawn)
    squares = drawn @ _by_day(sample, drawn, np.square(labels))
    varied: Vector = squares - np.square(drawn @ _by_day(sample, drawn, labels)) / rows
    varied[varied <= ROUNDING * squares] = np.nan  # all labels of these days are the same
    return 1 - drawn @ _by_day(sample, drawn, _squared(sample.labels, sample.scores)) / varied


def _roc_auc(sample: Sample, drawn: Draws) -> Vector:
    """By pairs of days: how many pairs of a positive row of the first and a negative row of the second are in order.

    Those counts are the Mann-Whitney statistics of every pair of days, so that a resample is a quadratic form.
    """
    days, is_positive = drawn.shape[1], sample.labels == 1
    scores, of_day = sample.scores[is_positive], sample.days[is_positive]
    if days > 1:
        order = np.argsort(scores)
        scores, of_day = scores[order], of_day[order]
    else:
        scores.sort()
    ordered = np.zeros((days, days))
    for day in range(days):
        negatives = np.sort(sample.scores[~is_positive & (sample.days == day)])
        for first in range(0, len(scores), AT_ONCE):
            rows = slice(first, first + AT_ONCE)
            below = np.searchsorted(negatives, scores[rows], "left") + np.searchsorted(negatives, scores[rows], "right")
            ordered[:, day] += np.bincount(of_day[rows], below, days) / 2
    positive = _by_day(sample, drawn, sample.labels)
    negative = _by_day(sample, drawn) - positive
    pairs: Vector = (drawn @ ordered * drawn).sum(axis=1)
    return pairs / ((drawn @ positive) * (drawn @ negative))


def _average_precision(sample: Sample, drawn: Draws) -> Vector:
    """The precision at every distinct score, weighted by the positive rows that have it."""
    total = np.zeros(len(drawn))
    rows_before = positives_before = np.zeros((len(drawn), 1), dtype=np.int64)
    for block in _blocks(sample, -1, len(drawn)):
        cells = np.flatnonzero(block.positive)
        rows = _running(drawn, block.day, block.rows, rows_before)
        positives = _running(drawn, block.day[cells], block.positive[cells], positives_before)
        # The last rows of every score that positive rows have.
        ends = np.unique(block.ends[np.searchsorted(block.ends, cells)])
        reached = positives[:, np.searchsorted(cells, ends, "right")]
        gained = np.diff(reached, axis=1, prepend=positives_before)
        total += (gained * reached / np.maximum(rows[:, ends + 1], 1)).sum(axis=1)  # without a row nothing is gained
        rows_before, positives_before = rows[:, -1:].copy(), positives[:, -1:].copy()
    return total / positives_before[:, 0]


def _calibration_error(sample: Sample, drawn: Draws) -> Vector:
    """The calibration error of scores; of a class, that of the prediction's probability."""
    if sample.scores.ndim == 1:
        return _expected_calibration_error(sample, drawn)
    is_right, likeliest = _accuracy_of_rows(sample.labels, sample.scores), sample.scores.max(axis=1)
    return _expected_calibration_error(Sample(is_right, likeliest, sample.days), drawn)


def _expected_calibration_error(sample: Sample, drawn: Draws) -> Vector:
    """The expected calibration error over bins of equally many rows, in the order of scores.

    The surplus of score over label is summed from the lowest row; a bin's share of the error is the change of that sum
    within it. Where a bin ends among rows of the same score, each of them is in both bins in proportion, so that the
    result does not depend on their order.
    """
    rows = drawn @ _by_day(sample, drawn)
    bin_ends = rows[:, None] * np.arange(1, BINS) / BINS
    at_end = np.zeros((len(drawn), BINS + 1))
    at_end[:, BINS] = drawn @ _by_day(sample, drawn, sample.scores - sample.labels)
    rows_before = surplus_before = np.zeros((len(drawn), 1))
    for block in _blocks(sample, 1, len(drawn)):
        surplus = block.scores * block.rows - block.positive
        rows_after, surplus_after = (
            before + drawn @ np.bincount(block.day, part, drawn.shape[1])[:, None]
            for before, part in ((rows_before, block.rows), (surplus_before, surplus))
        )
        here = (bin_ends > rows_before) & (bin_ends <= rows_after)
        resamples = np.flatnonzero(here.any(axis=1))
        ends = np.append(-1, block.ends) + 1
        reached = _running(drawn[resamples], block.day, block.rows, rows_before[resamples])[:, ends]
        surpluses = _running(drawn[resamples], block.day, surplus, surplus_before[resamples])[:, ends]
        for end in np.flatnonzero(here.any(axis=0)):
            among = np.flatnonzero(here[resamples, end])
            position = bin_ends[resamples[among], end]
            score = (reached[among] < position[:, None]).sum(axis=1)
            low, high = reached[among, score - 1], reached[among, score]
            low_surplus, high_surplus = surpluses[among, score - 1], surpluses[among, score]
            share = (position - low) / (high - low)
            at_end[resamples[among], end + 1] = low_surplus + share * (high_surplus - low_surplus)
        rows_before, surplus_before = rows_after, surplus_after
    error: Vector = np.abs(np.diff(at_end, axis=1)).sum(axis=1)
    return error / rows


def _accuracy_of_rows(labels: Vector, scores: Vector) -> Vector:
    return np.asarray(scores.argmax(axis=1) == labels, dtype=np.float64)


def _macro_f1(sample: Sample, drawn: Draws) -> Vector:
    """The mean of the classes' F1, of those that have a row."""
    predicted, by_class = sample.scores.argmax(axis=1), []
    for place in range(sample.scores.shape[1]):
        is_label, is_predicted = sample.labels == place, predicted == place
        parts = (is_label & is_predicted, is_label, is_predicted)
        right, labelled, claimed = (drawn @ _by_day(sample, drawn, part.astype(np.float64)) for part in parts)
        by_class.append(np.where(labelled > 0, 2 * right / (labelled + claimed), np.nan))
    return _mean_of_defined(by_class)


def _macro_roc_auc(sample: Sample, drawn: Draws) -> Vector:
    """The mean of the areas of each class against the rest, of those that have a row, and another class one.

    Source: F. Provost and P. Domingos, Well-trained PETs, CeDER working paper (2000), without their weights.
    """
    by_class = []
    for place in range(sample.scores.shape[1]):
        is_class = (sample.labels == place).astype(np.float64)
        by_class.append(_roc_auc(Sample(is_class, sample.scores[:, place], sample.days), drawn))
    return _mean_of_defined(by_class)


def _mean_of_defined(by_class: Sequence[Vector]) -> Vector:
    """The mean over classes of what is defined, shape (resamples,); NaN where nothing is."""
    values = np.array(by_class)
    defined = np.isfinite(values)
    return np.asarray(np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0))


@dataclass(frozen=True)
class _Block:
    """Rows of consecutive scores; the rows of the same score and day are one cell.

    Attributes:
        scores: The score of each cell, ascending or descending, shape (cells,).
        day: The day of each cell.
        rows: How many rows each cell has.
        positive: How many of them are positive.
        ends: The last cell of each distinct score, once they are all there.
    """

    scores: Vector
    day: Integers
    rows: Integers
    positive: Integers
    ends: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    def part(self, cells: slice | npt.NDArray[np.bool_]) -> _Block:
        """Some cells of it."""
        return _Block(self.scores[cells], self.day[cells], self.rows[cells], self.positive[cells])

    def followed_by(self, later: _Block) -> _Block:
        """These cells and later ones, in which rows of the same score and day are together."""
        scores, day = (np.concatenate(pair) for pair in ((self.scores, later.scores), (self.day, later.day)))
        changes = (scores[1:] != scores[:-1]) | (day[1:] != day[:-1])
        starts = np.append(0, np.flatnonzero(changes) + 1)
        rows, positive = (
            np.add.reduceat(np.concatenate(pair), starts)
            for pair in ((self.rows, later.rows), (self.positive, later.positive))
        )
        return _Block(scores[starts], day[starts], rows, positive)


def _blocks(sample: Sample, direction: int, resamples: int) -> Iterator[_Block]:
    """All rows in the order of scores, ascending (1) or descending (-1); a score is never in two blocks."""
    most = BLOCK * max(1, RESAMPLES // resamples)
    for cells in _cells(sample, direction):
        ends = np.append(np.flatnonzero(cells.scores[1:] != cells.scores[:-1]), len(cells.scores) - 1)
        first = 0
        while first < len(cells.scores):
            to = np.searchsorted(ends, min(first + most, len(cells.scores)) - 1)
            inside = ends[np.searchsorted(ends, first) : to + 1] - first
            yield replace(cells.part(slice(first, ends[to] + 1)), ends=inside)
            first = int(ends[to]) + 1


def _cells(sample: Sample, direction: int) -> Iterator[_Block]:
    """All cells in the order of scores, of about `AT_ONCE` rows at a time; a score is never in two parts."""
    several_days = sample.days.any()
    order = np.lexsort((sample.days, sample.scores)) if several_days else np.argsort(sample.scores)
    order, pending = order[::direction], _Block(*(np.empty(0, kind) for kind in (float, int, int, int)))
    for first in range(0, len(order), AT_ONCE):
        rows = order[first : first + AT_ONCE]
        cells = _Block(sample.scores[rows], sample.days[rows], np.ones(len(rows), int), sample.labels[rows].astype(int))
        cells = pending.followed_by(cells)
        is_last = cells.scores == cells.scores[-1]  # which may have more rows
        yield cells.part(~is_last)
        pending = cells.part(is_last)
    yield pending


def _running(drawn: Draws, day: Integers, amounts: Integers | Vector, before: Any) -> Any:
    """The running sum before the first cell and after every cell of each resample, shape (resamples, cells + 1)."""
    sums = np.empty((len(drawn), len(day) + 1), dtype=np.result_type(amounts, before))
    sums[:, :1] = before
    np.multiply(drawn[:, day], amounts, out=sums[:, 1:])
    return np.cumsum(sums, axis=1, out=sums)


def _by_day(sample: Sample, drawn: Draws, values: Vector | None = None) -> Vector:
    return np.bincount(sample.days, values, drawn.shape[1]).astype(np.float64)


def _squared(labels: Vector, scores: Vector) -> Vector:
    return np.asarray(np.square(scores - labels))


def _absolute(labels: Vector, scores: Vector) -> Vector:
    return np.asarray(np.abs(scores - labels))


def _surplus(labels: Vector, scores: Vector) -> Vector:
    return np.asarray(scores - labels)


def _logarithmic(labels: Vector, scores: Vector) -> Vector:
    # Clipped as in scikit-learn, so that a wrong prediction of 0 or 1 costs much but not infinitely.
    least = np.finfo(np.float64).eps
    if scores.ndim == 1:
        chances = np.where(labels == 1, scores, 1 - scores)
    else:
        chances = scores[np.arange(len(labels)), labels.astype(np.int64)]
    return np.asarray(-np.log(np.clip(chances, least, 1 - least)))


_METRICS: dict[Metric, Callable[[Sample, Draws], Vector]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "brier": _mean_of(_squared),
    "log_loss": _mean_of(_logarithmic),
    "calibration_error": _calibration_error,
    "accuracy": _mean_of(_accuracy_of_rows),
    "macro_f1": _macro_f1,
    "macro_roc_auc": _macro_roc_auc,
    "mae": _mean_of(_absolute),
    "rmse": _root_mean_squared,
    "r2": _r2,
    "bias": _bias,
}
