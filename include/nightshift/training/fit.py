"""Fits the declared estimator."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.registry.package import Encoder, ModelPackage


def fit(definition: ModelDefinition, rows: pa.Table, reference: dict[str, Any]) -> ModelPackage:
    """Fits a new model on labelled rows; the same rows give the same model.

    Args:
        definition: The model definition.
        rows: Features and `label`, in a fixed order.
        reference: The profile of these rows, kept with the model.

    Raises:
        TerminalError: If the declared estimator cannot be made or fitted.
    """
    encoder = Encoder.fit(rows, {name: str(kind) for name, kind in definition.feature_types.items()})
    estimator = make_estimator(definition, encoder)
    try:
        estimator.fit(encoder.matrix(rows), rows["label"].to_numpy().astype(np.int64))
    except ValueError as error:
        raise TerminalError(
            f"the estimator refused the training data: {first_line(error)}",
            where=f"{definition.folder / 'model.yaml'}: training.estimator",
            received=definition.training.estimator.class_,
        ) from None
    return ModelPackage(estimator, encoder, reference)


def make_estimator(definition: ModelDefinition, encoder: Encoder) -> Any:
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
    params = {key: value for key, value in automatic.items() if key in accepted} | declared.params
    try:
        estimator = kind(**params)
    except TypeError as error:
        raise TerminalError(str(error), where=where, received=declared.params, allowed=sorted(accepted)) from None
    if not hasattr(estimator, "predict_proba"):
        raise TerminalError(
            "the class gives no probabilities", where=where, received=declared.class_, fix="use one with predict_proba"
        )
    return estimator
