"""The performance expected of a version's nights, learned from its holdout and stored with the version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.registry.calibration import (
    Calibration,
    OneAgainstRest,
    Vector,
    calibration_from_json,
    calibration_to_json,
)

ONCE_IN = 100  # nights like the holdout's: one is expected beyond the bound
FEWEST_DAYS = 3
BINS = 10
AT_ONCE = 1_000_000  # rows of which intermediate values are in memory

Days = npt.NDArray[Any]  # equal values are rows of one day
Metrics = Callable[[Vector, Vector], Mapping[str, float]]  # of labels and scores


@dataclass(frozen=True)
class MetricBand:
    """A metric on the holdout's nights: their mean, and the worst value expected of another; None of few nights.

    The mean of days, not the metric of all rows: a model that separates days has a better area over all days than on
    any of them.
    """

    value: float
    bound: float | None


@dataclass(frozen=True)
class ErrorModel:
    """The error of a predicted number, by its size.

    Attributes:
        edges: Between the bins: the inner deciles of the holdout's scores.
        absolute: The mean absolute error in each bin.
        squared: The mean squared error in each bin.
    """

    edges: tuple[float, ...]
    absolute: tuple[float, ...]
    squared: tuple[float, ...]

    def estimate(self, scores: Vector) -> dict[str, float]:
        """The errors expected of scores, at least one."""
        codes = np.searchsorted(self.edges, scores, side="left")
        absolute, squared = (float(np.asarray(errors)[codes].mean()) for errors in (self.absolute, self.squared))
        return {"mae": absolute, "rmse": sqrt(squared)}


@dataclass(frozen=True)
class ProbabilityModel:
    """The probability that a row is positive, by its score."""

    calibration: Calibration

    def estimate(self, scores: Vector) -> dict[str, float]:
        """The metrics expected of scores, at least one."""
        parts = [slice(first, first + AT_ONCE) for first in range(0, len(scores), AT_ONCE)]
        chances = np.concatenate([np.clip(self.calibration.apply(scores[part]), 0.0, 1.0) for part in parts])
        squared, loss = (
            sum(float(losses(scores[part], chances[part]).sum()) for part in parts) / len(scores)
            for losses in (_expected_squares, _expected_logarithms)
        )
        return {"roc_auc": expected_roc_auc(scores, chances), "brier": squared, "log_loss": loss}


@dataclass(frozen=True)
class ClassModel:
    """The probability of each class of a row, by the scores that it got."""

    calibration: Calibration

    def estimate(self, scores: Vector) -> dict[str, float]:
        """The metrics expected of scores, shape (rows, classes), at least one row."""
        chances = np.clip(self.calibration.apply(scores), 0.0, 1.0)
        least, rows = np.finfo(np.float64).eps, np.arange(len(scores))
        loss = -(chances * np.log(np.clip(scores, least, 1 - least))).sum(axis=1)
        return {"accuracy": float(chances[rows, scores.argmax(axis=1)].mean()), "log_loss": float(loss.mean())}


@dataclass(frozen=True)
class ExpectedPerformance:
    """The performance expected of a version's nights.

    Attributes:
        model: Estimates a night's performance from its scores alone.
        realized: The metrics of the holdout.
        estimated: The same, estimated from the scores of all its observations, also those without an outcome.
    """

    model: ProbabilityModel | ErrorModel | ClassModel
    realized: Mapping[str, MetricBand]
    estimated: Mapping[str, MetricBand]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        model = self.model
        if isinstance(model, ProbabilityModel | ClassModel):
            document: dict[str, Any] = {"calibration": calibration_to_json(model.calibration)}
        else:
            document = {"errors": vars(model)}
        for kind, bands in (("realized", self.realized), ("estimated", self.estimated)):
            document[kind] = {name: vars(band) for name, band in bands.items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ExpectedPerformance:
        """The inverse of `to_json`."""
        realized, estimated = (
            {name: MetricBand(**band) for name, band in document[kind].items()} for kind in ("realized", "estimated")
        )
        if "errors" not in document:
            return cls(_calibrated_model(calibration_from_json(document["calibration"])), realized, estimated)
        errors = ErrorModel(**{name: tuple(values) for name, values in document["errors"].items()})
        return cls(errors, realized, estimated)


def learn_expected_performance(
    labels: Vector,
    scores: Vector,
    days: Days,
    metrics: Metrics,
    calibration: Calibration | None,
    observed: tuple[Vector, Days] | None = None,
) -> ExpectedPerformance:
    """Learns the expected performance from a holdout.

    Args:
        labels: The outcomes, of a class its position, shape (rows,).
        scores: The scores of the same rows, shape (rows,), of a class (rows, classes).
        days: Each row's day.
        metrics: Computes the metrics.
        calibration: From scores to probabilities, fitted on this holdout; None if a number is predicted.
        observed: The scores and the days of all observations of the holdout, which a night's are compared with; None if
            all have an outcome.
    """
    model = _calibrated_model(calibration) if calibration is not None else error_model(labels, scores)
    observed_scores, observed_days = observed or (scores, days)
    realized = [metrics(labels[positions], scores[positions]) for positions in _by_day(days)]
    estimated = [model.estimate(observed_scores[positions]) for positions in _by_day(observed_days)]
    return ExpectedPerformance(
        model, _bands(metrics(labels, scores), realized), _bands(model.estimate(observed_scores), estimated)
    )


def _by_day(days: Days) -> list[npt.NDArray[np.intp]]:
    """The positions of each day's rows."""
    return [np.flatnonzero(days == day) for day in np.unique(days)]


