"""What training and the gate compute for each kind of prediction: one module a kind, all of them in `METHODS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS, NUMBER, PROBABILITY, Prediction
from nightshift.pages.plots import Plot
from nightshift.registry.calibration import Calibration
from nightshift.training import category, number, probability
from nightshift.training.bootstrap import Vector
from nightshift.training.results import Holdout, LabelSummary, RuleResult


class TrainingMethods(Protocol):
    """The functions that a module of this table has."""

    def check_labels(self, definition: ModelDefinition, labelled: pa.Table, where: str) -> None:
        """Refuses labels that an estimator cannot learn from.

        Raises:
            TerminalError: If a label is not what the definition declares, or all labels are the same.
        """

    def check_estimator(self, estimator: Any, name: str, where: str) -> None:
        """Refuses an estimator of another kind.

        Raises:
            TerminalError: If the estimator does not make this prediction.
        """

    def fit_labels(self, labels: Vector) -> npt.NDArray[Any]:
        """The labels as an estimator's `fit` takes them, shape (rows,)."""

    def summarize_labels(self, labels: Vector) -> LabelSummary:
        """The statistics of the training period's labels that a lineage records."""

    def fit_score_calibration(self, scores: Vector, labels: Vector) -> Calibration | None:
        """The map from a holdout's scores to probabilities; None if scores are no probabilities."""

    def label_rule(self, holdout: Holdout) -> RuleResult:
        """The gate's rule about the labels of a holdout."""

    def valid_scores(self, scores: Vector) -> npt.NDArray[np.bool_]:
        """Which scores are valid, shape (rows,)."""

    def unfit_labels(self, labels: Vector) -> str:
        """Why models cannot be compared on these labels, in words; empty if they can."""

    def describe_labels(self, holdout: Holdout) -> tuple[str, str]:
        """The labels of the holdout and those of the training period, in words."""

    def plots(self, holdout: Holdout, models: Mapping[str, Vector]) -> list[Plot]:
        """The plots of models' scores of a holdout, by the model's name."""

    def strata(self, labels: Vector) -> Sequence[npt.NDArray[np.bool_]]:
        """Parts of the rows that count equally for the importance of features, as masks."""

    def explained(self, labels: Vector, scores: Vector) -> float:
        """How good scores are, larger is better: what a shuffled feature takes away is its importance."""


METHODS: Mapping[Prediction, TrainingMethods] = {PROBABILITY: probability, NUMBER: number, CLASS: category}
