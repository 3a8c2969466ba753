"""The calibration of a version in a graph."""

from __future__ import annotations

from nightshift.export.graph import OnnxGraph
from nightshift.export.links import divided_by_sum, interpolated, log_odds
from nightshift.registry.calibration import MARGIN, Calibration, Isotonic, OneAgainstRest, Sigmoid


def add_calibration(graph: OnnxGraph, calibration: Calibration, scores: str) -> str:
    """Adds the map from raw scores to probabilities, both of shape (rows, 1), or (rows, classes)."""
    if not isinstance(calibration, OneAgainstRest):
        return _add_map(graph, calibration, scores)
    columns = [_add_map(graph, each, graph.columns(scores, [place])) for place, each in enumerate(calibration.maps)]
    return divided_by_sum(graph, graph.add("Concat", *columns, axis=1), scores)


def _add_map(graph: OnnxGraph, calibration: Isotonic | Sigmoid, scores: str) -> str:
    if isinstance(calibration, Isotonic):
        return interpolated(graph, scores, calibration.scores, calibration.probabilities)
    odds = log_odds(graph, scores, MARGIN)
    line = graph.add("Mul", odds, graph.constant([[calibration.slope]]))
    return graph.add("Sigmoid", graph.add("Add", line, graph.constant([[calibration.intercept]])))
