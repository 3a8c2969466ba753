"""Fits the map from a model's raw scores to probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nightshift.definition.training import CalibrationMethod
from nightshift.registry.calibration import UNCHANGED, Calibration, Isotonic, OneAgainstRest, Sigmoid, Vector, log_odds


def calibrate(method: CalibrationMethod, raw: Vector, labels: Vector, weights: Vector | None = None) -> Calibration:
    """Fits a map from raw scores to probabilities on rows that the model was not fitted on.

    Sources: J. Platt, Probabilistic outputs for support vector machines (1999); B. Zadrozny and C. Elkan, Transforming
    classifier scores into accurate multiclass probability estimates, KDD (2002).

    Args:
        method: `isotonic`: any rising curve, for thousands of rows; `sigmoid`: a logistic curve.
        raw: The raw scores, shape (rows,); of several classes the probability of each, shape (rows, classes).
        labels: The labels of the same rows, of both classes; of several, their positions. The probability of a class
            without a row stays as it is.
        weights: The weights of the same rows; None if all weigh the same.
    """
    if raw.ndim == 1:
        return calibrate_condition(method, raw, labels, weights)

    def fit_map(raw_of_class: Vector, is_class: Vector) -> Isotonic | Sigmoid:
        return calibrate_condition(method, raw_of_class, is_class, weights)

    return one_against_rest(raw, labels, fit_map)


def one_against_rest(
    raw: Vector, labels: Vector, fit_map: Callable[[Vector, Vector], Isotonic | Sigmoid], least_rows: int = 1
) -> OneAgainstRest:
    """Fits a map for the probability of each class against the rest.

    Args:
        raw: The raw probabilities, shape (rows, classes).
        labels: The positions of the same rows' classes.
        fit_map: Fits the map of a class, from its probabilities and 1 for its rows, 0 for others.
        least_rows: With fewer rows of a class, or of all others, its probability stays as it is.
    """
    maps = []
    for place, raw_of_class in enumerate(raw.T):
        is_class = (labels == place).astype(np.float64)
        rows = is_class.sum()
        few = min(rows, len(labels) - rows) < least_rows
        maps.append(UNCHANGED if few else fit_map(raw_of_class, is_class))
    return OneAgainstRest(tuple(maps))


def calibrate_condition(
    method: CalibrationMethod, raw: Vector, labels: Vector, weights: Vector | None = None
) -> Isotonic | Sigmoid:
    """Fits the map of the scores of a condition: see `calibrate`."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    if method == "isotonic":
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(raw, labels, sample_weight=weights)
        return Isotonic(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))
    # Practically without a penalty, but it converges where the classes do not overlap.
    line = LogisticRegression(C=1e6).fit(log_odds(raw).reshape(-1, 1), labels.astype(np.int64), sample_weight=weights)
    return Sigmoid(float(line.coef_[0, 0]), float(line.intercept_[0]))
