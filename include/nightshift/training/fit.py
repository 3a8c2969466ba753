"""Fits the declared estimator."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.model import Calibration, ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.registry.package import Encoder, ModelPackage
from nightshift.training.calibrate import calibrate

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})


def fit(
    definition: ModelDefinition, rows: pa.Table, reference: dict[str, Any], params: Mapping[str, Any] = NO_PARAMS
) -> ModelPackage:
    """Fits a new model on labelled rows; the same rows give the same model.

    With a `training.calibration` the newest days are kept from the estimator, and its scores of them calibrate it.

    Args:
        definition: The model definition.
        rows: Features, `label`, and `score_date` if it is calibrated; in a fixed order.
        reference: The profile of these rows, kept with the model.
        params: Parameters that go before the declared ones.

    Raises:
        TerminalError: If the declared estimator cannot be made or fitted.
    """
    calibration = definition.training.calibration
    learned, kept = (rows, None) if calibration is None else _split(definition, rows, calibration)
    encoder = Encoder.fit(learned, {name: str(kind) for name, kind in definition.feature_types.items()})
    estimator = make_estimator(definition, encoder, params)
    try:
        estimator.fit(encoder.matrix(learned), learned["label"].to_numpy().astype(np.int64))
    except ValueError as error:
        raise TerminalError(
            f"the estimator refused the training data: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: training.estimator",
            received=definition.training.estimator.class_,
        ) from None
    package = ModelPackage(estimator, encoder, reference)
    if calibration is None or kept is None:
        return package
    fitted = calibrate(calibration.method, package.score(kept), kept["label"].to_numpy())
    return replace(package, calibration=fitted)


def _split(definition: ModelDefinition, rows: pa.Table, calibration: Calibration) -> tuple[pa.Table, pa.Table]:
    """The rows to learn from, and those of the newest days, to calibrate with."""
    first = pc.max(rows["score_date"]).as_py() - calibration.period + timedelta(days=1)
    newest = pc.greater_equal(rows["score_date"], pa.scalar(first, pa.date32()))
    learned, kept = rows.filter(pc.invert(newest)), rows.filter(newest)
    if any(len(pc.unique(part["label"])) < 2 for part in (learned, kept)):
        raise TerminalError(
            "calibration needs observations of both classes, in its own days and before them",
            where=f"{definition.folder / 'model.yaml'}: training.calibration.period",
            received=f"{kept.num_rows} rows from {first}, {learned.num_rows} before",
            fix="calibrate on another number of days, or build more history",
        )
    return learned, kept


def make_estimator(definition: ModelDefinition, encoder: Encoder, given: Mapping[str, Any] = NO_PARAMS) -> Any:
    """The declared estimator, seeded, told which columns are categories if it wants to know.

    Raises:
        TerminalError: If there is no such class or it does not take these parameters.
    """
    declared = definition.training.estimator
    module, _, name = declared.class_.rpartition(".")
    where = f"{definition.folder / 'model.yaml'}: training.estimator"
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        kind = None
    if not isinstance(kind, type):
        raise TerminalError(
            "no such class", where=where, received=declared.class_, fix="name an importable scikit-learn class"
        ) from None
    accepted = inspect.signature(kind).parameters
    automatic = {"random_state": definition.training.seed, "categorical_features": encoder.category_positions or None}
    wanted = declared.params | dict(given)
    params = {key: value for key, value in automatic.items() if key in accepted} | wanted
    try:
        estimator = kind(**params)
    except TypeError as error:
        raise TerminalError(str(error), where=where, received=wanted, allowed=sorted(accepted)) from None
    if not hasattr(estimator, "predict_proba"):
        raise TerminalError(
            "the class gives no probabilities", where=where, received=declared.class_, fix="use one with predict_proba"
        )
    return estimator
