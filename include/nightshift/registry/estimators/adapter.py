"""What Nightshift asks of the estimators of a library: see `EstimatorAdapter`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from nightshift.definition.prediction import CLASS, NUMBER, PROBABILITY, Prediction

Matrix = npt.NDArray[np.float64]


class Classifier(Protocol):
    """A fitted classifier with the methods of scikit-learn's."""

    def predict_proba(self, matrix: Matrix) -> Matrix: ...


class Regressor(Protocol):
    """A fitted regressor with the methods of scikit-learn's."""

    def predict(self, matrix: Matrix) -> Matrix: ...


FittedEstimator = Classifier | Regressor


@dataclass(frozen=True)
class TrainingMatrix:
    """The rows that an estimator is fitted on.

    Attributes:
        features: Shape (rows, features); missing values are NaN, categories are codes.
        labels: Shape (rows,).
        weights: Of each row, shape (rows,); None if all weigh the same.
        categories: The positions of the features that are categories.
    """

    features: Matrix
    labels: npt.NDArray[Any]
    weights: Matrix | None = None
    categories: Sequence[int] = ()


class EstimatorAdapter(Protocol):
    """The functions that the module of a kind of estimator has; it imports its library when it is first needed."""

    def owns(self, kind: type) -> bool:
        """Whether a class, of an estimator that is to be fitted or of one that `fit` returned, is of this kind."""

    def prepare(self, estimator: Any) -> None:
        """Sets what makes a fit repeatable, unless it is set: such as the number of threads.

        Raises:
            ValueError: If what is set cannot be repeated elsewhere.
        """

    def check(self, estimator: Any, width: int | None) -> None:
        """Refuses parameters before the fit: those that the library does not know, and values that it refuses.

        Args:
            estimator: An estimator that is not fitted.
            width: The number of features; None if that is only known when it is fitted.

        Raises:
            ValueError: Saying what is refused.
            TerminalError: If it could not be stored.
        """

    def fit(self, estimator: Any, rows: TrainingMatrix) -> FittedEstimator:
        """Fits an estimator; what it returns scores as it will when it was stored and loaded, but for rounding.

        Raises:
            ValueError: If the library refuses the rows.
            TypeError: If the library refuses a parameter.
        """

    def dump(self, fitted: Any) -> dict[str, bytes]:
        """A fitted estimator as files, equal for equal estimators, that cannot execute code.

        Raises:
            TerminalError: If it cannot be stored.
        """

    def load(self, files: Mapping[str, bytes], classes: Sequence[int]) -> FittedEstimator:
        """The estimator of stored files; without classes it predicts a number. Any error means that it cannot be."""

    def versions(self) -> dict[str, str]:
        """The installed versions of the libraries that fit and score.

        Raises:
            ImportError: If one is not installed.
        """


def class_probabilities(predicted: Matrix) -> Matrix:
    """The probability of each class, shape (rows, classes), of a booster that gives only the second of two."""
    return predicted if predicted.ndim == 2 else np.column_stack([1 - predicted, predicted])


def _probabilities(estimator: FittedEstimator, matrix: Matrix) -> Matrix:
    return cast(Classifier, estimator).predict_proba(matrix)[:, 1]


def _class_probabilities(estimator: FittedEstimator, matrix: Matrix) -> Matrix:
    return cast(Classifier, estimator).predict_proba(matrix)


def _numbers(estimator: FittedEstimator, matrix: Matrix) -> Matrix:
    return np.asarray(cast(Regressor, estimator).predict(matrix)).reshape(len(matrix))


_RAW_SCORES: Mapping[Prediction, Callable[[FittedEstimator, Matrix], Matrix]] = {
    PROBABILITY: _probabilities,
    NUMBER: _numbers,
    CLASS: _class_probabilities,
}


def raw_scores(prediction: Prediction, estimator: FittedEstimator, matrix: Matrix) -> Matrix:
    """The scores of rows before calibration, shape (rows,) or (rows, classes).

    Any error means that the estimator refuses the rows.
    """
    return np.asarray(_RAW_SCORES[prediction](estimator, matrix), dtype=np.float64)
