"""Estimators and pipelines of scikit-learn's own types, stored by skops with an explicit list of trusted types."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

from nightshift.errors import TerminalError, first_line
from nightshift.registry.estimators.adapter import FittedEstimator, TrainingMatrix

ESTIMATOR = "estimator.skops"
SCHEMA, EPOCH = "schema.json", (1980, 1, 1, 0, 0, 0)
LIBRARIES = ("scikit-learn", "skops")

# Types of scikit-learn's estimators that are not on skops' own list: arrays of tree nodes, the state of an optimiser,
# losses, the type of an array, splines, a mapping with attributes, the parts of a calibration and of an imputer,
# statistics of a feature, divisions into folds, and functions that check arrays. None of them can reach the system.
TRUSTED = (
    "functools.partial",
    "numpy.dtype",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.interpolate._bsplines._BSpline",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.impute._iterative.IterativeImputer",
    "sklearn.impute._iterative._ImputerTriplet",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
)
# The parameter that has a fit stop early, its value without that, the limit of iterations, and how many there were.
EARLY_STOPPING = (
    ("early_stopping", False, "max_iter", "n_iter_"),
    ("n_iter_no_change", None, "n_estimators", "n_estimators_"),
)
ALLOWED = (
    "scikit-learn's own estimators, pipelines of its own transformers, and LightGBM's and XGBoost's estimators by "
    "themselves or as the last step of such a pipeline"
)


def owns(kind: type) -> bool:
    """Whatever is not of another kind: `dump` refuses what is not scikit-learn's, by name."""
    return True


def prepare(estimator: Any) -> None:
    """Nothing to set: the number of threads of its sums is the process's, which the lineage records."""


def check(estimator: Any, width: int | None) -> None:
    dump(estimator)


def fit(estimator: Any, rows: TrainingMatrix) -> FittedEstimator:
    if rows.weights is None:
        return cast(FittedEstimator, estimator.fit(rows.features, rows.labels))
    key = weight_key(estimator)
    if key is None:
        raise ValueError(f"{type(estimator).__name__} takes no weights of rows")
    return cast(FittedEstimator, estimator.fit(rows.features, rows.labels, **{key: rows.weights}))


def weight_key(estimator: Any) -> str | None:
    """The argument of `fit` that takes the weights of rows; None if there is none."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        key = weight_key(last)
        return key and f"{name}__{key}"
    if isinstance(estimator, TransformedTargetRegressor) and estimator.regressor is not None:
        return weight_key(estimator.regressor)
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def iterations(fitted: Any) -> dict[str, Any]:
    """Parameters that have an estimator iterate as often as it did in its fit, where that stopped it early.

    Args:
        fitted: The estimator, or a pipeline. Of estimators inside another that fits copies of them nothing is known.
    """
    chosen: dict[str, Any] = {}
    parts = {f"{name}__": part for name, part in fitted.get_params().items() if hasattr(part, "get_params")}
    for prefix, part in ({"": fitted} | parts).items():
        declared = part.get_params(deep=False)
        for stops_early, never, limit, iterated in EARLY_STOPPING:
            if declared.get(stops_early, never) != never and limit in declared and hasattr(part, iterated):
                chosen |= {prefix + stops_early: never, prefix + limit: int(getattr(part, iterated))}
    return chosen


def dump(fitted: Any) -> dict[str, bytes]:
    return {ESTIMATOR: to_archive(fitted)}


def load(files: Mapping[str, bytes], classes: Sequence[int]) -> FittedEstimator:
    return cast(FittedEstimator, from_archive(files[ESTIMATOR]))


def versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def to_archive(estimator: Any) -> bytes:
    """An estimator as an archive that can be loaded without executing code; equal estimators give equal bytes.

    Raises:
        TerminalError: If it holds a type that is not trusted.
    """
    import skops.io

    try:
        content = canonical(skops.io.dumps(estimator))
    except Exception as error:  # an estimator of the user's own may hold anything
        raise TerminalError(f"the estimator cannot be stored: {first_line(error)}", allowed=ALLOWED) from None
    if unknown := sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED)):
        raise TerminalError(
            "the estimator holds a type that is not trusted and could not be loaded for scoring",
            received=unknown[0],
            allowed=ALLOWED,
            fix="use another estimator class",
        )
    return content


def from_archive(content: bytes) -> Any:
    """The estimator of an archive; any error means that it cannot be loaded, such as a type that is not trusted."""
    import skops.io

    return skops.io.loads(content, trusted=list(TRUSTED))


def canonical(archive: bytes) -> bytes:
    """A skops archive that depends on the estimator alone.

    skops names the parts by their addresses in memory and adds timestamps; here they are numbered in the order of the
    archive's schema, so that equal estimators make equal files.
    """
    source = zipfile.ZipFile(io.BytesIO(archive))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = dict(node)
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if isinstance(node.get("file"), str):
            ending = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names)}.{ending}")
        return {key: renumber(value) for key, value in node.items()}

    schema = renumber(json.loads(source.read(SCHEMA)))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:
        for old, new in names.items():
            target.writestr(zipfile.ZipInfo(new, EPOCH), source.read(old), zipfile.ZIP_DEFLATED)
        target.writestr(zipfile.ZipInfo(SCHEMA, EPOCH), json.dumps(schema), zipfile.ZIP_DEFLATED)
    return sink.getvalue()
