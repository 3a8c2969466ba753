"""What training and the gate compute for a predicted number: see `TrainingMethods`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.pages.plots import Plot
from nightshift.registry.calibration import Calibration
from nightshift.training.bootstrap import Vector
from nightshift.training.number_plots import number_plots
from nightshift.training.results import Baseline, Holdout, LabelSummary, RuleResult, format_number


def check_labels(definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
    labels = labelled["label"].to_numpy()
    if len(wrong := labels[~np.isfinite(labels)]):
        raise TerminalError(
            f"{len(wrong)} of {len(labels)} labels are no finite numbers, {where}",
            where=f"{definition.folder / 'model.yaml'}: label.{definition.label.operand}",
            received=float(wrong[0]),
            allowed="finite numbers, or null for no outcome",
            fix="write an expression that is null where there is no number, such as nullif or a case",
        )
    if len(np.unique(labels)) < 2:
        raise TerminalError(
            "a regressor needs observations of different labels",
            where=where,
            received=f"{len(labels)} labelled rows, labels {np.unique(labels).tolist()}",
            fix="build more history, or train as of a later date",
        )


def check_estimator(estimator: Any, name: str, where: str) -> None:
    from sklearn.base import is_classifier, is_regressor

    if not is_regressor(estimator):
        classifier = "the label is a number, and a classifier predicts none"
        problem = classifier if is_classifier(estimator) else "no regressor"
        raise TerminalError(problem, where=where, received=name, allowed="a regressor", fix="use one with predict")


def fit_labels(labels: Vector) -> npt.NDArray[Any]:
    return labels


def summarize_labels(labels: Vector) -> LabelSummary:
    return LabelSummary(mean=float(labels.mean()), median=float(np.median(labels)))


def fit_score_calibration(scores: Vector, labels: Vector) -> Calibration | None:
    return None


def label_rule(holdout: Holdout) -> RuleResult:
    labels, different = holdout.labels, len(np.unique(holdout.labels))
    sentence = f"{different} different labels from {format_number(labels.min(), 3)} to {format_number(labels.max(), 3)}"
    if different == 1:
        sentence = f"every row has the label {format_number(labels[0], 3)}: models cannot be compared"
    return RuleResult("labels", different, 2, len(labels), different > 1, sentence)


def valid_scores(scores: Vector) -> npt.NDArray[np.bool_]:
    return np.isfinite(scores)


def unfit_labels(labels: Vector) -> str:
    return "all labels are the same" if len(np.unique(labels)) < 2 else ""


def describe_labels(holdout: Holdout) -> tuple[str, str]:
    labels = Baseline(float(holdout.labels.mean()), float(np.median(holdout.labels)))
    in_holdout, in_training = (
        f"a mean label of {format_number(period.mean, 3)} and a median of {format_number(period.median, 3)}"
        for period in (labels, holdout.baseline)
    )
    return f"with {in_holdout}", in_training


def plots(holdout: Holdout, models: Mapping[str, Vector]) -> list[Plot]:
    return number_plots(holdout.labels, models)


def strata(labels: Vector) -> Sequence[npt.NDArray[np.bool_]]:
    return [np.ones(len(labels), dtype=np.bool_)]


def explained(labels: Vector, scores: Vector) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(labels, scores))
