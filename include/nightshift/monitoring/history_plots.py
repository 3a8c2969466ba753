"""Plots of values by night, with the sections of a page that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from nightshift.definition.calendar import neighbouring
from nightshift.definition.schedule import Schedule
from nightshift.monitoring.evidence import Row
from nightshift.pages import plots
from nightshift.pages.plots import Axis, Line, Mark, Plot

HEIGHT, TITLE_HEIGHT = 210, 20  # of a plot; of the horizontal axis' title, which these plots do not have
ALONE = 0.5  # days on both sides of a plot's only night
DASH = 3  # pixels to both sides of a night that has no neighbour: a line of a single point is invisible
YEAR = 366  # days; from here on a date of the horizontal axis has its year

Series = Mapping[date, float]


@dataclass(frozen=True)
class Section:
    """Plots of one kind, with the meaning of each line style."""

    title: str
    note: str
    legend: Mapping[str, str]
    plots: Sequence[Plot]


def plot_history(
    title: str,
    note: str,
    label: str,
    lines: Mapping[str, Series],
    promotions: Mapping[date, int] | None = None,
    schedule: Schedule | None = None,
) -> Plot:
    """Lines over nights, interrupted where nights are missing.

    Args:
        title: The title.
        note: A note below it.
        label: The title of the vertical axis.
        lines: Values by night, by the style of their line.
        promotions: By its first night, each version that replaced another (see `promotions_of`).
        schedule: Which dates are nights; every date if None.
    """
    days = sorted({day for series in lines.values() for day in series})
    values = [value for series in lines.values() for value in series.values()]
    first, last = days[0].toordinal(), days[-1].toordinal()
    step = max(1, (last - first) // 5)
    form = "%m-%d" if last - first < YEAR else "%Y-%m"
    ticks = tuple((float(day), f"{date.fromordinal(day):{form}}") for day in range(first, last + 1 - step // 2, step))
    room = 0 if last > first else ALONE
    x = Axis("", first - room, last + room, plots.LEFT, plots.WIDTH - plots.RIGHT, ticks)
    margin = 0.08 * (max(values) - min(values)) or 0.05 * abs(max(values)) or 0.01
    lowest = min(values) - margin if min(values) < 0 else max(min(values) - margin, 0.0)  # no share is negative
    y = plots.vertical_axis(label, lowest, max(values) + margin, HEIGHT + TITLE_HEIGHT)
    drawn = [_line(style, x, y, run) for style, series in lines.items() for run in _runs(series, schedule)]
    marks = [
        Mark("version", x.pixel(day.toordinal()), f"version {number}", position % 2)
        for position, (day, number) in enumerate((promotions or {}).items())
        if first < day.toordinal() <= last
    ]
    return Plot(title, note, x, y, drawn, marks=marks, height=HEIGHT)


def promotions_of(rows: Iterable[Row]) -> dict[date, int]:
    """The first night that each version scored, without the first version of all."""
    promotions: dict[date, int] = {}
    version: int | None = None
    for row in sorted(rows, key=lambda row: row["score_date"]):
        number = row["model_version"]
        if number is not None and number != version:
            if version is not None:
                promotions[row["score_date"]] = number
            version = number
    return promotions


def _runs(series: Series, schedule: Schedule | None) -> list[list[tuple[float, float]]]:
    """The points of each run of neighbouring nights."""
    days = sorted(series)
    runs = [[day for day in days if first <= day <= last] for first, last in neighbouring(days, schedule)]
    return [[(day.toordinal(), series[day]) for day in run] for run in runs]


def _line(style: str, x: Axis, y: Axis, run: Sequence[tuple[float, float]]) -> Line:
    """A line through a run of nights; a single night, if its style has no dots, is a dash."""
    if len(run) > 1 or "dotted" in style:
        return plots.line(style, x, y, run)
    middle, height = x.pixel(run[0][0]), y.pixel(run[0][1])
    return Line(style, f"{middle - DASH},{height} {middle + DASH},{height}")
