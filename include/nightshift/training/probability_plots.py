"""The plots of models that give the probability of a condition."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nightshift.pages import plots
from nightshift.pages.plots import Line, Plot
from nightshift.training.bootstrap import BINS, Vector

POINTS = 300  # of a curve
BARS = 40


def probability_plots(labels: Vector, models: Mapping[str, Vector]) -> list[Plot]:
    """How well models distinguish rows, whether their probabilities are true, and which ones they give.

    Args:
        labels: The outcomes.
        models: The scores of the same rows, by the model's name.
    """
    outcomes = dict.fromkeys(models, labels)
    return [
        _roc(labels, models),
        calibration_plot(outcomes, models, "mean score", "share of positive rows"),
        scores_plot(models),
    ]


def _roc(labels: Vector, models: Mapping[str, Vector]) -> Plot:
    from sklearn.metrics import roc_curve

    x, y = plots.horizontal_axis("false positive rate", 0, 1), plots.vertical_axis("true positive rate", 0, 1)
    lines = [plots.line("ideal", x, y, [(0, 0), (1, 1)])]
    for name, scores in models.items():
        false_positives, true_positives, _ = roc_curve(labels, scores)
        points = np.unique(np.linspace(0, len(false_positives) - 1, min(POINTS, len(false_positives))).astype(int))
        lines.append(plots.line(name, x, y, np.column_stack([false_positives[points], true_positives[points]])))
    return Plot("ROC curves", "The closer to the upper left, the better rows are distinguished.", x, y, lines)


def calibration_plot(
    outcomes: Mapping[str, Vector], models: Mapping[str, Vector], score_title: str, outcome_title: str
) -> Plot:
    """Whether probabilities are true.

    Args:
        outcomes: Whether what is given a probability happened, 1 or 0, by the model's name.
        models: The probabilities of the same rows, by the model's name.
        score_title: The title of the probabilities.
        outcome_title: The title of the outcomes' share.
    """
    curves = {name: plots.bin_means(scores, BINS, scores, outcomes[name]) for name, scores in models.items()}
    most = min(1.0, 1.05 * max(float(curve.max()) for curve in curves.values()))
    x, y = plots.horizontal_axis(score_title, 0, most), plots.vertical_axis(outcome_title, 0, most)
    lines = [plots.line("ideal", x, y, [(0, 0), (most, most)])]
    lines += [plots.line(f"{name} dotted", x, y, curve) for name, curve in curves.items()]
    return Plot("Calibration", f"{BINS} bins of equally many rows; on the diagonal, scores are true.", x, y, lines)


def scores_plot(models: Mapping[str, Vector]) -> Plot:
    """How the scores of models are spread."""
    most = max(float(scores.max()) for scores in models.values())
    histograms = {name: plots.histogram(scores, 0, most, BARS) for name, scores in models.items()}
    x = plots.horizontal_axis("score", 0, most)
    y = plots.vertical_axis("share of rows", 0, 1.05 * max(float(shares.max()) for _, shares in histograms.values()))
    lines: list[Line] = [plots.steps(name, x, y, *histogram) for name, histogram in histograms.items()]
    return Plot("Scores", "How many rows get which score.", x, y, lines)
