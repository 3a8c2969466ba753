"""An ONNX graph while it is built: values have names, and every number is a double.

Doubles, and not the floats that ONNX graphs mostly have: a threshold keeps its value, so no row changes sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from nightshift.errors import TerminalError, first_line
from nightshift.export.refusal import INSTEAD

ML = "ai.onnx.ml"
OPSETS = {"": 21, ML: 5}  # the first with ensembles of trees in doubles
IR_VERSION = 10  # of opset 21
NUMBER, TEXT, POSITION, FLOAT = TensorProto.DOUBLE, TensorProto.STRING, TensorProto.INT64, TensorProto.FLOAT

Values = npt.ArrayLike


class OnnxGraph:
    """The nodes and constants of a graph."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int) -> str:
        """Adds an input, shape (rows, 1).

        Args:
            name: Its name, which is returned.
            kind: `NUMBER` or `TEXT`.
        """
        self._inputs.append(helper.make_tensor_value_info(name, kind, ["rows", 1]))
        return name

    def output(self, name: str, value: str, kind: int, width: int = 1) -> None:
        """Adds an output, shape (rows, width)."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, kind, ["rows", width]))

    def constant(self, values: Values) -> str:
        """Adds a constant of doubles."""
        return self._constant(np.asarray(values, dtype=np.float64))

    def floats(self, values: Values) -> str:
        """Adds a constant of numbers of 32 bits."""
        return self._constant(np.asarray(values, dtype=np.float32))

    def positions(self, values: Values) -> str:
        """Adds a constant of positions."""
        return self._constant(np.asarray(values, dtype=np.int64))

    def texts(self, values: list[str]) -> str:
        """Adds a constant of texts."""
        return self._constant(np.asarray(values, dtype=object))

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Adds a node with one output, whose name is returned."""
        output = f"/{operator.lower()}_{len(self._nodes)}"  # no feature is called so
        self._nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def cast(self, value: str, kind: int = NUMBER) -> str:
        """Adds a conversion to another type."""
        return self.add("Cast", value, to=kind)

    def columns(self, matrix: str, positions: list[int]) -> str:
        """Adds a choice of columns."""
        return self.add("Gather", matrix, self.positions(positions), axis=1)

    def model(self, name: str, properties: Mapping[str, str]) -> bytes:
        """The graph as an ONNX model, which was checked.

        Args:
            name: Its name.
            properties: What it says of itself.

        Raises:
            TerminalError: If it is not valid, such as of an estimator that gives another number of probabilities than
                there are classes.
        """
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid(domain, number) for domain, number in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="nightshift")
        helper.set_model_props(model, dict(properties))
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            received = first_line(error)
            raise TerminalError("the graph is not valid", where=name, received=received, fix=INSTEAD) from None
        return bytes(model.SerializeToString(deterministic=True))

    def _constant(self, values: npt.NDArray[Any]) -> str:
        name = f"/constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name


def tensor(values: Values, kind: npt.DTypeLike = np.float64) -> onnx.TensorProto:
    """Values as an attribute of a node."""
    return numpy_helper.from_array(np.asarray(values, dtype=kind))
