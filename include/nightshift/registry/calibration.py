"""From raw scores to probabilities: a map that is stored as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
CLOSEST = 1e-6  # to 0 and 1, of raw scores whose log-odds are taken


@dataclass(frozen=True)
class Isotonic:
    """Straight lines between knots, level outside of them.

    Attributes:
        scores: Raw scores, ascending.
        probabilities: What each becomes, never descending.
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


Calibration = Isotonic | Sigmoid


def log_odds(raw: Vector) -> Vector:
    """The log-odds of raw scores, which are kept off 0 and 1."""
    inside = np.clip(raw, CLOSEST, 1 - CLOSEST)
    return np.asarray(np.log(inside / (1 - inside)))


def calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    """As plain JSON values."""
    return {"method": type(calibration).__name__.lower(), **vars(calibration)}


def calibration_from_json(told: dict[str, Any]) -> Calibration:
    """The inverse of `calibration_to_json`."""
    if told["method"] == "sigmoid":
        return Sigmoid(told["slope"], told["intercept"])
    return Isotonic(tuple(told["scores"]), tuple(told["probabilities"]))
