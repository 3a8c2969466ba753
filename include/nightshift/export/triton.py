"""A folder that NVIDIA's Triton Inference Server serves a version from: its model repository."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nightshift.export.onnx_model import PREDICTION, PROBABILITIES, SCORE
from nightshift.registry.package import ModelPackage

CONFIG, MODEL = "config.pbtxt", "model.onnx"
MAX_BATCH = 4096  # rows that Triton joins at most
TYPES = {"number": "TYPE_FP64", "category": "TYPE_STRING"}


def triton_repository(package: ModelPackage, model: str, version: int, onnx: bytes) -> dict[str, bytes]:
    """The files of a model repository, by their paths in it. Further versions go beside this one.

    Args:
        package: The version's package.
        model: The model's name.
        version: The version's number.
        onnx: The version as ONNX.
    """
    config = "".join(f"{line}\n" for line in _config(package, model))
    return {f"{model}/{version}/{MODEL}": onnx, f"{model}/{CONFIG}": config.encode()}


def _config(package: ModelPackage, model: str) -> Iterator[str]:
    yield f"name: {json.dumps(model)}"
    yield 'backend: "onnxruntime"'
    yield f"max_batch_size: {MAX_BATCH}"
    for name, kind in package.encoder.types.items():
        yield _tensor("input", name, TYPES[kind])
    yield _tensor("output", SCORE, "TYPE_FP64")
    if package.classes is not None:
        yield _tensor("output", PREDICTION, "TYPE_STRING")
        yield _tensor("output", PROBABILITIES, "TYPE_FP64", len(package.classes.names))
    yield "dynamic_batching { }"
    yield "instance_group [ { kind: KIND_CPU } ]"


def _tensor(side: str, name: str, kind: str, width: int = 1) -> str:
    return f"{side} [ {{ name: {json.dumps(name)} data_type: {kind} dims: [ {width} ] }} ]"
