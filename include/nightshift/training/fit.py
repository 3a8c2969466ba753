"""Fits the declared estimator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.model import ModelDefinition
from nightshift.definition.training import Calibration
from nightshift.errors import TerminalError, first_line
from nightshift.registry.classes import label_values
from nightshift.registry.encoder import Encoder
from nightshift.registry.estimators import fit_estimator
from nightshift.registry.estimators.adapter import FittedEstimator, TrainingMatrix
from nightshift.registry.estimators.manifest import control_rows
from nightshift.registry.package import NO_INFINITY, TAKE_MISSING, ModelPackage
from nightshift.registry.reference import NO_REFERENCE
from nightshift.training.calibrate import calibrate
from nightshift.training.classes import present_classes
from nightshift.training.estimator import NO_PARAMS, make_estimator, place_of_estimator
from nightshift.training.methods import METHODS
from nightshift.training.weights import fit_weights, row_weights


def ignore(line: str) -> None:
    """Takes a line of progress and does nothing."""


def fit(
    definition: ModelDefinition,
    rows: pa.Table,
    params: Mapping[str, Any] = NO_PARAMS,
    progress: Callable[[str], None] = ignore,
    *,
    iterations: Mapping[str, Any] = NO_PARAMS,
) -> ModelPackage:
    """Fits a new model, without a reference, on labelled rows; the same rows give the same model.

    With a `training.calibration` the newest days are not used to fit the estimator: its scores of them are calibrated.

    Args:
        definition: The model definition.
        rows: Features, `label`, of a class one that counts, and `score_date` if it is calibrated; in a fixed order.
        params: Parameters that replace declared ones of the same name.
        progress: Takes the estimator's warnings, a line each.
        iterations: Parameters that fix how often the estimator iterates, see `nightshift.registry.estimators`.

    Raises:
        TerminalError: If no feature has a value, or the declared estimator cannot be created or fitted.
    """
    calibration = definition.training.calibration
    if calibration is None:
        return fit_uncalibrated(definition, rows, params, progress, iterations=iterations)
    earlier, newest = _split(definition, rows, calibration)
    package = fit_uncalibrated(definition, earlier, params, progress, iterations=iterations)
    # The weights of classes change what scores mean; calibrated ones are to be probabilities again.
    weights = row_weights(definition, newest)
    fitted = calibrate(calibration.method, package.score(newest), label_values(newest, package.classes), weights)
    return replace(package, calibration=fitted)


def fit_uncalibrated(
    definition: ModelDefinition,
    rows: pa.Table,
    params: Mapping[str, Any] = NO_PARAMS,
    progress: Callable[[str], None] = ignore,
    *,
    iterations: Mapping[str, Any] = NO_PARAMS,
) -> ModelPackage:
    """Fits a new model whose raw scores are not calibrated.

    A feature without any value is left out: nothing can be learned from it, and many estimators refuse it.

    Args:
        definition: The model definition.
        rows: Features and `label`, in a fixed order.
        params: Parameters that replace declared ones of the same name.
        progress: Takes the estimator's warnings, a line each.
        iterations: Parameters that fix how often the estimator iterates.

    Raises:
        TerminalError: If no feature has a value, or the declared estimator cannot be created or fitted.
    """
    encoder = Encoder.fit(rows, _with_values(definition, rows), definition.training.impute)
    estimator = make_estimator(definition, encoder, params)
    if iterations:
        estimator.set_params(**iterations)
    classes, matrix = present_classes(definition, rows["label"]), encoder.matrix(rows)
    labels = METHODS[definition.prediction].fit_labels(label_values(rows, classes))
    training = TrainingMatrix(matrix, labels, fit_weights(definition, rows), tuple(encoder.category_positions))
    try:
        with seeded(definition.training.seed):
            fitted = _fit(estimator, training, progress)
    except (ValueError, TypeError) as error:
        gaps, infinities = encoder.gaps(matrix), encoder.infinities(matrix)
        raise TerminalError(
            f"the estimator refused the training data: {first_line(error)}",
            where=place_of_estimator(definition),
            received=", ".join(filter(None, (definition.estimator_name, infinities, gaps))),
            fix=NO_INFINITY if infinities else TAKE_MISSING if gaps else None,
        ) from error
    controls = control_rows(matrix)
    prediction = definition.prediction
    return ModelPackage(fitted, encoder, NO_REFERENCE, prediction=prediction, classes=classes, controls=controls)


def _fit(estimator: Any, training: TrainingMatrix, progress: Callable[[str], None]) -> FittedEstimator:
    """Fits an estimator; each warning becomes a line, once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = fit_estimator(estimator, training)
    for message in dict.fromkeys(first_line(Warning(str(warning.message))) for warning in caught):
        progress(f"the estimator warns: {message}")
    return fitted


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds NumPy's global generator, which parts of scikit-learn use that have no seed of their own."""
    state = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)


def _split(definition: ModelDefinition, rows: pa.Table, calibration: Calibration) -> tuple[pa.Table, pa.Table]:
    """The rows that the estimator is fitted on, and those of the newest days, which calibrate it."""
    first = pc.max(rows["score_date"]).as_py() - calibration.period + timedelta(days=1)
    earlier, newest = split_at(rows, first, definition.label.overlap)
    calibrated, fitted = (set(pc.unique(part["label"]).to_pylist()) for part in (newest, earlier))
    if min(len(calibrated), len(fitted)) < 2 or calibrated - fitted:
        unknown = f", only in these: {', '.join(sorted(calibrated - fitted))}" if len(fitted) > 1 else ""
        raise TerminalError(
            "calibration needs observations of two classes, in its own days and before them, and no further class in "
            "its own",
            where=f"{definition.folder / 'model.yaml'}: training.calibration.period",
            received=f"{newest.num_rows} rows from {first}, {earlier.num_rows} before{unknown}",
            fix="calibrate on another number of days, or build more history",
        )
    return earlier, newest


def split_at(rows: pa.Table, first: date, overlap: timedelta) -> tuple[pa.Table, pa.Table]:
    """The rows to learn from, and those from a date on that judge or calibrate what was learned.

    Args:
        rows: Rows with `score_date`.
        first: The first date of the second part.
        overlap: How far outcomes reach into later dates: rows of so many days before `first` are in neither part.
    """
    dates = rows["score_date"]
    is_later = pc.greater_equal(dates, pa.scalar(first, pa.date32()))
    is_earlier = pc.less(dates, pa.scalar(first - overlap, pa.date32()))
    return rows.filter(is_earlier), rows.filter(is_later)


def _with_values(definition: ModelDefinition, rows: pa.Table) -> dict[str, str]:
    """The features that have a value in any of the rows, and their types."""
    types = {name: str(kind) for name, kind in definition.feature_types.items()}
    empty = [name for name in types if pc.all(pc.is_null(rows[name], nan_is_null=types[name] == "number")).as_py()]
    if len(empty) == len(types):
        raise TerminalError(
            "no feature has a value in any row to learn from",
            where=f"{definition.folder / 'model.yaml'}: features",
            received=f"{rows.num_rows} rows, features {', '.join(empty)}",
            fix="build the history of the features again",
        )
    return {name: kind for name, kind in types.items() if name not in empty}
