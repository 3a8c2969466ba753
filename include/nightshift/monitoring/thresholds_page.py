"""The thresholds of a version as rows, and as a page that plots them over the days of the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
from jinja2 import Environment

from nightshift.definition.schedule import Schedule
from nightshift.monitoring.correlations import change_threshold
from nightshift.monitoring.day_model import LEAST_ROWS
from nightshift.monitoring.history_plots import Section, plot_history
from nightshift.monitoring.reference import DriftBaseline
from nightshift.monitoring.statistics import statistics
from nightshift.pages import POLICY, templates
from nightshift.pages.plots import Plot
from nightshift.registry.reference import SCORES, ModelReference

PLOTTED = "psi"  # of every column, over the days


def threshold_rows(baseline: DriftBaseline, sizes: Sequence[int]) -> list[tuple[object, ...]]:
    """Subject, statistic, and the threshold of a night of each size."""
    thresholds = baseline.thresholds
    rows: list[tuple[object, ...]] = [
        (_subject(name), statistic, *(f"{thresholds.bound(name, statistic, size):.4g}" for size in sizes))
        for name, by_statistic in thresholds.bounds.items()
        for statistic in by_statistic
    ]
    if correlations := baseline.correlations:
        bounds = [change_threshold(correlations, thresholds.level(size)) for size in sizes]
        rows.append(("night", "joint_drift, in standard errors", *(f"{bound:.3g}" for bound in bounds)))
    return rows


def render_thresholds(
    title: str,
    reference: ModelReference,
    baseline: DriftBaseline,
    sizes: Sequence[int],
    schedule: Schedule | None = None,
) -> str:
    """The page of a version's thresholds.

    Args:
        title: The title.
        reference: The reference of the version.
        baseline: Its thresholds.
        sizes: The sizes of nights that have a column each.
        schedule: Which dates are nights; every date if None.

    Returns:
        One HTML page that loads nothing.
    """
    days = reference.training_dates
    legend = {"challenger": "the day", "bound": "the threshold of a night with as many rows"}
    note = (
        f"The {PLOTTED} of each day against the expectation of its weekday. Nights like these days exceed "
        f"any of their thresholds at a rate of {baseline.false_alarms}."
    )
    return (
        _environment()
        .get_template("thresholds.j2")
        .render(
            title=title,
            facts={
                "False alarms": f"{baseline.false_alarms}, for all columns and statistics together",
                "Training days": f"{days[0]} to {days[-1]}, {len(days)} days" if days else "none",
                "Holdout days": f"{len(reference.holdout_dates)}, for the scores",
            },
            names=["subject", "statistic", *(f"{size:,} rows" for size in sizes)],
            rows=threshold_rows(baseline, sizes),
            section=Section("The days of the reference", note, legend, list(_plots(reference, baseline, schedule))),
            policy=POLICY,
        )
    )


def _plots(reference: ModelReference, baseline: DriftBaseline, schedule: Schedule | None) -> Iterator[Plot]:
    for name, monitored in baseline.columns.items():
        values, bounds = dict[date, float](), dict[date, float]()
        column, dates = reference.column(name), reference.holdout_dates if name == SCORES else reference.training_dates
        assert column is not None and column.daily_counts is not None
        for day, counts in zip(dates, column.daily_counts, strict=True):
            if sum(counts) >= LEAST_ROWS:
                expected = monitored.days.base[day.weekday()] * monitored.days.rows
                values[day] = float(statistics(monitored.bins, expected, np.array(counts, np.float64))[PLOTTED])
                bounds[day] = baseline.thresholds.bound(name, PLOTTED, sum(counts))
        beyond = sum(value > bounds[day] for day, value in values.items())
        note = f"{beyond} of {len(values)} days beyond"
        yield plot_history(
            _subject(name), note, PLOTTED, {"challenger dotted": values, "bound": bounds}, None, schedule
        )


def _subject(name: str) -> str:
    return "scores" if name == SCORES else name


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=templates(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True)
