"""The plots of models that predict a number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nightshift.pages import plots
from nightshift.pages.plots import Axis, Line, Plot
from nightshift.training.bootstrap import BINS, Vector

SHOWN = 0.99  # of the rows are in a histogram: a few outliers would squeeze all other rows into one bar
BARS = 40


def number_plots(labels: Vector, models: Mapping[str, Vector]) -> list[Plot]:
    """Predictions against outcomes, errors by prediction, residuals, and the distributions of both.

    Args:
        labels: The outcomes.
        models: The predictions of the same rows, by the model's name.
    """
    return [_predicted(labels, models), _errors(labels, models), _residuals(labels, models), _spread(labels, models)]


def _predicted(labels: Vector, models: Mapping[str, Vector]) -> Plot:
    curves = {name: plots.bin_means(scores, BINS, scores, labels) for name, scores in models.items()}
    low, high = _room(np.concatenate([curve.ravel() for curve in curves.values()]))
    x, y = plots.horizontal_axis("mean prediction", low, high), plots.vertical_axis("mean outcome", low, high)
    lines = [plots.line("ideal", x, y, [(low, low), (high, high)])]
    lines += [plots.line(f"{name} dotted", x, y, curve) for name, curve in curves.items()]
    note = (
        f"{BINS} bins of equally many rows; on the diagonal, predictions are mean outcomes, which medians need not be."
    )
    return Plot("Predicted against actual", note, x, y, lines)


def _errors(labels: Vector, models: Mapping[str, Vector]) -> Plot:
    curves = {name: plots.bin_means(scores, BINS, scores, np.abs(scores - labels)) for name, scores in models.items()}
    low, high = _room(np.concatenate([curve[:, 0] for curve in curves.values()]))
    most = max(float(curve[:, 1].max()) for curve in curves.values())
    x, y = (
        plots.horizontal_axis("mean prediction", low, high),
        plots.vertical_axis("mean absolute error", 0, 1.05 * most or 1.0),
    )
    lines = [plots.line(f"{name} dotted", x, y, curve) for name, curve in curves.items()]
    return Plot("Error by prediction", f"The {BINS} bins of each model: where it is off by how much.", x, y, lines)


def _residuals(labels: Vector, models: Mapping[str, Vector]) -> Plot:
    residuals = {name: labels - scores for name, scores in models.items()}
    x, y, lines = _histograms("outcome minus prediction", residuals)
    zero = [plots.Mark("zero", x.pixel(0), "")] if x.low <= 0 <= x.high else []
    note = f"How far outcomes are from what was predicted; {SHOWN:.0%} of the rows."
    return Plot("Residuals", note, x, y, lines, marks=zero)


def _spread(labels: Vector, models: Mapping[str, Vector]) -> Plot:
    x, y, lines = _histograms("value", {"ideal": labels, **models})
    note = f"How many rows have which outcome (dashed), and get which prediction; {SHOWN:.0%} of the rows."
    return Plot("Outcomes and predictions", note, x, y, lines)


def _histograms(label: str, values: Mapping[str, Vector]) -> tuple[Axis, Axis, list[Line]]:
    tail = (1 - SHOWN) / 2
    ends = np.array([np.quantile(series, [tail, 1 - tail]) for series in values.values()])
    low, high = _room(np.array([ends.min(), ends.max()]))
    histograms = {name: plots.histogram(series, low, high, BARS) for name, series in values.items()}
    most = max(float(shares.max()) for _, shares in histograms.values())
    x, y = plots.horizontal_axis(label, low, high), plots.vertical_axis("share of rows", 0, 1.05 * most or 1.0)
    return x, y, [plots.steps(name, x, y, *histogram) for name, histogram in histograms.items()]


def _room(values: Vector) -> tuple[float, float]:
    """The ends of an axis that shows values, with some room."""
    least, most = float(values.min()), float(values.max())
    room = 0.03 * (most - least) or max(abs(least), 1.0) * 1e-3
    return least - room, most + room