def _calibrated_model(calibration: Calibration) -> ProbabilityModel | ClassModel:
    return ClassModel(calibration) if isinstance(calibration, OneAgainstRest) else ProbabilityModel(calibration)


def error_model(labels: Vector, scores: Vector) -> ErrorModel:
    """The errors of a holdout by the deciles of its scores; equal deciles share a bin."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1]))
    codes, deviations = np.searchsorted(edges, scores, side="left"), np.abs(scores - labels)
    counts = np.bincount(codes, minlength=len(edges) + 1)
    # An empty bin, such as beyond the largest of equal scores, has the error of all rows.
    absolute, squared = (
        np.where(counts > 0, np.bincount(codes, errors, len(edges) + 1) / np.maximum(counts, 1), errors.mean())
        for errors in (deviations, deviations**2)
    )
    return ErrorModel(tuple(edges.tolist()), tuple(absolute.tolist()), tuple(squared.tolist()))


def _expected_squares(scores: Vector, chances: Vector) -> Vector:
    return np.asarray(chances * (1 - scores) ** 2 + (1 - chances) * scores**2)


def _expected_logarithms(scores: Vector, chances: Vector) -> Vector:
    least = np.finfo(np.float64).eps
    inside = np.clip(scores, least, 1 - least)
    return np.asarray(-(chances * np.log(inside) + (1 - chances) * np.log(1 - inside)))


def expected_roc_auc(scores: Vector, chances: Vector) -> float:
    """The ROC AUC expected of rows whose probabilities of being positive are given; NaN if no pair can be compared.

    The expected number of pairs in order, by the expected number of pairs of a positive and a negative row. A row makes
    no pair with itself.
    """
    order = np.argsort(scores, kind="stable")
    ordered = 0.0
    # Of the rows of one score: the score, the expected positive and negative rows, and the pairs of a row with itself.
    below, pending, self_pairs = np.zeros(2), np.empty((4, 0)), 0.0
    for first in range(0, len(order) + 1, AT_ONCE):
        rows = order[first : first + AT_ONCE]
        chance = chances[rows]
        each = np.column_stack([pending, [scores[rows], chance, 1 - chance, chance * (1 - chance)]])
        if not each.shape[1]:
            continue
        starts = np.flatnonzero(np.append(True, np.diff(each[0]) != 0))
        groups = np.vstack([each[0, starts], np.add.reduceat(each[1:], starts, axis=1)])
        is_last = first + AT_ONCE > len(order)
        (_, positive, negative, of_selves), pending = np.hsplit(groups, [groups.shape[1] - (0 if is_last else 1)])
        negatives_below = below[1] + np.cumsum(negative) - negative
        ordered += float((positive * negatives_below + (positive * negative - of_selves) / 2).sum())
        below += positive.sum(), negative.sum()
        self_pairs += float(of_selves.sum())
    pairs = float(below[0] * below[1]) - self_pairs
    return ordered / pairs if pairs > 0 else float("nan")


def _bands(overall: Mapping[str, float], by_day: Sequence[Mapping[str, float]]) -> dict[str, MetricBand]:
    return {
        name: _band(name, value, np.array([day[name] for day in by_day if isfinite(day[name])]))
        for name, value in overall.items()
        if isfinite(value)
    }


def _band(metric: str, overall: float, daily: Vector) -> MetricBand:
    """The mean of days, or the metric of all rows if no day has a value.

    The bound ends a one-sided prediction interval by Student's law.
    """
    if len(daily) < FEWEST_DAYS:
        return MetricBand(float(daily.mean()) if len(daily) else overall, None)
    margin = stdtrit(len(daily) - 1, 1 - 1 / ONCE_IN) * daily.std(ddof=1) * sqrt(1 + 1 / len(daily))
    return MetricBand(float(daily.mean()), float(daily.mean() + (-margin if metric in LARGER_IS_BETTER else margin)))
