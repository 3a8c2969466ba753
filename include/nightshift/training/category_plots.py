"""The plots of models that predict a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nightshift.pages.plots import Plot, table_of_shares
from nightshift.training.bootstrap import Vector
from nightshift.training.probability_plots import calibration_plot, scores_plot

SHOWN = 15  # classes of a table, the most frequent first
LONGEST = 20  # characters of a class's name


def category_plots(labels: Vector, models: Mapping[str, Vector], classes: Sequence[str]) -> list[Plot]:
    """Which class is predicted for which, whether the prediction's probability is true, and how it is spread.

    Args:
        labels: The position of each row's class, shape (rows,).
        models: The probabilities of the same rows, by the model's name, shape (rows, classes).
        classes: The names of the classes.
    """
    correct = {name: (scores.argmax(axis=1) == labels).astype(np.float64) for name, scores in models.items()}
    likeliest = {name: scores.max(axis=1) for name, scores in models.items()}
    calibration = calibration_plot(correct, likeliest, "probability of the prediction", "share of right predictions")
    last = list(models)[-1]
    return [_confusion(labels, models[last], classes, last), calibration, scores_plot(likeliest)]


def _confusion(labels: Vector, scores: Vector, classes: Sequence[str], model: str) -> Plot:
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (labels.astype(np.int64), scores.argmax(axis=1)), 1)
    shown = np.argsort(-counts.sum(axis=1), kind="stable")[:SHOWN]
    rows = counts.sum(axis=1)[shown]
    shares = counts[np.ix_(shown, shown)] / np.maximum(rows, 1)[:, None]
    names = [_short(classes[place]) for place in shown]
    note = f"Of the rows of each class, the share for which the {model} predicts each."
    if len(classes) > SHOWN:
        note += f" The {SHOWN} most frequent of {len(classes)} classes."
    return table_of_shares("Predictions by class", note, names, rows.astype(np.int64).tolist(), shares)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
