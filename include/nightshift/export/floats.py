"""XGBoost's arithmetic in a graph: numbers of 32 bits, in its order, since a calibration may multiply what is rounded.

Exponentials are computed of doubles and rounded, as those of the C library are but for rare last bits.
"""

from __future__ import annotations

from nightshift.export.ensembles import Ensemble, add_ensemble
from nightshift.export.graph import FLOAT, OnnxGraph

LEAST_ODDS = -88.7  # below, XGBoost's exponential would be infinite


def add_float_sums(graph: OnnxGraph, ensemble: Ensemble, matrix: str) -> str:
    """Adds the sums of the trees, shape (rows, sums), tree by tree."""
    leaves = Ensemble([(place, tree) for place, (_, tree) in enumerate(ensemble.trees)], len(ensemble.trees))
    rounded = graph.cast(graph.cast(matrix, FLOAT))  # it compares floats
    values = graph.cast(add_ensemble(graph, leaves, rounded), FLOAT)
    sums = []
    for position in range(ensemble.sums):
        terms = graph.columns(values, [place for place, (owner, _) in enumerate(ensemble.trees) if owner == position])
        sums.append(graph.columns(graph.add("CumSum", terms, graph.positions(1)), [-1]))
    return graph.add("Concat", *sums, axis=1)


def identity(graph: OnnxGraph, sums: str) -> str:
    """The sums themselves."""
    return graph.cast(sums)


def exponential(graph: OnnxGraph, sums: str) -> str:
    """Of estimators of a logarithm."""
    return graph.cast(_exponentials(graph, sums))


def logistic(graph: OnnxGraph, sums: str) -> str:
    """The probability of both classes, of log-odds."""
    negative = graph.add("Neg", graph.add("Max", sums, graph.floats([[LEAST_ODDS]])))
    one = graph.floats([[1.0]])
    second = graph.add("Div", one, graph.add("Add", _exponentials(graph, negative), one))
    return graph.cast(graph.add("Concat", graph.add("Sub", one, second), second, axis=1))


def softmax(graph: OnnxGraph, sums: str) -> str:
    """The probability of each class, of sums of each class."""
    axis = graph.positions([1])
    powers = _exponentials(graph, graph.add("Sub", sums, graph.add("ReduceMax", sums, axis, keepdims=1)))
    total = graph.cast(graph.add("ReduceSum", graph.cast(powers), axis, keepdims=1), FLOAT)
    return graph.cast(graph.add("Div", powers, total))


def _exponentials(graph: OnnxGraph, values: str) -> str:
    return graph.cast(graph.add("Exp", graph.cast(values)), FLOAT)
