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
    first, last = days[0].toordinal(), max(days[-1].toordinal(), days[0].toordinal() + 1)
    step = max(1, (last - first) // 5)
    form = "%m-%d" if last - first < YEAR else "%Y-%m"
    ticks = tuple((float(day), f"{date.fromordinal(day):{form}}") for day in range(first, last + 1 - step // 2, step))
    x = Axis("", first, last, plots.LEFT, plots.WIDTH - plots.RIGHT, ticks)
    margin = 0.08 * (max(values) - min(values)) or 0.05 * abs(max(values)) or 0.01
    y = plots.vertical_axis(label, min(values) - margin, max(values) + margin, HEIGHT + TITLE_HEIGHT)
    drawn = [Line(style, points) for style, series in lines.items() for points in _segments(x, y, series, schedule)]
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


def _segments(x: Axis, y: Axis, series: Series, schedule: Schedule | None) -> list[str]:
    """The points of each run of neighbouring nights; a single night is a short line."""
    days = sorted(series)
    runs = [[day for day in days if first <= day <= last] for first, last in neighbouring(days, schedule)]
    return [plots.line("", x, y, [(day.toordinal(), series[day]) for day in run]).points for run in runs]
