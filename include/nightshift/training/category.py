"""What training and the gate compute for a predicted class: see `TrainingMethods`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.label import CLASS_ROWS
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.pages.plots import Plot
from nightshift.registry.calibration import Calibration
from nightshift.training import probability
from nightshift.training.bootstrap import Vector, metrics
from nightshift.training.category_plots import category_plots
from nightshift.training.results import Holdout, LabelSummary, RuleResult

ROUNDING = 1e-5  # of the sum of a row's probabilities; some libraries compute in float32


def check_labels(definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
    classes = pc.unique(labelled["label"]).to_pylist()
    if len(classes) < 2:
        raise TerminalError(
            "a classifier needs observations of two classes",
            where=where,
            received=f"{labelled.num_rows} labelled rows, labels {classes}",
            fix="build more history, or train as of a later date",
        )


def check_estimator(estimator: Any, name: str, where: str) -> None:
    problem = "the label is a class, and a regressor gives no probabilities of classes"
    probability.require_classifier(estimator, name, where, problem)


def fit_labels(labels: Vector) -> npt.NDArray[Any]:
    return labels.astype(np.int64)


def summarize_labels(labels: Vector) -> LabelSummary:
    return LabelSummary(counts=tuple(np.bincount(labels.astype(np.int64)).tolist()))


def fit_score_calibration(scores: Vector, labels: Vector) -> Calibration | None:
    from nightshift.training.calibrate import one_against_rest

    # Of a class with fewer rows, or others, a probability stays as it is.
    return one_against_rest(scores, labels, probability.fit_score_calibration, least_rows=CLASS_ROWS)


def label_rule(holdout: Holdout) -> RuleResult:
    counts = _counts(holdout.labels, holdout.classes)
    enough = sum(rows >= CLASS_ROWS for rows in counts.values())
    sentence = f"{enough} classes with {CLASS_ROWS} rows or more"
    sentence += ", two are needed" if enough < 2 else ""
    if absent := [name for name, rows in counts.items() if not rows]:
        sentence += f"; no row of {', '.join(absent)}, which the means over classes leave out"
    return RuleResult("classes", enough, 2, len(holdout.labels), enough >= 2, sentence)


def valid_scores(scores: Vector) -> npt.NDArray[np.bool_]:
    inside = ((scores >= 0) & (scores <= 1)).all(axis=1)
    return np.asarray(inside & (np.abs(scores.sum(axis=1) - 1) <= ROUNDING))


def unfit_labels(labels: Vector) -> str:
    counts = np.bincount(labels.astype(np.int64))
    return f"fewer than two classes with {CLASS_ROWS} rows" if (counts >= CLASS_ROWS).sum() < 2 else ""


def describe_labels(holdout: Holdout) -> tuple[str, str]:
    counts = _counts(holdout.labels, holdout.classes)
    shares = dict(zip(holdout.classes, holdout.baseline.shares, strict=True))
    frequent, rows = max(counts, key=lambda name: counts[name]), len(holdout.labels)
    in_training = f"{len(shares)} classes, {shares[frequent]:.1%} of the rows {frequent}"
    return f"{counts[frequent] / rows:.1%} of them {frequent}, the most frequent class", in_training


def plots(holdout: Holdout, models: Mapping[str, Vector]) -> list[Plot]:
    return category_plots(holdout.labels, models, holdout.classes)


def strata(labels: Vector) -> Sequence[npt.NDArray[np.bool_]]:
    return [labels == label for label in np.unique(labels)]


def explained(labels: Vector, scores: Vector) -> float:
    return metrics(labels, scores, ["macro_roc_auc"])["macro_roc_auc"]


def _counts(labels: Vector, classes: Sequence[str]) -> dict[str, int]:
    """The rows of each class, by its name."""
    return dict(zip(classes, np.bincount(labels.astype(np.int64), minlength=len(classes)).tolist(), strict=True))
