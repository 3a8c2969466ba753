"""Pipelines of scikit-learn's transformers whose last step is an estimator of another library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from nightshift.registry.estimators.adapter import Classifier, FittedEstimator, Matrix, Regressor

TRANSFORMERS = "transformers.skops"


@dataclass(frozen=True)
class TransformedModel:
    """A fitted estimator of rows that fitted transformers transform before.

    Attributes:
        transformers: A pipeline of transformers.
        model: The last step.
    """

    transformers: Any
    model: FittedEstimator

    def predict(self, matrix: Matrix) -> Matrix:
        """The number predicted for each row, shape (rows,)."""
        return cast(Regressor, self.model).predict(dense(self.transformers.transform(matrix)))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """The probability of each class, shape (rows, classes)."""
        return cast(Classifier, self.model).predict_proba(dense(self.transformers.transform(matrix)))


def split_last_step(estimator: Any) -> tuple[Any | None, Any]:
    """The transformers of a pipeline as a pipeline, None without any, and its last step; of pipelines in it, too."""
    from sklearn.pipeline import Pipeline, make_pipeline

    transformers: list[Any] = []
    while isinstance(estimator, Pipeline):
        transformers += [step for _, step in estimator.steps[:-1]]
        estimator = estimator.steps[-1][1]
    return (make_pipeline(*transformers) if transformers else None), estimator


def dense(features: Any) -> Matrix:
    """Transformed features as a matrix without gaps: what is not stored of a sparse one is 0, and not missing."""
    return np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
