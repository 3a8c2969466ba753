"""Fitted estimators in a graph: each takes a matrix and gives raw scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nightshift.export.boosters import Booster, of_lightgbm, of_scikit_learn, of_xgboost
from nightshift.export.ensembles import add_ensemble
from nightshift.export.floats import add_float_sums
from nightshift.export.graph import OnnxGraph
from nightshift.export.links import Link, exponential, identity, logistic, softmax
from nightshift.export.refusal import not_exported
from nightshift.export.transformers import add_transformer
from nightshift.registry.estimators.adapter import FittedEstimator
from nightshift.registry.estimators.lightgbm import LightgbmModel
from nightshift.registry.estimators.pipeline import TransformedModel
from nightshift.registry.estimators.xgboost import XgboostModel

HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
PLAIN = (
    "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LassoLars",
    "BayesianRidge", "ARDRegression", "HuberRegressor", "QuantileRegressor", "TheilSenRegressor", "SGDRegressor",
)  # fmt: skip
LOGARITHMIC = ("PoissonRegressor", "GammaRegressor")
LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")


def add_estimator(graph: OnnxGraph, fitted: FittedEstimator, matrix: str, categories: Mapping[int, int]) -> str:
    """Adds a fitted estimator.

    Args:
        graph: The graph.
        fitted: The estimator.
        matrix: What it scores, shape (rows, features).
        categories: The number of codes of each feature that is a category, by its position.

    Returns:
        The probability of each class, shape (rows, classes), or the number predicted, shape (rows, 1).

    Raises:
        TerminalError: If it has no form here.
    """
    if isinstance(fitted, TransformedModel):
        transformed = add_transformer(graph, fitted.transformers, matrix)
        return add_estimator(graph, fitted.model, transformed, {})
    if isinstance(fitted, LightgbmModel):
        return _add_booster(graph, of_lightgbm(fitted), matrix)
    if isinstance(fitted, XgboostModel):
        return _add_booster(graph, of_xgboost(fitted, categories), matrix)
    return _add_scikit_learn(graph, fitted, matrix)


def _add_booster(graph: OnnxGraph, booster: Booster, matrix: str) -> str:
    add_sums = add_float_sums if booster.in_floats else add_ensemble
    return booster.link(graph, add_sums(graph, booster.ensemble, matrix))


def _add_scikit_learn(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    name, is_own = type(fitted).__name__, type(fitted).__module__.partition(".")[0] == "sklearn"
    if is_own and name == "Pipeline":
        for _, step in fitted.steps[:-1]:
            matrix = add_transformer(graph, step, matrix)
        return _add_scikit_learn(graph, fitted.steps[-1][1], matrix)
    if is_own and name in HISTOGRAM:
        return _add_booster(graph, of_scikit_learn(fitted), matrix)
    if not is_own or (link := _linear_link(fitted, name)) is None:
        raise not_exported("estimator", name)
    weights = np.asarray(fitted.coef_, dtype=np.float64).reshape(-1, fitted.n_features_in_)
    sums = graph.add("MatMul", matrix, graph.constant(weights.T))
    start = np.broadcast_to(fitted.intercept_, (1, len(weights)))  # a number if it is not fitted
    return link(graph, graph.add("Add", sums, graph.constant(start)))


def _linear_link(fitted: Any, name: str) -> Link | None:
    if name in LOGISTIC:
        return softmax if len(fitted.classes_) > 2 else logistic()
    return identity if name in PLAIN else exponential if name in LOGARITHMIC else None
