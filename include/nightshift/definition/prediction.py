"""What a model predicts of an observation, by its label: the probability of a condition, a number, or a class.

A `Prediction` holds what can be said without computing. What training and the gate compute for it is in one table,
`nightshift.training.methods`; how a stored model gives its scores is in `nightshift.registry.package`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nightshift.definition.metrics import Metric

PROBABILITY_COLUMN = "probability_"  # how the name of a class's column begins
SCORED_COLUMNS = {"prediction", "score", "model_version", "features_snapshot", "scored_at"}
FINITE = -sys.float_info.max, sys.float_info.max  # the bounds of what is a number at all


@dataclass(frozen=True)
class MetricRoles:
    """The metrics of a kind of prediction, by their use.

    Attributes:
        names: All of them.
        headline: The one that the status shows and that triggers watch, unless they name another.
        headline_title: Its short title for people.
        estimated: Those that can be estimated before the labels are final.
        leak: The one that is too good to be true if a feature knows the label.
        baseline: The one that is compared with a constant if the gate names no metric that can be.
        search: The one that decides a search, unless it names another.
    """

    names: tuple[Metric, ...]
    headline: Metric
    headline_title: str
    estimated: tuple[Metric, ...]
    leak: Metric
    baseline: Metric
    search: Metric


@dataclass(frozen=True)
class EstimatorKind:
    """The kind of scikit-learn estimator that makes a prediction.

    Attributes:
        name: `classifier` or `regressor`.
        method: The method that scores rows.
        mismatch: Why the other kind cannot be used, in words.
    """

    name: Literal["classifier", "regressor"]
    method: Literal["predict_proba", "predict"]
    mismatch: str

    @property
    def suffix(self) -> str:
        """How the names of its classes end."""
        return self.name.capitalize()


@dataclass(frozen=True)
class Prediction:
    """What a model predicts of an observation.

    Attributes:
        label: What the label is, for people.
        score: What a score is, for people.
        valid_scores: What all scores must be, for people.
        score_range: The least and the largest valid score.
        label_variety: What the labels of a holdout must be so that models can be compared, for people.
        label_sql: DuckDB SQL that gives the column `label` its type.
        label_mean: The statistic that is the mean of a night's labels; empty if they have none.
        calibrated: Whether raw scores can be calibrated.
        estimator: The kind of estimator that makes it.
        metrics: Its metrics.
    """

    label: str
    score: str
    valid_scores: str
    score_range: tuple[float, float]
    label_variety: str
    label_sql: str
    label_mean: str
    calibrated: bool
    estimator: EstimatorKind
    metrics: MetricRoles


PROBABILITY = Prediction(
    label="condition",
    score="probability",
    valid_scores="probabilities",
    score_range=(0, 1),
    label_variety="enough of both classes",
    label_sql="cast(label as boolean)",
    label_mean="positive_share",
    calibrated=True,
    estimator=EstimatorKind("classifier", "predict_proba", "a regressor gives no probability of a condition"),
    metrics=MetricRoles(
        names=("roc_auc", "average_precision", "brier", "log_loss", "calibration_error"),
        headline="roc_auc",
        headline_title="AUC",
        estimated=("roc_auc", "brier", "log_loss"),
        leak="roc_auc",
        baseline="log_loss",
        search="roc_auc",
    ),
)

NUMBER = Prediction(
    label="number",
    score="number",
    valid_scores="finite numbers",
    score_range=FINITE,
    label_variety="different labels",
    label_sql="label",
    label_mean="mean_label",
    calibrated=False,
    estimator=EstimatorKind("regressor", "predict", "a classifier cannot predict a number"),
    metrics=MetricRoles(
        names=("mae", "rmse", "r2", "bias"),
        headline="mae",
        headline_title="MAE",
        estimated=("mae", "rmse"),
        leak="r2",
        baseline="rmse",
        search="rmse",
    ),
)

CLASS = Prediction(
    label="class",
    score="class",
    valid_scores="probabilities of the classes that add up to 1",
    score_range=(0, 1),
    label_variety="enough of two classes",
    label_sql="label",
    label_mean="",
    calibrated=True,
    estimator=EstimatorKind("classifier", "predict_proba", "a regressor gives no probabilities of classes"),
    metrics=MetricRoles(
        names=("accuracy", "macro_f1", "macro_roc_auc", "log_loss", "calibration_error"),
        headline="accuracy",
        headline_title="Accuracy",
        estimated=("accuracy", "log_loss"),
        leak="macro_roc_auc",
        baseline="log_loss",
        search="log_loss",
    ),
)

PREDICTIONS: Mapping[Literal["boolean", "number", "category"], Prediction] = {
    "boolean": PROBABILITY,
    "number": NUMBER,
    "category": CLASS,
}


def mismatch(subject: str, predicted: Prediction, declared: Prediction) -> str:
    """That something predicts another thing than the label is, in words."""
    return f"{subject} predicts a {predicted.score}, but the label is a {declared.label}"


def is_scored_column(name: str) -> bool:
    """Whether scored tables may have a column of this name beside their key."""
    return name in SCORED_COLUMNS or name.startswith(PROBABILITY_COLUMN)


def probability_column(class_name: str) -> str:
    """The column of a class's probability: `probability_frozen_grocery` of the class `FROZEN GROCERY`."""
    return PROBABILITY_COLUMN + re.sub(r"\W+", "_", class_name.lower()).strip("_")
