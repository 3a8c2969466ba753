"""What training and the gate compute for the probability of a condition: see `TrainingMethods`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.label import CLASS_ROWS
from nightshift.definition.model import ModelDefinition
from nightshift.definition.training import CalibrationMethod
from nightshift.errors import TerminalError
from nightshift.pages.plots import Plot
from nightshift.registry.calibration import Isotonic, Sigmoid
from nightshift.training.bootstrap import Vector
from nightshift.training.probability_plots import probability_plots
from nightshift.training.results import Holdout, LabelSummary, RuleResult

ISOTONIC_ROWS = 1_000  # rows of the rarer class that a curve of any shape needs


def check_labels(definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
    classes = sorted(pc.unique(labelled["label"]).to_pylist())
    if not set(classes) <= {0.0, 1.0}:
        raise TerminalError(
            "a label is neither true nor false",
            where=f"{definition.folder / 'model.yaml'}: label.{definition.label.operand}",
            received=next(value for value in classes if value not in {0.0, 1.0}),
            allowed="true, false, 1, 0, or null for no outcome",
            fix="write a condition, or `type: number` if it is a number that is predicted",
        )
    if len(classes) < 2:
        raise TerminalError(
            "a classifier needs observations of both classes",
            where=where,
            received=f"{labelled.num_rows} labelled rows, labels {classes}",
            fix="build more history, or train as of a later date",
        )


def check_estimator(estimator: Any, name: str, where: str) -> None:
    require_classifier(estimator, name, where, "the label is a condition, and a regressor gives no probability of one")


def require_classifier(estimator: Any, name: str, where: str, problem: str) -> None:
    """Refuses an estimator that gives no probabilities of classes.

    Args:
        estimator: The estimator.
        name: Its name, for people.
        where: Where it is declared.
        problem: Why a regressor cannot be used, in words.

    Raises:
        TerminalError: If it is a regressor, or has no `predict_proba`.
    """
    from sklearn.base import is_regressor

    if is_regressor(estimator):
        fix = "use a classifier with predict_proba, or write `type: number` under `label:`"
        raise TerminalError(problem, where=where, received=name, allowed="a classifier", fix=fix)
    if not hasattr(estimator, "predict_proba"):
        fix = "use one with predict_proba"
        raise TerminalError("the class gives no probabilities", where=where, received=name, fix=fix)


def fit_labels(labels: Vector) -> npt.NDArray[Any]:
    return labels.astype(np.int64)


def summarize_labels(labels: Vector) -> LabelSummary:
    return LabelSummary(positives=int(labels.sum()))


def fit_score_calibration(scores: Vector, labels: Vector) -> Isotonic | Sigmoid:
    from nightshift.training.calibrate import calibrate_condition

    rarer = min(float(labels.sum()), len(labels) - float(labels.sum()))
    method: CalibrationMethod = "isotonic" if rarer >= ISOTONIC_ROWS else "sigmoid"
    return calibrate_condition(method, scores, labels)


def label_rule(holdout: Holdout) -> RuleResult:
    rows, positive = len(holdout.labels), int(holdout.labels.sum())
    fewest = min(positive, rows - positive)
    sentence = f"{positive} positive and {rows - positive} negative rows"
    sentence += f", at least {CLASS_ROWS} of each are needed" if fewest < CLASS_ROWS else ""
    return RuleResult("classes", fewest, CLASS_ROWS, rows, fewest >= CLASS_ROWS, sentence)


def valid_scores(scores: Vector) -> npt.NDArray[np.bool_]:
    return (scores >= 0) & (scores <= 1)


def unfit_labels(labels: Vector) -> str:
    positive = int(labels.sum())
    few = min(positive, len(labels) - positive) < CLASS_ROWS
    return f"fewer than {CLASS_ROWS} rows of a class" if few else ""


def describe_labels(holdout: Holdout) -> tuple[str, str]:
    return f"{holdout.labels.mean():.1%} of them positive", f"{holdout.baseline.mean:.1%} positive rows"


def plots(holdout: Holdout, models: Mapping[str, Vector]) -> list[Plot]:
    return probability_plots(holdout.labels, models)


def strata(labels: Vector) -> Sequence[npt.NDArray[np.bool_]]:
    # As many rows of either class: ROC AUC does not depend on their shares, and of a rare class more rows say more.
    return [labels == label for label in np.unique(labels)]


def explained(labels: Vector, scores: Vector) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))
