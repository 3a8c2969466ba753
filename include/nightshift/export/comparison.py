"""Runs an exported version, and compares it with the version."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.export.encoding import MISSING_TEXT
from nightshift.export.onnx_model import PROBABILITIES, SCORE
from nightshift.registry.encoder import Matrix


class OnnxScorer:
    """An ONNX model of a version, run by onnxruntime with one thread.

    Args:
        content: The model.
    """

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def score(self, rows: pa.Table) -> Matrix:
        """The scores of rows, as `ModelPackage.score` gives them."""
        outputs = self.run(rows)
        return outputs[PROBABILITIES] if PROBABILITIES in outputs else outputs[SCORE][:, 0]

    def run(self, rows: pa.Table) -> dict[str, npt.NDArray[Any]]:
        """The outputs for rows, by name."""
        inputs = {item.name: _column(rows[item.name]).reshape(-1, 1) for item in self._session.get_inputs()}
        names = [item.name for item in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


def _column(values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A feature's values as an input: doubles, NaN if missing, or texts, empty if missing."""
    if pa.types.is_string(values.type):
        return np.asarray(pc.fill_null(values, MISSING_TEXT).to_pylist(), dtype=object)
    return np.asarray(values.cast(pa.float64()).to_numpy())
