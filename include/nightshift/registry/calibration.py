"""The map from raw scores to probabilities, which is stored as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
ONE_AGAINST_REST = "one against rest"
MARGIN = 1e-6  # log-odds are taken of scores at least this far from 0 and 1


@dataclass(frozen=True)
class Isotonic:
    """Linear between knots, constant outside of them.

    Attributes:
        scores: Raw scores, ascending.
        probabilities: The probability of each, never descending.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def apply(self, raw: Vector) -> Vector:
        """The probabilities of raw scores."""
        return np.interp(raw, self.scores, self.probabilities)


@dataclass(frozen=True)
class Sigmoid:
    """A logistic curve over the log-odds of raw scores."""

    slope: float
    intercept: float

    def apply(self, raw: Vector) -> Vector:
        """The probabilities of raw scores."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * log_odds(raw) + self.intercept))))


@dataclass(frozen=True)
class OneAgainstRest:
    """A map for each class, whose results are divided by their sum.

    Source: B. Zadrozny and C. Elkan, Transforming classifier scores into accurate multiclass probability estimates,
    KDD (2002).
    """

    maps: tuple[Isotonic | Sigmoid, ...]

    def apply(self, raw: Vector) -> Vector:
        """The probabilities of raw ones, both of shape (rows, classes)."""
        return divided_by_sum(np.column_stack([each.apply(raw[:, place]) for place, each in enumerate(self.maps)]), raw)


def divided_by_sum(values: Vector, otherwise: Vector | float) -> Vector:
    """Each row's values divided by their sum, shape (rows, classes).

    Args:
        values: At least 0.
        otherwise: What a row has whose values are all 0.
    """
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), otherwise)


UNCHANGED = Isotonic((0.0, 1.0), (0.0, 1.0))  # the map of a class that too few rows have

Calibration = Isotonic | Sigmoid | OneAgainstRest


def log_odds(raw: Vector) -> Vector:
    """The log-odds of raw scores, which are clipped near 0 and 1."""
    inside = np.clip(raw, MARGIN, 1 - MARGIN)
    return np.asarray(np.log(inside / (1 - inside)))


def calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    """As plain JSON values."""
    if isinstance(calibration, OneAgainstRest):
        return {"method": ONE_AGAINST_REST, "maps": list(map(calibration_to_json, calibration.maps))}
    return {"method": type(calibration).__name__.lower(), **vars(calibration)}


def calibration_from_json(stored: dict[str, Any]) -> Calibration:
    """The inverse of `calibration_to_json`."""
    if stored["method"] == ONE_AGAINST_REST:
        return OneAgainstRest(tuple(map(_class_map, stored["maps"])))
    return _class_map(stored)


def _class_map(stored: dict[str, Any]) -> Isotonic | Sigmoid:
    if stored["method"] == "sigmoid":
        return Sigmoid(stored["slope"], stored["intercept"])
    return Isotonic(tuple(stored["scores"]), tuple(stored["probabilities"]))
