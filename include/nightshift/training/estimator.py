"""Creates the estimator that a definition declares: from a class, or with the definition's `estimator.py`."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from nightshift.definition.load import located
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import Problem
from nightshift.definition.training import ESTIMATOR_FILE
from nightshift.errors import TerminalError, first_line
from nightshift.registry.encoder import Encoder
from nightshift.registry.estimators import KINDS, check_estimator, prepare_estimator
from nightshift.training.methods import METHODS

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
FUNCTION = "make_estimator"


def make_estimator(definition: ModelDefinition, encoder: Encoder, overrides: Mapping[str, Any] = NO_PARAMS) -> Any:
    """The declared estimator, with the seed, the positions of categories if it accepts them, and a fixed fit.

    Args:
        definition: The model definition.
        encoder: The encoder that makes the estimator's matrix.
        overrides: Parameters that replace declared ones of the same name.

    Raises:
        TerminalError: If it cannot be created, is of the wrong kind for the label, or could not be stored.
    """
    params = definition.training.estimator.params | dict(overrides)
    make = _from_file if definition.training.estimator.class_ is None else _from_class
    estimator = make(definition, encoder, params)
    _check_kind(definition, estimator)
    try:
        prepare_estimator(estimator, definition.training.seed)
        check_estimator(estimator, len(encoder.types))  # fail before fitting
    except TerminalError:
        raise
    except Exception as error:  # an estimator of the user's own may raise anything
        problem = first_line(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {first_line(error)}"
        fix = "correct `params` and the search's `grid`"
        raise TerminalError(problem, where=place_of_estimator(definition), received=params, fix=fix) from error
    return estimator


def estimator_problems(definition: ModelDefinition) -> list[TerminalError]:
    """Why the declared estimator could not be created, with file and line; empty if it can be."""
    types = {name: str(kind) for name, kind in definition.feature_types.items()}
    encoder = Encoder(types, {name: () for name, kind in types.items() if kind == "category"})
    searched = definition.training.search.grid if definition.training.search else {}
    try:
        make_estimator(definition, encoder, {name: values[0] for name, values in searched.items()})
    except TerminalError as error:
        if definition.training.estimator.class_ is None:
            return [error]
        key = "params" if isinstance(error.received, Mapping) else "class"
        path = ("training", "estimator", key)
        return located(definition, [Problem(path, error.problem, error.received, error.allowed, error.fix)])
    return []


def place_of_estimator(definition: ModelDefinition) -> str:
    """Where the definition declares the estimator."""
    if definition.training.estimator.class_ is None:
        return str(definition.folder / ESTIMATOR_FILE)
    return f"{definition.folder / 'model.yaml'}: training.estimator"


def _from_class(definition: ModelDefinition, encoder: Encoder, declared: dict[str, Any]) -> Any:
    class_, where = str(definition.training.estimator.class_), place_of_estimator(definition)
    module, _, name = class_.rpartition(".")
    imported = _imported(module, where)
    kind = getattr(imported, name, None)
    if not isinstance(kind, type):
        classes = [key for key, value in vars(imported).items() if isinstance(value, type)] if imported else []
        near = difflib.get_close_matches(name, classes, n=1)
        fix = f"write '{module}.{near[0]}'" if near else "name an importable class of scikit-learn, LightGBM or XGBoost"
        raise TerminalError("no such class", where=where, received=class_, fix=fix)
    if not _is_compatible(kind):
        fix = "name a class that has fit and get_params"
        raise TerminalError("no scikit-learn-compatible class", where=where, received=class_, fix=fix)
    accepted = inspect.signature(kind).parameters
    automatic = {"random_state": definition.training.seed, "categorical_features": encoder.category_positions or None}
    params = {key: value for key, value in automatic.items() if key in accepted} | declared
    try:
        return kind(**params)
    except TypeError as error:
        fix = "correct `params` and the search's `grid`"
        raise TerminalError(str(error), where=where, received=declared, allowed=sorted(accepted), fix=fix) from None


def _imported(module: str, where: str) -> ModuleType | None:
    """The module; None if there is none of its name.

    Raises:
        TerminalError: If its library is not installed, or a library of the system is missing.
    """
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if library not in KINDS or error.name != library:
            return None
        raise TerminalError(
            f"{library} is not installed", where=where, received=module, fix="pip install -r requirements.txt"
        ) from None
    except ImportError:
        return None
    except OSError as error:  # LightGBM needs the system's OpenMP
        problem = f"{library} cannot be imported: {first_line(error)}"
        raise TerminalError(problem, where=where, received=module, fix="install the library it names") from None


def _from_file(definition: ModelDefinition, encoder: Encoder, params: dict[str, Any]) -> Any:
    """The result of `make_estimator(params, seed, categories)` in the definition's folder."""
    make, where = _function(definition), f"{place_of_estimator(definition)}: {FUNCTION}"
    try:
        return make(params, definition.training.seed, encoder.category_positions)
    except Exception as error:
        problem = f"it raised {type(error).__name__}: {first_line(error)}"
        fix = "it is called with (params, seed, categories)"
        raise TerminalError(problem, where=where, received=params, fix=fix) from error


def _function(definition: ModelDefinition) -> Callable[[dict[str, Any], int, list[int]], Any]:
    file, module = definition.folder / ESTIMATOR_FILE, ModuleType("estimator")
    fix = f"define {FUNCTION}(params, seed, categories) that returns a scikit-learn-compatible estimator"
    try:
        # The code is part of the definition, and is reviewed with it.
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)
    except Exception as error:
        problem = f"it raised {type(error).__name__}: {first_line(error)}"
        raise TerminalError(problem, where=str(file), fix=fix) from error
    function = getattr(module, FUNCTION, None)
    if not callable(function):
        raise TerminalError(f"no function {FUNCTION}(params, seed, categories)", where=str(file), fix=fix)
    return function  # type: ignore[no-any-return]


def _is_compatible(kind: Any) -> bool:
    return hasattr(kind, "fit") and hasattr(kind, "get_params")


def _check_kind(definition: ModelDefinition, estimator: Any) -> None:
    """Refuses an estimator that cannot predict the label."""
    where = place_of_estimator(definition)
    name = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    if isinstance(estimator, type) or not _is_compatible(estimator):
        received = repr(estimator) if isinstance(estimator, type) else name
        fix = f"return an instance that has fit and {definition.prediction.estimator.method}"
        raise TerminalError("no scikit-learn-compatible estimator", where=where, received=received, fix=fix)
    METHODS[definition.prediction].check_estimator(estimator, name, where)
