"""What is stored beside an estimator: its kind, its libraries, its classes, and scores that it has to repeat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan, nan
from typing import Any

import numpy as np

from nightshift.registry.calibration import Vector
from nightshift.registry.estimators.adapter import Matrix

MANIFEST = "estimator.json"
CONTROL_ROWS = 20


@dataclass(frozen=True)
class Control:
    """Rows with the scores that the estimator gave to them when it was stored.

    Attributes:
        rows: Shape (rows, features).
        scores: Before calibration, shape (rows,) or (rows, classes).
    """

    rows: Matrix
    scores: Vector


@dataclass(frozen=True)
class Manifest:
    """What is stored beside an estimator.

    Attributes:
        kind: Its kind, which names its adapter.
        libraries: The versions of the libraries that stored it.
        classes: The classes of its labels in the order of their probabilities; none if it predicts a number.
        control: Rows with the scores that another version of a library has to repeat; None if there are none.
    """

    kind: str
    libraries: Mapping[str, str]
    classes: tuple[int, ...] = ()
    control: Control | None = field(default=None, compare=False)

    def dump(self) -> bytes:
        """As JSON."""
        content: dict[str, Any] = {"kind": self.kind, "libraries": dict(self.libraries), "classes": list(self.classes)}
        if self.control is not None:
            control = self.control.rows.tolist(), self.control.scores.tolist()
            content["control"] = dict(zip(("rows", "scores"), map(_stored, control), strict=True))
        return json.dumps(content).encode()

    @classmethod
    def load(cls, content: bytes) -> Manifest:
        """The manifest that `dump` describes."""
        stored = json.loads(content)
        control = stored.get("control")
        return cls(
            stored["kind"],
            stored["libraries"],
            tuple(stored["classes"]),
            control and Control(_numbers(control["rows"]), _numbers(control["scores"])),
        )


def control_rows(matrix: Matrix) -> Matrix:
    """Rows of values that training rows have, each feature's drawn by itself: no row is one of the data's.

    Args:
        matrix: The training rows, shape (rows, features), at least one.
    """
    random = np.random.default_rng(0)
    places = random.integers(0, len(matrix), size=(CONTROL_ROWS, matrix.shape[1]))
    return np.take_along_axis(matrix, places, axis=0)


def _stored(value: Any) -> Any:
    """A number, or lists of them, as JSON has it: it has no word for what is missing or infinite."""
    if isinstance(value, list):
        return list(map(_stored, value))
    if isnan(value):
        return None
    return value if isfinite(value) else str(value)


def _numbers(stored: Sequence[Any]) -> Any:
    """The numbers of lists, however deep."""
    if any(isinstance(item, list) for item in stored):
        return np.array([_numbers(item) for item in stored])
    return np.array([nan if item is None else float(item) for item in stored], dtype=np.float64)
