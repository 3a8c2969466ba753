"""What a version's holdout lets expect of nights to come; it is kept with the version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.registry.calibration import Calibration, Vector, calibration_from_json, calibration_to_json

ONCE_IN = 100  # nights like those of the holdout, one is expected beyond a band's end
FEWEST_DAYS = 3
BINS = 10

Metrics = Callable[[Vector, Vector], Mapping[str, float]]  # of labels and scores


@dataclass(frozen=True)
class Band:
    """A metric of the holdout's days on average, and the worst they let expect of another night, unless they are few.

    On average, not as a whole: a model that tells days apart has a better area over all days than on any of them.
    """

    value: float
    bound: float | None


@dataclass(frozen=True)
class ErrorModel:
    """How far a predicted number is off, by how large it is.

    Attributes:
        edges: Between the bins: the inner deciles of the holdout's scores.
        absolute: The mean absolute error in each bin.
        squared: The mean squared error in each bin.
    """

    edges: tuple[float, ...]
    absolute: tuple[float, ...]
    squared: tuple[float, ...]

    def estimate(self, scores: Vector) -> dict[str, float]:
        """The errors to expect of scores, at least one."""
        places = np.searchsorted(self.edges, scores, side="left")
        absolute, squared = (float(np.asarray(errors)[places].mean()) for errors in (self.absolute, self.squared))
        return {"mae": absolute, "rmse": sqrt(squared)}


@dataclass(frozen=True)
class ProbabilityModel:
    """What a score means: how likely a row is positive that has it."""

    calibration: Calibration

    def estimate(self, scores: Vector) -> dict[str, float]:
        """The metrics to expect of scores, at least one."""
        chances = np.clip(self.calibration.apply(scores), 0.0, 1.0)
        least = np.finfo(np.float64).eps
        inside = np.clip(scores, least, 1 - least)
        loss = -(chances * np.log(inside) + (1 - chances) * np.log(1 - inside))
        squared = chances * (1 - scores) ** 2 + (1 - chances) * scores**2
        return {
            "roc_auc": expected_roc_auc(scores, chances),
            "brier": float(squared.mean()),
            "log_loss": float(loss.mean()),
        }


@dataclass(frozen=True)
class Expectation:
    """What a version's holdout lets expect.

    Attributes:
        model: What estimates a night's performance from its scores alone.
        realized: The metrics of the holdout.
        estimated: The same, estimated.
    """

    model: ProbabilityModel | ErrorModel
    realized: Mapping[str, Band]
    estimated: Mapping[str, Band]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        model = self.model
        told = {"calibration": calibration_to_json(model.calibration)} if isinstance(model, ProbabilityModel) else {}
        told |= {"errors": vars(model)} if isinstance(model, ErrorModel) else {}
        bands = {"realized": self.realized, "estimated": self.estimated}
        return told | {kind: {name: vars(band) for name, band in found.items()} for kind, found in bands.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Expectation:
        """The inverse of `to_json`."""
        realized, estimated = (
            {name: Band(**band) for name, band in told[kind].items()} for kind in ("realized", "estimated")
        )
        if "errors" not in told:
            return cls(ProbabilityModel(calibration_from_json(told["calibration"])), realized, estimated)
        errors = ErrorModel(**{name: tuple(values) for name, values in told["errors"].items()})
        return cls(errors, realized, estimated)


def expect(
    labels: Vector, scores: Vector, days: npt.NDArray[np.int64], metrics: Metrics, calibration: Calibration | None
) -> Expectation:
    """Learns what to expect from a holdout.

    Args:
        labels: The outcomes, shape (rows,).
        scores: The scores of the same rows.
        days: Each row's day, as a number.
        metrics: The metrics that are of interest.
        calibration: From scores to probabilities, fitted on this holdout; None if a number is predicted.
    """
    model = ProbabilityModel(calibration) if calibration is not None else error_model(labels, scores)
    rows = [np.flatnonzero(days == day) for day in np.unique(days)]
    realized = [metrics(labels[one], scores[one]) for one in rows]
    estimated = [model.estimate(scores[one]) for one in rows]
    return Expectation(model, _bands(metrics(labels, scores), realized), _bands(model.estimate(scores), estimated))


def error_model(labels: Vector, scores: Vector) -> ErrorModel:
    """The errors of a holdout by the deciles of its scores; equal deciles are one."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1]))
    places, off = np.searchsorted(edges, scores, side="left"), np.abs(scores - labels)
    counts = np.bincount(places, minlength=len(edges) + 1)
    # A bin that nothing fell into, as beyond the largest of equal scores, expects what all rows do.
    absolute, squared = (
        np.where(counts > 0, np.bincount(places, errors, len(edges) + 1) / np.maximum(counts, 1), errors.mean())
        for errors in (off, off**2)
    )
    return ErrorModel(tuple(edges.tolist()), tuple(absolute.tolist()), tuple(squared.tolist()))


def expected_roc_auc(scores: Vector, chances: Vector) -> float:
    """The ROC AUC to expect of rows whose chances to be positive are known; NaN if no pair can be compared.

    The expected number of pairs in order, by the expected number of pairs of a positive and a negative row. A row makes
    no pair with itself.
    """
    order = np.argsort(scores, kind="stable")
    chances = chances[order]
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0)) if len(order) else np.empty(0, np.int64)
    positive, negative, alone = (
        np.add.reduceat(part, starts) for part in (chances, 1 - chances, chances * (1 - chances))
    )
    below = np.cumsum(negative) - negative
    ordered = float((positive * below + (positive * negative - alone) / 2).sum())
    pairs = float(positive.sum() * negative.sum() - alone.sum())
    return ordered / pairs if pairs > 0 else float("nan")


def _bands(whole: Mapping[str, float], by_day: Sequence[Mapping[str, float]]) -> dict[str, Band]:
    return {
        name: _band(name, value, np.array([day[name] for day in by_day if isfinite(day[name])]))
        for name, value in whole.items()
        if isfinite(value)
    }


def _band(metric: str, whole: float, found: Vector) -> Band:
    """Where no day has a value it is the whole's; the bound ends a one-sided prediction interval by Student's law."""
    if len(found) < FEWEST_DAYS:
        return Band(float(found.mean()) if len(found) else whole, None)
    room = stdtrit(len(found) - 1, 1 - 1 / ONCE_IN) * found.std(ddof=1) * sqrt(1 + 1 / len(found))
    return Band(float(found.mean()), float(found.mean() + (-room if metric in LARGER_IS_BETTER else room)))
