"""The kinds of estimators: a module each, all of them in `KINDS`.

An estimator is fitted, stored and loaded by the adapter of its kind; of a pipeline that ends with an estimator of
another library than scikit-learn, the transformers are scikit-learn's and the last step is of its own kind. Besides
the adapter's files there is `estimator.json`: see `Manifest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nightshift.definition.prediction import Prediction
from nightshift.errors import TerminalError, first_line
from nightshift.registry.estimators import lightgbm, scikit_learn, xgboost
from nightshift.registry.estimators.adapter import EstimatorAdapter, FittedEstimator, Matrix, TrainingMatrix, raw_scores
from nightshift.registry.estimators.hist_gradient_boosting import sum_by_bits
from nightshift.registry.estimators.manifest import MANIFEST, Control, Manifest
from nightshift.registry.estimators.pipeline import TRANSFORMERS, TransformedModel, dense, split_last_step

SCIKIT_LEARN = "scikit-learn"
KINDS: Mapping[str, EstimatorAdapter] = {"lightgbm": lightgbm, "xgboost": xgboost, SCIKIT_LEARN: scikit_learn}
TOLERANCE = 1e-6  # of scores by another version; XGBoost computes in float32


def prepare_estimator(estimator: Any, seed: int) -> None:
    """Sets what makes a fit repeatable, in all parts of an estimator, unless it is set.

    Args:
        estimator: An estimator that is not fitted.
        seed: The `random_state` of every part that takes one.

    Raises:
        ValueError: If what is set cannot be repeated elsewhere.
    """
    params = estimator.get_params()
    unset = [name for name, value in params.items() if name.split("__")[-1] == "random_state" and value is None]
    if unset:
        estimator.set_params(**dict.fromkeys(unset, seed))
    _, last = split_last_step(estimator)
    _adapter(last).prepare(last)


def check_estimator(estimator: Any, width: int) -> None:
    """Refuses before the fit what could not be stored afterwards, and parameters that the library does not take.

    Args:
        estimator: An estimator that is not fitted.
        width: The number of features.

    Raises:
        ValueError: Saying which parameter is refused.
        TerminalError: If it holds a type that could not be stored.
    """
    transformers, last = split_last_step(estimator)
    adapter = _adapter(last)
    if adapter is scikit_learn:
        scikit_learn.check(estimator, width)
        return
    if transformers is not None:
        scikit_learn.check(transformers, width)
    adapter.check(last, None if transformers is not None else width)


def fit_estimator(estimator: Any, rows: TrainingMatrix) -> FittedEstimator:
    """Fits an estimator; what it returns scores as it will when it was stored and loaded, but for rounding.

    Raises:
        ValueError: If the rows are refused.
        TypeError: If a parameter is refused.
    """
    transformers, last = split_last_step(estimator)
    adapter = _adapter(last)
    if adapter is scikit_learn:
        return scikit_learn.fit(estimator, rows)
    if transformers is None:
        return adapter.fit(last, rows)
    transformed = dense(transformers.fit_transform(rows.features, rows.labels))
    return TransformedModel(transformers, adapter.fit(last, TrainingMatrix(transformed, rows.labels, rows.weights)))


def dump_estimator(fitted: FittedEstimator, prediction: Prediction, controls: Matrix | None) -> dict[str, bytes]:
    """A fitted estimator as files that cannot execute code; equal estimators give equal files.

    Args:
        fitted: The estimator.
        prediction: What it predicts.
        controls: Rows whose scores another version of a library has to repeat, shape (rows, features).

    Raises:
        TerminalError: If it holds a type that is not trusted.
    """
    model = _last(fitted)
    kind = _kind(model)
    files, libraries = KINDS[kind].dump(model), KINDS[kind].versions()
    if isinstance(fitted, TransformedModel):
        files |= {TRANSFORMERS: scikit_learn.to_archive(fitted.transformers)}
        libraries |= scikit_learn.versions()
    classes = tuple(int(label) for label in getattr(model, "classes_", getattr(model, "classes", ())))
    control = None if controls is None else Control(controls, raw_scores(prediction, fitted, controls))
    return files | {MANIFEST: Manifest(kind, libraries, classes, control).dump()}


def load_estimator(
    files: Mapping[str, bytes], prediction: Prediction, tree_sums: bool = True
) -> tuple[FittedEstimator, Matrix | None]:
    """The estimator of stored files whose digest was verified, and its control rows.

    One that other versions of its libraries stored has to give the control rows the scores that it gave them then.

    Args:
        files: The stored files.
        prediction: What it predicts.
        tree_sums: Whether boosted trees of scikit-learn are summed by `TreeSums`, with the same sums.

    Raises:
        TerminalError: If it cannot be loaded, or scores otherwise than when it was stored.
    """
    manifest = Manifest.load(files[MANIFEST]) if MANIFEST in files else Manifest(SCIKIT_LEARN, {})
    adapter = KINDS.get(manifest.kind)
    if adapter is None:
        fix = "install the Nightshift that trained it, or roll back to another version"
        raise TerminalError("the model's kind is unknown", received=manifest.kind, allowed=list(KINDS), fix=fix)
    installed = _installed(adapter, manifest)
    changes = ", ".join(
        f"{name} {installed[name]} instead of {stored}"
        for name, stored in manifest.libraries.items()
        if name in installed and installed[name] != stored
    )
    try:
        fitted = adapter.load(files, manifest.classes)
        if TRANSFORMERS in files:
            fitted = TransformedModel(scikit_learn.from_archive(files[TRANSFORMERS]), fitted)
        problem = _different_scores(fitted, prediction, manifest.control) if changes else ""
    except Exception as error:  # of libraries that read what others wrote
        problem = f"{type(error).__name__}: {first_line(error)}"
    if problem:
        raise TerminalError(
            f"the model's artifact was not loaded: {problem}",
            received=changes or None,
            fix=f"{_install(manifest)}, or roll back to another version" if changes else "roll back to another version",
        )
    if tree_sums:
        sum_by_bits(fitted)
    return fitted, None if manifest.control is None else manifest.control.rows


def iterations(fitted: FittedEstimator) -> dict[str, Any]:
    """Parameters that have an estimator iterate as often again as it did in its fit, where that may differ.

    Boosters of LightGBM and XGBoost iterate as often as declared: early stopping is refused.
    """
    return scikit_learn.iterations(fitted) if _kind(fitted) == SCIKIT_LEARN and hasattr(fitted, "get_params") else {}


def estimator_title(fitted: FittedEstimator) -> str:
    """What a fitted estimator is, for people: its class, or its kind if that is another library's."""
    kind, class_ = _kind(_last(fitted)), type(fitted)
    return f"{class_.__module__}.{class_.__qualname__}" if kind == SCIKIT_LEARN else kind


