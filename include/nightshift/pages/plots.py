"""Plots as SVG, without a library: what is drawn, in pixels. `plots.j2` draws it, the page's style sheet colours it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log10

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

WIDTH, HEIGHT = 440, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 18, 44
ROW, NAMES, NUMBERS = 24, 150, 74  # of the forest: a slice's height, the widths of its name and of its rows


@dataclass(frozen=True)
class Axis:
    """An axis: what it shows, from where to where, on which pixels; `named` is what stands at some values."""

    label: str
    low: float
    high: float
    start: float
    end: float
    named: tuple[tuple[float, str], ...] = ()

    def place(self, value: float) -> float:
        """The pixel of a value; one beyond the axis is at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """What stands at which pixels; without names, four to nine round numbers."""
        if self.named:
            return [(self.place(value), text) for value, text in self.named]
        step = 10.0 ** floor(log10((self.high - self.low) / 4))
        step *= next(times for times in (5, 2, 1) if (self.high - self.low) / (step * times) >= 4 or times == 1)
        digits = max(0, -floor(log10(step)))
        numbers = [n * step for n in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)]
        return [(self.place(number), f"{number + 0.0:.{digits}f}") for number in numbers]


@dataclass(frozen=True)
class Line:
    """A line through points; `kind` names its style."""

    kind: str
    points: str


@dataclass(frozen=True)
class Mark:
    """A value on the horizontal axis, with what it is; `row` keeps the texts of several apart."""

    kind: str
    x: float
    text: str
    row: int = 0


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Interval:
    """A row of a forest: what it is of, from where to where, and whether it holds."""

    name: str
    rows: str
    y: float
    low: float
    value: float
    high: float
    kind: str


@dataclass(frozen=True)
class Plot:
    """A plot with everything in it."""

    title: str
    note: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    marks: Sequence[Mark] = ()
    intervals: Sequence[Interval] = ()
    width: float = WIDTH
    height: float = HEIGHT


def across(label: str, low: float, high: float) -> Axis:
    """The horizontal axis of a plot of usual size."""
    return Axis(label, low, high, LEFT, WIDTH - RIGHT)


def up(label: str, low: float, high: float, height: float = HEIGHT) -> Axis:
    """The vertical axis of a plot of usual size, or of another height."""
    return Axis(label, low, high, height - BOTTOM, TOP)


def line(kind: str, x: Axis, y: Axis, points: Sequence[tuple[float, float]] | Vector) -> Line:
    """A line through points."""
    return Line(kind, " ".join(f"{x.place(a)},{y.place(b)}" for a, b in points))


def steps(kind: str, x: Axis, y: Axis, edges: Vector, heights: Vector) -> Line:
    """The outline of a histogram."""
    corners = [(edge, height) for sides, height in zip(pairwise(edges), heights, strict=True) for edge in sides]
    return line(kind, x, y, [(edges[0], 0.0), *corners, (edges[-1], 0.0)])


def bars(x: Axis, y: Axis, edges: Vector, heights: Vector) -> list[Bar]:
    """The bars of a histogram."""
    return [
        Bar(x.place(a), y.place(h), round(x.place(b) - x.place(a), 2), round(y.start - y.place(h), 2))
        for (a, b), h in zip(pairwise(edges), heights, strict=True)
        if h
    ]


def forest(
    title: str, note: str, label: str, bound: float, rows: Sequence[tuple[str, int, float, float, float, bool]]
) -> Plot:
    """Intervals one below the other.

    Args:
        title: What is shown.
        note: What it means.
        label: Of the axis.
        bound: What the lower ends must be above.
        rows: Name, number of rows, lower end, value, upper end, and whether it holds.
    """
    ends = [end for _, _, low, value, high, _ in rows for end in (low, value, high) if isfinite(end)]
    least, most = min([*ends, bound, 0.0]), max([*ends, 0.0])
    width, height = 2.0 * WIDTH, TOP + ROW * len(rows) + BOTTOM
    room = 0.04 * (most - least)
    x = Axis(label, least - room, most + room, LEFT + NAMES, width - RIGHT - NUMBERS)
    drawn = [
        Interval(
            name, f"{count:,}", TOP + ROW * (place + 0.5), x.place(low), x.place(value), x.place(high), _kind(holds)
        )
        for place, (name, count, low, value, high, holds) in enumerate(rows)
    ]
    marks = [Mark("bound", x.place(bound), ""), Mark("zero", x.place(0), "")]
    y = Axis("", 0, 1, height - BOTTOM, TOP)
    return Plot(title, note, x, y, marks=marks, intervals=drawn, width=width, height=height)


def histogram(values: Vector, low: float, high: float, count: int) -> tuple[Vector, Vector]:
    """The edges of equal bins, and the share of the values in each."""
    found, edges = np.histogram(values, bins=count, range=(low, high))
    return edges, found / max(len(values), 1)


def by_bin(order: Vector, bins: int, *values: Vector) -> Vector:
    """The means of values in bins of equally many rows, in some order: shape (bins, values)."""
    ranked = np.argsort(order, kind="stable")
    parts = [rows for rows in np.array_split(ranked, bins) if len(rows)]
    return np.array([[one[rows].mean() for one in values] for rows in parts])


def _kind(holds: bool) -> str:
    return "held" if holds else "broken"
