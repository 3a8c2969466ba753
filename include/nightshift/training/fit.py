"""Fits the declared estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.model import Calibration, ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.registry.package import Encoder, ModelPackage
from nightshift.training.calibrate import calibrate
from nightshift.training.estimator import NO_PARAMS, make_estimator, place_of_estimator


def fit(definition: ModelDefinition, rows: pa.Table, params: Mapping[str, Any] = NO_PARAMS) -> ModelPackage:
    """Fits a new model, without a reference, on labelled rows; the same rows give the same model.

    With a `training.calibration` the newest days are kept from the estimator, and its scores of them calibrate it. A
    feature without any value is left out: there is nothing to learn from it, and many estimators take none.

    Args:
        definition: The model definition.
        rows: Features, `label`, and `score_date` if it is calibrated; in a fixed order.
        params: Parameters that go before the declared ones.

    Raises:
        TerminalError: If no feature has a value, or the declared estimator cannot be made or fitted.
    """
    calibration = definition.training.calibration
    learned, kept = (rows, None) if calibration is None else _split(definition, rows, calibration)
    encoder = Encoder.fit(learned, _with_values(definition, learned))
    estimator = make_estimator(definition, encoder, params)
    labels = learned["label"].to_numpy()
    try:
        estimator.fit(encoder.matrix(learned), labels if definition.regression else labels.astype(np.int64))
    except (ValueError, TypeError) as error:
        raise TerminalError(
            f"the estimator refused the training data: {first_line(error)}",
            where=place_of_estimator(definition),
            received=definition.estimator_name,
        ) from error
    package = ModelPackage(estimator, encoder, {}, regression=definition.regression)
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
