"""What a measurement is, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        figure: What was measured.
        bar: What it must reach.
        result: The measured values.
        ratio: What is held against the bar.
        met: Whether it reached it.
    """

    figure: str
    bar: str
    result: str
    ratio: str
    met: bool


@dataclass(frozen=True)
class Bench:
    """What a measurement is given.

    Attributes:
        var: A folder of its own for all state; it is removed afterwards.
        scale: The share of the full size; below 1 only to try a measurement out.
        say: Takes what is going on.
        note: Takes what is worth keeping on the screen.
    """

    var: Path
    scale: float
    say: Callable[[str], None]
    note: Callable[[str], None]


Measurement = Callable[[Bench], list[Figure]]
MEASUREMENTS: dict[str, Measurement] = {}


def measurement(name: str) -> Callable[[Measurement], Measurement]:
    """Registers a function as `<group>.<name>`. Its docstring is its description in the table's page."""

    def register(function: Measurement) -> Measurement:
        MEASUREMENTS[name] = function
        return function

    return register
