"""What turns an estimator's sums into scores, in a graph. Every result has shape (rows, scores)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nightshift.export.graph import POSITION, OnnxGraph

Link = Callable[[OnnxGraph, str], str]


def identity(_: OnnxGraph, sums: str) -> str:
    """The sums themselves."""
    return sums


def exponential(graph: OnnxGraph, sums: str) -> str:
    """Of estimators of a logarithm."""
    return graph.add("Exp", sums)


def softmax(graph: OnnxGraph, sums: str) -> str:
    """The probability of each class, of sums of each class."""
    return graph.add("Softmax", sums, axis=1)


def logistic(factor: float = 1.0) -> Link:
    """The probability of both classes, of log-odds that are multiplied by a factor."""

    def add(graph: OnnxGraph, sums: str) -> str:
        odds = sums if factor == 1 else graph.add("Mul", sums, graph.constant([[factor]]))
        return both_classes(graph, graph.add("Sigmoid", odds))

    return add


def both_classes(graph: OnnxGraph, second: str) -> str:
    """The probabilities of two classes, of that of the second."""
    return graph.add("Concat", graph.add("Sub", graph.constant([[1.0]]), second), second, axis=1)


def divided_by_sum(graph: OnnxGraph, values: str, otherwise: str) -> str:
    """Each row's values divided by their sum, or others where that is not positive."""
    total = graph.add("ReduceSum", values, graph.positions([1]), keepdims=1)
    is_positive = graph.add("Greater", total, graph.constant([[0.0]]))
    divisor = graph.add("Where", is_positive, total, graph.constant([[1.0]]))
    return graph.add("Where", is_positive, graph.add("Div", values, divisor), otherwise)


def clipped(graph: OnnxGraph, values: str, least: float, most: float) -> str:
    """Values within bounds; a missing one stays missing, which of ONNX's own operator nobody promises."""
    for operator, bound in (("Less", least), ("Greater", most)):
        limit = graph.constant([[bound]])
        values = graph.add("Where", graph.add(operator, values, limit), limit, values)
    return values


def log_odds(graph: OnnxGraph, scores: str, margin: float) -> str:
    """The log-odds of scores, which are clipped near 0 and 1."""
    inside = clipped(graph, scores, margin, 1 - margin)
    return graph.add("Log", graph.add("Div", inside, graph.add("Sub", graph.constant([[1.0]]), inside)))


def interpolated(graph: OnnxGraph, values: str, knots: tuple[float, ...], heights: tuple[float, ...]) -> str:
    """Linear between knots, constant outside of them, by the formula of NumPy's `interp`.

    Args:
        graph: The graph.
        values: Shape (rows, 1).
        knots: Ascending.
        heights: The result at each.
    """
    x, y = np.array(knots), np.array(heights)
    if len(x) == 1:
        return graph.add("Add", graph.add("Mul", values, graph.constant([[0.0]])), graph.constant([[y[0]]]))
    width = np.diff(x)
    slopes = np.divide(np.diff(y), width, out=np.zeros(len(width)), where=width > 0)
    reached = graph.cast(graph.add("GreaterOrEqual", values, graph.constant(x.reshape(1, -1))), kind=POSITION)
    count = graph.add("ReduceSum", reached, graph.positions([1]), keepdims=1)
    last = graph.add("Sub", count, graph.positions([[1]]))
    place = graph.add("Clip", last, graph.positions(0), graph.positions(len(slopes) - 1))
    left, slope, height = (graph.add("Gather", graph.constant(part), place) for part in (x[:-1], slopes, y[:-1]))
    inside = clipped(graph, values, x[0], x[-1])
    return graph.add("Add", graph.add("Mul", slope, graph.add("Sub", inside, left)), height)
