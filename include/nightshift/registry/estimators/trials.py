"""What LightGBM and XGBoost say of an estimator's parameters, by a fit on a few rows."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

ROWS, ROUNDS = 40, 2
DEFAULT_WIDTH = 3


def warnings_of_trial(estimator: Any, width: int | None, refusals: tuple[type[Exception], ...]) -> list[str]:
    """The warnings of a fit on a few rows, of labels that every objective takes.

    Args:
        estimator: An estimator that is not fitted, and stays so.
        width: The number of features; if None, errors are ignored, since parameters may depend on it.
        refusals: The errors that mean that the library refuses the parameters.

    Raises:
        ValueError: If the library refuses the parameters.
    """
    from sklearn.base import clone, is_classifier

    trial = clone(estimator)
    rounds = trial.get_params().get("n_estimators")
    if isinstance(rounds, int) and rounds > ROUNDS:
        trial.set_params(n_estimators=ROUNDS)
    random = np.random.default_rng(0)
    matrix = random.uniform(size=(ROWS, width or DEFAULT_WIDTH))
    labels = np.arange(ROWS) % 2 if is_classifier(trial) else random.uniform(0.1, 0.9, ROWS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            trial.fit(matrix, labels)
        except refusals as error:
            if width is not None:
                raise ValueError(str(error)) from error
    return [str(warning.message) for warning in caught]


def require_fixed_threads(threads: Sequence[Any], name: str) -> None:
    """Requires a number of threads that is the same on every machine.

    Args:
        threads: The values that the parameter's names have.
        name: The parameter.

    Raises:
        ValueError: If a number is not 1 or more.
    """
    for count in threads:
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"the number of threads differs between machines: {name} is {count}; write 1 or more")


def require_no_functions(params: dict[str, Any]) -> None:
    """Requires that no parameter is a function, which is not stored with a model.

    Raises:
        ValueError: Naming the parameter.
    """
    for name, value in sorted(params.items()):
        if callable(value):
            raise ValueError(f"the parameter '{name}' is a function, which cannot be stored with the model")


def suggestion(name: str, names: Iterable[str]) -> str:
    """The repair of a misspelt parameter, as the end of a message; empty if no name is close."""
    near = difflib.get_close_matches(name, [candidate for candidate in names if candidate != name], n=1)
    return f"; write '{near[0]}'" if near else ""
