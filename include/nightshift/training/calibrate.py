"""Fits the map from a model's raw scores to probabilities."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

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
    if raw.ndim == 2:
        of_class = [(labels == place).astype(np.float64) for place in range(raw.shape[1])]
        return OneAgainstRest(
            tuple(
                calibrate_condition(method, raw_of_class, is_class, weights) if is_class.any() else UNCHANGED
                for raw_of_class, is_class in zip(raw.T, of_class, strict=True)
            )
        )
    return calibrate_condition(method, raw, labels, weights)


def calibrate_condition(
    method: CalibrationMethod, raw: Vector, labels: Vector, weights: Vector | None = None
) -> Isotonic | Sigmoid:
    """Fits the map of the scores of a condition: see `calibrate`."""
    if method == "isotonic":
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(raw, labels, sample_weight=weights)
        return Isotonic(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))
    # Practically without a penalty, but it converges where the classes do not overlap.
    line = LogisticRegression(C=1e6).fit(log_odds(raw).reshape(-1, 1), labels.astype(np.int64), sample_weight=weights)
    return Sigmoid(float(line.coef_[0, 0]), float(line.intercept_[0]))
