"""How well a night was scored, estimated before anybody knows its labels.

Sources: J. Białek, W. Kuberski, N. Perrakis, A. Bifet, Estimating Model Performance Under Covariate Shift Without
Labels, arXiv:2401.08348 (2024), which calls it confidence-based performance estimation; D. Guillory et al., Predicting
with Confidence on Unseen Distributions, ICCV (2021).

It holds as long as a score means what it meant on the version's holdout. It follows rows that move to where the model
is better or worse (covariate shift), and is blind to a changed concept: rows of the same score that turn out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import numpy as np

from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.definition.prediction import PROBABILITY, Prediction
from nightshift.monitoring.expectation import Band, Expectation
from nightshift.registry.calibration import Vector
from nightshift.types import Measurement

UNKNOWN = "the version has no expectation: it was trained before expectations were kept"


def estimate_performance(
    expected: Expectation | None, scores: Vector, version: int | None, *, prediction: Prediction = PROBABILITY
) -> list[Measurement]:
    """The performance to expect of a night.

    Args:
        expected: What the version's holdout lets expect, if it is known.
        scores: The night's scores, shape (rows,).
        version: The version that gave them.
        prediction: What the version predicts.

    Returns:
        A measurement a metric, held against the worst that the holdout's days let expect, and one with the holdout's
        own value, subject `reference`.
    """
    names = prediction.metrics.estimated
    usable = scores[np.isfinite(scores)]
    if expected is None or len(usable) == 0:
        why = UNKNOWN if expected is None else "no score"
        return [Measurement("night", name, None, None, len(usable), "unknown", why, version) for name in names]
    found = expected.model.estimate(usable)
    left_out = f"{len(scores) - len(usable)} scores are no numbers" if len(usable) < len(scores) else ""
    measured = [
        held(name, found[name], expected.estimated.get(name), len(usable), version, left_out)
        for name in names
        if name in found
    ]
    return [*measured, *references(expected, version, names)]


def held(
    metric: str, value: float | None, band: Band | None, rows: int, version: int | None, detail: str = "", why: str = ""
) -> Measurement:
    """A night's value against the worst that was to be expected; if it is not defined, unknown, with the reason why."""
    if value is None or not isfinite(value):
        told = why or "not defined on these rows"
        return Measurement("night", metric, None, None, rows, "unknown", told, version)
    bound = band.bound if band else None
    worse = bound is not None and (value < bound if metric in LARGER_IS_BETTER else value > bound)
    return Measurement("night", metric, value, bound, rows, "warn" if worse else "pass", detail, version)


def references(expected: Expectation, version: int | None, names: Iterable[str]) -> list[Measurement]:
    """The values of the version's holdout that others are compared with."""
    told = "the mean of the days of the version's holdout"
    known = {name: expected.realized[name] for name in names if name in expected.realized}
    return [Measurement("reference", n, band.value, None, None, "pass", told, version) for n, band in known.items()]
