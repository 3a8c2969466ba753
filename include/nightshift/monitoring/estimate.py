"""The performance of a night, estimated from its scores before its labels are final.

Sources: J. Białek, W. Kuberski, N. Perrakis, A. Bifet, Estimating Model Performance Under Covariate Shift Without
Labels, arXiv:2401.08348 (2024), which calls it confidence-based performance estimation; D. Guillory et al., Predicting
with Confidence on Unseen Distributions, ICCV (2021).

It is valid as long as a score means the same as on the version's holdout. It follows rows that move to where the model
is better or worse (covariate shift), and does not notice a changed concept: rows of the same score with other outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.definition.prediction import PROBABILITY, Prediction
from nightshift.monitoring.expected_performance import ExpectedPerformance, MetricBand
from nightshift.registry.calibration import Vector
from nightshift.registry.classes import finite_rows
from nightshift.types import Measurement

NO_EXPECTED_PERFORMANCE = "the version has no expected performance: it was trained by an earlier release"


def estimate_performance(
    expected: ExpectedPerformance | None, scores: Vector, version: int | None, *, prediction: Prediction = PROBABILITY
) -> list[Measurement]:
    """Estimates the performance of a night.

    Args:
        expected: The performance expected of the version's nights, if it has one.
        scores: The night's scores, shape (rows,), of a class (rows, classes).
        version: The version that scored it.
        prediction: What the version predicts.

    Returns:
        A measurement a metric, with the worst value expected of a night as threshold, and one with the mean of the
        holdout's nights, subject `reference`.
    """
    names = prediction.metrics.estimated
    finite = finite_rows(scores)
    usable = scores if finite.all() else scores[finite]  # a copy of a large night is worth avoiding
    if expected is None or len(usable) == 0:
        reason = NO_EXPECTED_PERFORMANCE if expected is None else "no score"
        return [Measurement("night", name, None, None, len(usable), "unknown", reason, version) for name in names]
    estimates = expected.model.estimate(usable)
    detail = f"{len(scores) - len(usable)} scores are not finite numbers" if len(usable) < len(scores) else ""
    measured = [
        measure_against_band(name, estimates[name], expected.estimated.get(name), len(usable), version, detail=detail)
        for name in names
        if name in estimates
    ]
    return [*measured, *holdout_means(expected.estimated, version, names)]


def measure_against_band(
    metric: str,
    value: float | None,
    band: MetricBand | None,
    rows: int,
    version: int | None,
    *,
    detail: str = "",
    undefined: str = "",
) -> Measurement:
    """A night's metric with the worst value expected of it as threshold.

    Args:
        metric: The metric.
        value: Its value; None or not finite if it is not defined on the rows.
        band: The holdout's nights, if they are known.
        rows: How many rows it is of.
        version: The version that scored them.
        detail: A note about the value.
        undefined: Why the metric is not defined.
    """
    if value is None or not isfinite(value):
        reason = undefined or "not defined on these rows"
        return Measurement("night", metric, None, None, rows, "unknown", reason, version)
    bound = band.bound if band else None
    worse = bound is not None and (value < bound if metric in LARGER_IS_BETTER else value > bound)
    return Measurement("night", metric, value, bound, rows, "warn" if worse else "pass", detail, version)


def holdout_means(bands: Mapping[str, MetricBand], version: int | None, names: Iterable[str]) -> list[Measurement]:
    """The means of the holdout's nights, which nights are compared with, as far as they are known."""
    detail = "the mean of the nights of the version's holdout"
    means = {name: bands[name].value for name in names if name in bands}
    return [Measurement("reference", name, mean, None, None, "pass", detail, version) for name, mean in means.items()]
