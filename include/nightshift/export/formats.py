"""The formats of exported versions."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    """What a version is exported as: an ONNX file, Triton's model repository, or an archive that the API serves."""

    onnx = "onnx"
    triton = "triton"
    archive = "archive"