def libraries_of(fitted: FittedEstimator) -> dict[str, str]:
    """The installed versions of the libraries that fitted an estimator."""
    return _adapter(_last(fitted)).versions()


def _different_scores(fitted: FittedEstimator, prediction: Prediction, control: Control | None) -> str:
    """How the scores of the control rows differ from the stored ones, in words; empty if they are the same."""
    if control is None:
        return ""
    scores = raw_scores(prediction, fitted, control.rows)
    close = np.isclose(scores, control.scores, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    same = np.reshape(close, (len(scores), -1)).all(axis=1)
    return "" if same.all() else f"it scores {int((~same).sum())} of {len(scores)} control rows otherwise than then"


def _last(fitted: FittedEstimator) -> FittedEstimator:
    """The last step of what was fitted; itself if it is of scikit-learn's own types alone."""
    return fitted.model if isinstance(fitted, TransformedModel) else fitted


def _kind(estimator: Any) -> str:
    return next(kind for kind, adapter in KINDS.items() if adapter.owns(type(estimator)))


def _adapter(estimator: Any) -> EstimatorAdapter:
    return KINDS[_kind(estimator)]


def _installed(adapter: EstimatorAdapter, manifest: Manifest) -> dict[str, str]:
    """The installed versions of a stored estimator's libraries.

    Raises:
        TerminalError: If one is not installed.
    """
    try:
        return adapter.versions() | scikit_learn.versions()
    except (ImportError, OSError) as error:  # a shared library that is missing is an OSError
        raise TerminalError(
            f"the model's library cannot be imported: {first_line(error)}", fix=_install(manifest)
        ) from None


def _install(manifest: Manifest) -> str:
    return f"pip install {' '.join(f'{name}=={number}' for name, number in manifest.libraries.items())}"
