"""Plots as SVG, without a library: shapes in pixels. `plots.j2` draws them, the page's style sheet colours them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log10

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

WIDTH, HEIGHT = 440, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 18, 44  # on the left for numbers of six characters and the axis' title
NAME_ONLY = "name-only"  # the style of an interval that is not drawn
ROW, NAMES, NUMBERS = 24, 150, 74  # of a forest plot: the height of a row, the widths of its name and of its count


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its range in values and in pixels, and the texts at some values, if it has no numbers."""

    label: str
    low: float
    high: float
    start: float
    end: float
    texts: tuple[tuple[float, str], ...] = ()

    def pixel(self, value: float) -> float:
        """The pixel of a value; one beyond the axis is at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The pixels and texts of its ticks; without texts, four to nine round numbers."""
        if self.texts:
            return [(self.pixel(value), text) for value, text in self.texts]
        step = 10.0 ** floor(log10((self.high - self.low) / 4))
        step *= next(times for times in (5, 2, 1) if (self.high - self.low) / (step * times) >= 4 or times == 1)
        digits = max(0, -floor(log10(step)))
        numbers = [n * step for n in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)]
        return [(self.pixel(number), f"{number + 0.0:.{digits}f}") for number in numbers]


@dataclass(frozen=True)
class Line:
    """A line through points."""

    style: str
    points: str


@dataclass(frozen=True)
class Mark:
    """A value on the horizontal axis with its text; texts of different rows do not overlap."""

    style: str
    x: float
    text: str
    row: int = 0


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram, or a cell of a table: its corner and size in pixels, how dark it is, and a text in it."""

    x: float
    y: float
    width: float
    height: float
    opacity: float = 1.0
    text: str = ""


@dataclass(frozen=True)
class Interval:
    """A row of a forest plot: its name and count, and its interval with the value inside."""

    name: str
    rows: str
    y: float
    low: float
    value: float
    high: float
    style: str


@dataclass(frozen=True)
class Plot:
    """A plot with all its shapes."""

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


def horizontal_axis(label: str, low: float, high: float) -> Axis:
    """The horizontal axis of a plot of the usual size."""
    return Axis(label, low, high, LEFT, WIDTH - RIGHT)


def vertical_axis(label: str, low: float, high: float, height: float = HEIGHT) -> Axis:
    """The vertical axis of a plot of the usual size, or of a given height."""
    return Axis(label, low, high, height - BOTTOM, TOP)


def line(style: str, x: Axis, y: Axis, points: Sequence[tuple[float, float]] | Vector) -> Line:
    """A line through points."""
    return Line(style, " ".join(f"{x.pixel(a)},{y.pixel(b)}" for a, b in points))


def steps(style: str, x: Axis, y: Axis, edges: Vector, heights: Vector) -> Line:
    """The outline of a histogram."""
    corners = [(edge, height) for sides, height in zip(pairwise(edges), heights, strict=True) for edge in sides]
    return line(style, x, y, [(edges[0], 0.0), *corners, (edges[-1], 0.0)])


def bars(x: Axis, y: Axis, edges: Vector, heights: Vector) -> list[Bar]:
    """The bars of a histogram."""
    return [
        Bar(x.pixel(a), y.pixel(height), round(x.pixel(b) - x.pixel(a), 2), round(y.start - y.pixel(height), 2))
        for (a, b), height in zip(pairwise(edges), heights, strict=True)
        if height
    ]


def forest(
    title: str, note: str, label: str, bound: float, rows: Sequence[tuple[str, int, float, float, float, bool]]
) -> Plot:
    """A forest plot: intervals one below the other.

    Args:
        title: The title.
        note: A note below it.
        label: The title of the axis.
        bound: The lower ends must be above it.
        rows: Name, number of rows, lower end, value, upper end, and whether the rule passed.
    """
    values = [end for _, _, low, value, high, _ in rows for end in (low, value, high) if isfinite(end)]
    least, most = min([*values, bound, 0.0]), max([*values, 0.0])
    width, height = 2.0 * WIDTH, TOP + ROW * len(rows) + BOTTOM
    margin = 0.04 * (most - least)
    x = Axis(label, least - margin, most + margin, LEFT + NAMES, width - RIGHT - NUMBERS)
    drawn = []
    for position, (name, count, low, value, high, passed) in enumerate(rows):
        ends = x.pixel(low), x.pixel(value), x.pixel(high)
        style = "passed" if passed else "failed"
        drawn.append(Interval(name, f"{count:,}", TOP + ROW * (position + 0.5), *ends, style))
    marks = [Mark("bound", x.pixel(bound), ""), Mark("zero", x.pixel(0), "")]
    y = Axis("", 0, 1, height - BOTTOM, TOP)
    return Plot(title, note, x, y, marks=marks, intervals=drawn, width=width, height=height)


def table_of_shares(title: str, note: str, names: Sequence[str], rows: Sequence[int], shares: Vector) -> Plot:
    """A table of shares, each cell as dark as its share is large; columns are numbered as the rows are.

    Args:
        title: The title.
        note: A note below it.
        names: The names of the rows, and of the columns.
        rows: The count of each row.
        shares: Each row's shares, shape (names, names).
    """
    count, cell = len(names), (2.0 * WIDTH - LEFT - NAMES - RIGHT - NUMBERS) / len(names)
    width, height = 2.0 * WIDTH, TOP + ROW * count + BOTTOM
    x = Axis("prediction", 0, count, LEFT + NAMES, width - RIGHT - NUMBERS, _numbered(count))
    y = Axis("", 0, 1, height - BOTTOM, TOP)
    cells = [
        Bar(round(x.start + cell * column, 2), TOP + ROW * row, round(cell, 2), ROW, round(share, 3), f"{share:.0%}")
        for row, line_shares in enumerate(shares.tolist())
        for column, share in enumerate(line_shares)
        if share > 0
    ]
    titles = [
        Interval(f"{number} {name}", f"{rows[number - 1]:,}", TOP + ROW * (number - 0.5), 0, 0, 0, NAME_ONLY)
        for number, name in enumerate(names, 1)
    ]
    return Plot(title, note, x, y, bars=cells, intervals=titles, width=width, height=height)


def _numbered(count: int) -> tuple[tuple[float, str], ...]:
    """The numbers from 1, in the middle of equal parts of an axis."""
    return tuple((position + 0.5, str(position + 1)) for position in range(count))


def histogram(values: Vector, low: float, high: float, count: int) -> tuple[Vector, Vector]:
    """The edges of equal bins, and the share of the values in each."""
    counts, edges = np.histogram(values, bins=count, range=(low, high))
    return edges, counts / max(len(values), 1)


def bin_means(order: Vector, bins: int, *columns: Vector) -> Vector:
    """The means of columns in bins of equally many rows, in the order of a further column: shape (bins, columns)."""
    ranked = np.argsort(order, kind="stable")
    parts = [rows for rows in np.array_split(ranked, bins) if len(rows)]
    return np.array([[column[rows].mean() for column in columns] for rows in parts])
