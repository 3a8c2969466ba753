"""The encoder of a version in a graph: an input for each feature, which become the estimator's matrix."""

from __future__ import annotations

import numpy as np

from nightshift.errors import TerminalError
from nightshift.export.graph import ML, NUMBER, TEXT, OnnxGraph, tensor
from nightshift.registry.encoder import Encoder

MISSING_TEXT = ""  # of a category: ONNX has no missing text


def add_encoder(graph: OnnxGraph, encoder: Encoder) -> str:
    """Adds the inputs of the features and what encodes them.

    Args:
        graph: The graph.
        encoder: The version's encoder.

    Returns:
        The matrix, shape (rows, features).

    Raises:
        TerminalError: If a category is the text that stands for a missing one.
    """
    return graph.add("Concat", *(_add_feature(graph, encoder, name) for name in encoder.types), axis=1)


def _add_feature(graph: OnnxGraph, encoder: Encoder, name: str) -> str:
    if encoder.types[name] == "category":
        column = _add_codes(graph, name, encoder.categories[name])
    else:
        column = graph.input(name, NUMBER)
    if name not in encoder.fills:
        return column
    return graph.add("Where", graph.add("IsNaN", column), graph.constant([[encoder.fills[name]]]), column)


def _add_codes(graph: OnnxGraph, name: str, categories: tuple[str, ...]) -> str:
    if MISSING_TEXT in categories:
        raise TerminalError(
            "the version learned an empty text as a category, which in ONNX stands for a missing one",
            where=f"feature {name}",
            fix="have its expression give null or a word instead of '', and train a new version",
        )
    text = graph.input(name, TEXT)
    if not categories:  # every value is unknown
        missing = graph.cast(graph.add("Equal", text, text))
        return graph.add("Mul", missing, graph.constant([[np.nan]]))
    return graph.add(
        "LabelEncoder",
        text,
        domain=ML,
        keys_tensor=tensor(list(categories), object),
        values_tensor=tensor(np.arange(len(categories))),
        default_tensor=tensor([np.nan]),
    )
