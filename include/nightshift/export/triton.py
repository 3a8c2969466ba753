"""A folder that NVIDIA's Triton Inference Server serves a version from: its model repository."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from nightshift.errors import TerminalError
from nightshift.export.onnx_model import PREDICTION, PROBABILITIES, SCORE
from nightshift.lake.files import exists, read_bytes
from nightshift.registry.package import ModelPackage

CONFIG, MODEL = "config.pbtxt", "model.onnx"
MAX_BATCH = 4096  # rows that Triton joins at most
FOOT = ("dynamic_batching { }", "instance_group [ { kind: KIND_CPU } ]")
TYPES = {"number": "TYPE_FP64", "category": "TYPE_STRING"}


def triton_repository(package: ModelPackage, model: str, version: int, onnx: bytes, folder: str) -> dict[str, bytes]:
    """The files to add to a model repository, by their paths in it.

    All versions of a model have one configuration. One that is there stays as it is: teams choose there which versions
    are served, and by what.

    Args:
        package: The version's package.
        model: The model's name.
        version: The version's number.
        onnx: The version as ONNX.
        folder: The URI of the repository.

    Raises:
        TerminalError: If the configuration that is there is of other inputs or outputs.
    """
    files = {f"{model}/{version}/{MODEL}": onnx}
    tensors, location = list(_tensors(package)), f"{folder}/{model}/{CONFIG}"
    if exists(location):
        _require_tensors(read_bytes(location).decode(errors="replace").splitlines(), tensors, location)
        return files
    lines = (*_head(model), *tensors, *FOOT)
    return files | {f"{model}/{CONFIG}": "".join(f"{line}\n" for line in lines).encode()}


def _require_tensors(lines: Sequence[str], tensors: Sequence[str], where: str) -> None:
    received = [line for line in lines if line.startswith(("input ", "output "))]
    if set(received) != set(tensors):
        differing = sorted({*received} ^ {*tensors})
        raise TerminalError(
            "the model repository's configuration is of versions with other inputs or outputs",
            where=where,
            received="; ".join(line for line in differing if line in received) or "too few of them",
            allowed="; ".join(line for line in differing if line in tensors) or "none of these",
            fix="export to another folder, or remove the model's folder there: a configuration is of all its versions",
        )


def _head(model: str) -> Iterator[str]:
    yield f"name: {json.dumps(model)}"
    yield 'backend: "onnxruntime"'
    yield f"max_batch_size: {MAX_BATCH}"
    yield "version_policy { latest { num_versions: 1 } }"


def _tensors(package: ModelPackage) -> Iterator[str]:
    for name, kind in package.encoder.types.items():
        yield _tensor("input", name, TYPES[kind])
    yield _tensor("output", SCORE, "TYPE_FP64")
    if package.classes is not None:
        yield _tensor("output", PREDICTION, "TYPE_STRING")
        yield _tensor("output", PROBABILITIES, "TYPE_FP64", len(package.classes.names))


def _tensor(side: str, name: str, kind: str, width: int = 1) -> str:
    return f"{side} [ {{ name: {json.dumps(name)} data_type: {kind} dims: [ {width} ] }} ]"
