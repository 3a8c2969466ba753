"""scikit-learn's fitted transformers in a graph: each takes a matrix and gives one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nightshift.export.graph import OnnxGraph
from nightshift.export.links import clipped
from nightshift.export.refusal import not_exported

Transformer = Callable[[OnnxGraph, Any, str], str]


def add_transformer(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    """Adds a fitted transformer.

    Args:
        graph: The graph.
        fitted: The transformer, or "passthrough".
        matrix: What it transforms, shape (rows, columns).

    Returns:
        What it gives, shape (rows, columns).

    Raises:
        TerminalError: If it has no form here.
    """
    if fitted is None or fitted == "passthrough":
        return matrix
    name = type(fitted).__name__
    if type(fitted).__module__.partition(".")[0] != "sklearn" or name not in TRANSFORMERS:
        raise not_exported("transformer", name)
    return TRANSFORMERS[name](graph, fitted, matrix)


def _pipeline(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    for _, step in fitted.steps:
        matrix = add_transformer(graph, step, matrix)
    return matrix


def _column_transformer(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    parts = []
    places = np.arange(fitted.n_features_in_)
    weights = fitted.transformer_weights or {}
    for name, transformer, columns in fitted.transformers_:
        chosen = places[columns].reshape(-1).tolist()
        if not (isinstance(transformer, str) and transformer == "drop") and chosen:
            part = add_transformer(graph, transformer, graph.columns(matrix, chosen))
            parts.append(graph.add("Mul", part, graph.constant([[weights[name]]])) if name in weights else part)
    return graph.add("Concat", *parts, axis=1)


def _standard_scaler(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    if fitted.mean_ is not None and fitted.with_mean:
        matrix = graph.add("Sub", matrix, _row(graph, fitted.mean_))
    if fitted.scale_ is not None and fitted.with_std:
        matrix = graph.add("Div", matrix, _row(graph, fitted.scale_))
    return matrix


def _robust_scaler(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    if fitted.with_centering:
        matrix = graph.add("Sub", matrix, _row(graph, fitted.center_))
    return graph.add("Div", matrix, _row(graph, fitted.scale_)) if fitted.with_scaling else matrix


def _min_max_scaler(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    scaled = graph.add("Mul", matrix, _row(graph, fitted.scale_))
    shifted = graph.add("Add", scaled, _row(graph, fitted.min_))
    if not fitted.clip:
        return shifted
    return clipped(graph, shifted, *fitted.feature_range)


def _max_abs_scaler(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    scaled = graph.add("Div", matrix, _row(graph, fitted.scale_))
    return clipped(graph, scaled, -1.0, 1.0) if getattr(fitted, "clip", False) else scaled


def _simple_imputer(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    if fitted.missing_values is not np.nan and not np.isnan(fitted.missing_values):
        raise not_exported("SimpleImputer", f"missing_values={fitted.missing_values}")
    statistics = np.asarray(fitted.statistics_, dtype=np.float64)
    keeps_all = fitted.strategy == "constant" or fitted.keep_empty_features
    kept = np.flatnonzero(keeps_all | ~np.isnan(statistics)).tolist()  # it drops columns without values
    is_missing = graph.add("IsNaN", matrix)
    filled = graph.columns(graph.add("Where", is_missing, _row(graph, statistics), matrix), kept)
    if not fitted.add_indicator:
        return filled
    marked = graph.columns(graph.cast(is_missing), fitted.indicator_.features_.tolist())
    return graph.add("Concat", filled, marked, axis=1)


def _one_hot_encoder(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    if getattr(fitted, "infrequent_categories_", None) is not None and fitted._infrequent_enabled:
        raise not_exported("OneHotEncoder", "min_frequency or max_categories")
    columns = []
    for place, categories in enumerate(fitted.categories_):
        dropped = None if fitted.drop_idx_ is None else fitted.drop_idx_[place]
        column = graph.columns(matrix, [place])
        named = [value for position, value in enumerate(categories) if position != dropped and not np.isnan(value)]
        if named:
            columns.append(graph.cast(graph.add("Equal", column, graph.constant([named]))))
        if np.isnan(categories[-1]) and dropped != len(categories) - 1:  # it sorts a missing value to the end
            columns.append(graph.cast(graph.add("IsNaN", column)))
    return graph.add("Concat", *columns, axis=1) if columns else graph.columns(matrix, [])


def _function_transformer(graph: OnnxGraph, fitted: Any, matrix: str) -> str:
    """That of columns which a column transformer passes through has no function."""
    if fitted.func is not None:
        raise not_exported("FunctionTransformer", fitted.func)
    return matrix


def _row(graph: OnnxGraph, values: Any) -> str:
    return graph.constant(np.asarray(values, dtype=np.float64).reshape(1, -1))


TRANSFORMERS: Mapping[str, Transformer] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "StandardScaler": _standard_scaler,
    "RobustScaler": _robust_scaler,
    "MinMaxScaler": _min_max_scaler,
    "MaxAbsScaler": _max_abs_scaler,
    "FunctionTransformer": _function_transformer,
    "SimpleImputer": _simple_imputer,
    "OneHotEncoder": _one_hot_encoder,
}
