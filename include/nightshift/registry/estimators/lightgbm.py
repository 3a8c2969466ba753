"""LightGBM's estimators, stored in the library's text format."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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

ESTIMATOR = "estimator.lightgbm.txt"
LIBRARY = "lightgbm"
THREADS = ("n_jobs", "num_threads", "num_thread", "nthread", "nthreads")
VERBOSITY = ("verbosity", "verbose")
CATEGORIES = ("categorical_feature", "cat_feature", "categorical_column", "cat_column", "categorical_features")
WARNINGS_ONLY = 0  # of `verbosity`
# What is said of every small or pure tree, and is no reason to do anything.
ORDINARY = ("No further splits", "Stopped training because there are no more leaves")
SIZES = re.compile(r"^tree_sizes=(.*)$", re.MULTILINE)
END_OF_TREES = "end of trees"
STDERR = 2  # the descriptor
UNKNOWN = re.compile(r"Unknown parameter: (\S+)")


@dataclass(frozen=True)
class LightgbmModel:
    """A fitted LightGBM model, which scores as its text says.

    Attributes:
        text: The model in LightGBM's text format.
        classes: The classes of its labels in the order of their probabilities; none if it predicts a number.
    """

    text: str = field(repr=False)
    classes: tuple[int, ...] = ()

    @cached_property
    def booster(self) -> Any:
        return _library().Booster(model_str=self.text)

    def predict(self, matrix: Matrix) -> Matrix:
        """The number of each row or, of a classifier, what its booster predicts."""
        return np.asarray(self.booster.predict(matrix, num_threads=1))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """The probability of each class, shape (rows, classes)."""
        return class_probabilities(self.predict(matrix))


class _Log:
    """Turns LightGBM's messages into Python's warnings; information is dropped."""

    def info(self, message: str) -> None:
        if "[Warning] " in message:
            self.warning(message.partition("[Warning] ")[2])

    def warning(self, message: str) -> None:
        if not message.startswith(ORDINARY):
            warnings.warn(message, UserWarning, stacklevel=2)


def owns(kind: type) -> bool:
    return kind is LightgbmModel or kind.__module__.partition(".")[0] == LIBRARY


def prepare(estimator: Any) -> None:
    params = {name: value for name, value in estimator.get_params().items() if value is not None}
    defaults: dict[str, Any] = {"deterministic": True}
    if not set(THREADS) & set(params):
        defaults["n_jobs"] = 1
    if "force_col_wise" not in params:
        defaults["force_row_wise"] = True
    if not set(VERBOSITY) & set(params):
        defaults["verbosity"] = WARNINGS_ONLY
    estimator.set_params(**{name: value for name, value in defaults.items() if name not in params})
    set_params = estimator.get_params()
    require_fixed_threads([set_params[name] for name in THREADS if set_params.get(name) is not None], THREADS[0])


def check(estimator: Any, width: int | None) -> None:
    library = _library()
    params = estimator.get_params()
    require_no_functions(params)
    with _without_prints():
        messages = warnings_of_trial(estimator, width, (library.basic.LightGBMError, ValueError, TypeError))
    for message in messages:
        if unknown := UNKNOWN.search(message):
            name = unknown[1]
            near = suggestion(name, [*type(estimator)().get_params(), *VERBOSITY, *THREADS])
            raise ValueError(f"LightGBM has no parameter '{name}'{near}")


def fit(estimator: Any, rows: TrainingMatrix) -> FittedEstimator:
    library = _library()
    declared = set(CATEGORIES) & set(estimator.get_params())
    categories: Any = "auto" if declared or not rows.categories else list(rows.categories)
    try:
        estimator.fit(rows.features, rows.labels, sample_weight=rows.weights, categorical_feature=categories)
    except library.basic.LightGBMError as error:
        raise ValueError(str(error)) from error
    # By default, the text ends with the best iteration, as the estimator's own predictions do.
    classes = tuple(int(label) for label in getattr(estimator, "classes_", ()))
    return LightgbmModel(estimator.booster_.model_to_string(), classes)


def dump(fitted: LightgbmModel) -> dict[str, bytes]:
    return {ESTIMATOR: fitted.text.encode()}


def load(files: Mapping[str, bytes], classes: Sequence[int]) -> FittedEstimator:
    model = LightgbmModel(files[ESTIMATOR].decode(), tuple(classes))
    require_all_trees(model.text)
    assert model.booster is not None  # read it now, so that an error is one of loading
    return model


def require_all_trees(text: str) -> None:
    """Requires that a text has the trees that its head announces: LightGBM itself reads beyond the end of a cut one.

    Raises:
        ValueError: If it has not.
    """
    sizes, place = SIZES.search(text), text.find("Tree=0\n")
    announced = [int(size) for size in sizes[1].split()] if sizes else []
    for number, size in enumerate(announced):
        if not text.startswith(f"Tree={number}\n", place):
            raise ValueError(f"the text lacks the tree {number} of {len(announced)}, or a part of the one before")
        place += size
    if not text.startswith("tree\n") or not announced or not text.startswith(END_OF_TREES, place):
        raise ValueError(f"the text has no end of {len(announced)} trees")


def versions() -> dict[str, str]:
    return {LIBRARY: _library().__version__}


@contextmanager
def _without_prints() -> Iterator[None]:
    """Drops what is written to the process's standard error: LightGBM also prints the errors that it raises."""
    sys.stderr.flush()
    original, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    try:
        yield
    finally:
        os.dup2(original, STDERR)
        os.close(original)
        os.close(nowhere)


def _library() -> Any:
    """LightGBM, which takes a fifth of a second to import."""
    import lightgbm

    lightgbm.register_logger(_Log())
    return lightgbm
