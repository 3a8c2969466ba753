"""XGBoost's estimators, stored in the library's JSON format."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nightshift.registry.estimators.adapter import FittedEstimator, Matrix, TrainingMatrix, class_probabilities
from nightshift.registry.estimators.trials import (
    require_fixed_threads,
    require_no_functions,
    suggestion,
    warnings_of_trial,
)

ESTIMATOR = "estimator.xgboost.json"
LIBRARY = "xgboost"
LINEAR = "gblinear"  # the booster that has no categories, and no prediction in place
UNUSED = re.compile(r"Parameters: \{ (.+?) \} are not used")
PLACE = re.compile(r"^\[\d\d:\d\d:\d\d\] (WARNING: )?\S+:\d+:\s*")  # the time, and the line of XGBoost's own code


@dataclass(frozen=True)
class XgboostModel:
    """A fitted XGBoost model, which scores as its JSON says.

    Attributes:
        content: The model in XGBoost's JSON format.
        classes: The classes of its labels in the order of their probabilities; none if it predicts a number.
    """

    content: bytes = field(repr=False)
    classes: tuple[int, ...] = ()

    @cached_property
    def booster(self) -> Any:
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(self.content))
        return booster

    @cached_property
    def is_linear(self) -> bool:
        return bool(json.loads(self.content)["learner"]["gradient_booster"]["name"] == LINEAR)

    def predict(self, matrix: Matrix) -> Matrix:
        """The number of each row or, of a classifier, what its booster predicts."""
        import xgboost

        if self.is_linear:
            return np.asarray(self.booster.predict(xgboost.DMatrix(matrix, nthread=1)))
        return np.asarray(self.booster.inplace_predict(matrix))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """The probability of each class, shape (rows, classes)."""
        return class_probabilities(self.predict(matrix))


def owns(kind: type) -> bool:
    return kind is XgboostModel or kind.__module__.partition(".")[0] == LIBRARY


def prepare(estimator: Any) -> None:
    params = estimator.get_params()
    if params.get("n_jobs") is None:
        estimator.set_params(n_jobs=1)
    if isinstance(constraints := params.get("monotone_constraints"), list):  # YAML has no tuples
        estimator.set_params(monotone_constraints=tuple(constraints))
    require_fixed_threads([estimator.get_params()["n_jobs"]], "n_jobs")


def check(estimator: Any, width: int | None) -> None:
    params = estimator.get_params()
    require_no_functions(params)
    rounds = params.get("n_estimators")
    if rounds is not None and rounds < 1:
        raise ValueError(f"the parameter 'n_estimators' is {rounds}; write 1 or more")
    try:
        messages = warnings_of_trial(estimator, width, (ValueError, TypeError, AttributeError))
    except ValueError as error:
        raise ValueError(_plain(str(error))) from error
    for message in messages:
        if unused := UNUSED.search(message):
            name = unused[1].split(",")[0].strip(' "')
            raise ValueError(f"XGBoost does not use the parameter '{name}'{suggestion(name, params)}")


def fit(estimator: Any, rows: TrainingMatrix) -> FittedEstimator:
    params = estimator.get_params()
    if rows.categories and params.get("feature_types") is None and params.get("booster") != LINEAR:
        kinds = ["c" if place in set(rows.categories) else "q" for place in range(rows.features.shape[1])]
        estimator.set_params(feature_types=kinds, enable_categorical=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(rows.features, rows.labels, sample_weight=rows.weights)
        except ValueError as error:
            raise ValueError(_plain(str(error))) from error
    for warning in caught:
        warnings.warn(_plain(str(warning.message)), warning.category, stacklevel=2)
    classes = tuple(int(label) for label in getattr(estimator, "classes_", ()))
    return XgboostModel(bytes(estimator.get_booster().save_raw("json")), classes)


def dump(fitted: XgboostModel) -> dict[str, bytes]:
    return {ESTIMATOR: fitted.content}


def load(files: Mapping[str, bytes], classes: Sequence[int]) -> FittedEstimator:
    model = XgboostModel(files[ESTIMATOR], tuple(classes))
    assert model.booster is not None  # read it now, so that an error is one of loading
    return model


def versions() -> dict[str, str]:
    import xgboost

    return {LIBRARY: xgboost.__version__}


def _plain(message: str) -> str:
    """A message of XGBoost without the time and the place in its own code."""
    return PLACE.sub("", message).strip()
