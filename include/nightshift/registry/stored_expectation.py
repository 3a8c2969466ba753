"""The file of the performance to expect of a version's nights, as it is stored with the version."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from nightshift.errors import TerminalError
from nightshift.json_documents import parse_as


class StoredIsotonic(TypedDict):
    """A map between knots."""

    method: Literal["isotonic"]
    scores: list[float]
    probabilities: list[float]


class StoredSigmoid(TypedDict):
    """A logistic curve."""

    method: Literal["sigmoid"]
    slope: float
    intercept: float


class StoredClassMaps(TypedDict):
    """A map for each class."""

    method: Literal["one against rest"]
    maps: list[StoredIsotonic | StoredSigmoid]


class StoredErrors(TypedDict):
    """The errors of a number, by its size."""

    edges: list[float]
    absolute: list[float]
    squared: list[float]


class StoredBand(TypedDict):
    """A metric, and the worst value expected of it."""

    value: float
    bound: float | None


class StoredExpectation(TypedDict):
    """The content of the file: of a probability or a class its calibration, of a number its errors."""

    realized: dict[str, StoredBand]
    estimated: dict[str, StoredBand]
    calibration: NotRequired[StoredIsotonic | StoredSigmoid | StoredClassMaps]
    errors: NotRequired[StoredErrors]


def parse_expectation(content: bytes, where: str, fix: str) -> dict[str, Any]:
    """The content of the file of a version.

    Args:
        content: The file.
        where: Its name.
        fix: What to do about it if it is damaged.

    Raises:
        TerminalError: If it is damaged.
    """
    stored = parse_as(content, where, StoredExpectation, {"realized": dict, "estimated": dict}, fix)
    if "calibration" not in stored and "errors" not in stored:
        raise TerminalError("the file is damaged: `calibration` is missing", where=where, fix=fix)
    return dict(stored)
