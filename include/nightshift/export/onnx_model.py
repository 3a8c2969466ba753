"""A version as one ONNX graph: encoder, estimator and calibration."""

from __future__ import annotations

import json

from nightshift.definition.prediction import CLASS, PROBABILITY
from nightshift.errors import TerminalError
from nightshift.export.calibrations import add_calibration
from nightshift.export.encoding import add_encoder
from nightshift.export.estimators import add_estimator
from nightshift.export.graph import NUMBER, TEXT, OnnxGraph
from nightshift.registry.package import ModelPackage

SCORE, PREDICTION, PROBABILITIES = "score", "prediction", "probabilities"


def onnx_model(package: ModelPackage, model: str, version: int, digest: str) -> bytes:
    """The ONNX model of a version.

    Inputs are the features by name, shape (rows, 1): doubles, NaN if missing, and texts, "" if missing. Outputs:
    `score`, shape (rows, 1); of a label that is a class, also `prediction` and `probabilities`, shape (rows, classes).

    Args:
        package: The version's package.
        model: The model's name.
        version: The version's number.
        digest: The package's digest.

    Raises:
        TerminalError: If a part of it cannot be exported.
    """
    if taken := [name for name in package.encoder.types if name in (SCORE, PREDICTION, PROBABILITIES)]:
        fix = "give the feature another name, and train a new version"
        raise TerminalError("a feature has the name of an output", where=model, received=taken[0], fix=fix)
    graph = OnnxGraph()
    matrix = add_encoder(graph, package.encoder)
    names = list(package.encoder.types)
    codes = {names.index(name): len(values) for name, values in package.encoder.categories.items()}
    scores = add_estimator(graph, package.estimator, matrix, codes)
    if package.prediction == PROBABILITY:
        scores = graph.columns(scores, [1])
    if package.calibration is not None:
        scores = add_calibration(graph, package.calibration, scores)
    properties = {"nightshift.model": model, "nightshift.version": str(version), "nightshift.digest": digest}
    if package.prediction == CLASS and package.classes is not None:
        properties["nightshift.classes"] = json.dumps(package.classes.names)
        place = graph.add("ArgMax", scores, axis=1, keepdims=1)
        graph.output(PREDICTION, graph.add("Gather", graph.texts(list(package.classes.names)), place), TEXT)
        graph.output(PROBABILITIES, scores, NUMBER, len(package.classes.names))
        scores = graph.add("ReduceMax", scores, graph.positions([1]), keepdims=1)
    graph.output(SCORE, scores, NUMBER)
    return graph.model(model, properties)
