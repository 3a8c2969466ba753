"""Makes the estimator that a definition declares: of a class, or by the code of its own `estimator.py`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from sklearn.base import is_classifier, is_regressor

from nightshift.definition.model import ESTIMATOR_FILE, ModelDefinition
from nightshift.errors import TerminalError, first_line
from nightshift.registry.package import Encoder, store_estimator

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
FUNCTION = "make_estimator"


def make_estimator(definition: ModelDefinition, encoder: Encoder, given: Mapping[str, Any] = NO_PARAMS) -> Any:
    """The declared estimator, seeded, told which columns are categories if it wants to know.

    Args:
        definition: The model definition.
        encoder: What makes the estimator's matrix.
        given: Parameters that go before the declared ones.

    Raises:
        TerminalError: If it cannot be made, does not predict what the label is, or could not be stored.
    """
    params = definition.training.estimator.params | dict(given)
    make = _own if definition.training.estimator.class_ is None else _declared
    estimator = make(definition, encoder, params)
    _check_kind(definition, estimator)
    store_estimator(estimator)  # what could not be stored once it is fitted is not fitted
    return estimator


def place_of_estimator(definition: ModelDefinition) -> str:
    """Where the definition says which estimator it is."""
    if definition.training.estimator.class_ is None:
        return str(definition.folder / ESTIMATOR_FILE)
    return f"{definition.folder / 'model.yaml'}: training.estimator"


def _declared(definition: ModelDefinition, encoder: Encoder, wanted: dict[str, Any]) -> Any:
    class_, where = str(definition.training.estimator.class_), place_of_estimator(definition)
    module, _, name = class_.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        kind = None
    if not isinstance(kind, type):
        raise TerminalError("no such class", where=where, received=class_, fix="name an importable scikit-learn class")
    if not _is_compatible(kind):
        fix = "name a class that has fit and get_params"
        raise TerminalError("no scikit-learn-compatible class", where=where, received=class_, fix=fix)
    accepted = inspect.signature(kind).parameters
    automatic = {"random_state": definition.training.seed, "categorical_features": encoder.category_positions or None}
    params = {key: value for key, value in automatic.items() if key in accepted} | wanted
    try:
        return kind(**params)
    except TypeError as error:
        raise TerminalError(str(error), where=where, received=wanted, allowed=sorted(accepted)) from None


def _own(definition: ModelDefinition, encoder: Encoder, params: dict[str, Any]) -> Any:
    """What `make_estimator(params, seed, categories)` in the definition's folder returns."""
    make, where = _function(definition), f"{place_of_estimator(definition)}: {FUNCTION}"
    try:
        return make(params, definition.training.seed, encoder.category_positions)
    except Exception as error:
        told = f"it raised {type(error).__name__}: {first_line(error)}"
        fix = "it is called with (params, seed, categories)"
        raise TerminalError(told, where=where, received=params, fix=fix) from error


def _function(definition: ModelDefinition) -> Callable[[dict[str, Any], int, list[int]], Any]:
    file, module = definition.folder / ESTIMATOR_FILE, ModuleType("estimator")
    fix = f"define {FUNCTION}(params, seed, categories) that returns a scikit-learn-compatible estimator"
    try:
        # The definition's own code, as reviewed with it.
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)
    except Exception as error:
        told = f"it raised {type(error).__name__}: {first_line(error)}"
        raise TerminalError(told, where=str(file), fix=fix) from error
    found = getattr(module, FUNCTION, None)
    if not callable(found):
        raise TerminalError(f"no function {FUNCTION}(params, seed, categories)", where=str(file), fix=fix)
    return found  # type: ignore[no-any-return]


def _is_compatible(kind: Any) -> bool:
    return hasattr(kind, "fit") and hasattr(kind, "get_params")


def _check_kind(definition: ModelDefinition, estimator: Any) -> None:
    """Refuses what does not predict what the label is."""
    where = place_of_estimator(definition)
    name = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    if isinstance(estimator, type) or not _is_compatible(estimator):
        received = repr(estimator) if isinstance(estimator, type) else name
        fix = f"return an instance that has fit and {'predict' if definition.regression else 'predict_proba'}"
        raise TerminalError("no scikit-learn-compatible estimator", where=where, received=received, fix=fix)
    if definition.regression:
        if not is_regressor(estimator):
            what = (
                "the label is a number, and a classifier predicts none" if is_classifier(estimator) else "no regressor"
            )
            raise TerminalError(what, where=where, received=name, allowed="a regressor", fix="use one with predict")
    elif is_regressor(estimator):
        fix = "use a classifier with predict_proba, or write `type: number` under `label:`"
        what = "the label is a condition, and a regressor gives no probability of one"
        raise TerminalError(what, where=where, received=name, allowed="a classifier", fix=fix)
    elif not hasattr(estimator, "predict_proba"):
        fix = "use one with predict_proba"
        raise TerminalError("the class gives no probabilities", where=where, received=name, fix=fix)
