"""Thresholds for people: as rows, and as a page that shows them over the reference's own days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment

from nightshift.monitoring.days import LEAST_ROWS
from nightshift.monitoring.reference import HELD_OUT, LEARNED, Calibration
from nightshift.monitoring.report import Section, history
from nightshift.monitoring.statistics import statistics
from nightshift.pages import POLICY, templates
from nightshift.pages.plots import Plot
from nightshift.registry.package import SCORES

SHOWN = "psi"  # of every column, over the days


def threshold_rows(calibration: Calibration, sizes: Sequence[int]) -> list[tuple[object, ...]]:
    """Subject, statistic, and the threshold of a night of each size."""
    rows: list[tuple[object, ...]] = [
        (_subject(name), statistic, *(f"{calibration.thresholds.bound(name, statistic, size):.4g}" for size in sizes))
        for name, by_statistic in calibration.thresholds.bounds.items()
        for statistic in by_statistic
    ]
    if known := calibration.correlations:
        levels = [calibration.thresholds.level(size) for size in sizes]
        rows.append(("night", "joint_drift, in standard errors", *(f"{known.threshold(one):.3g}" for one in levels)))
    return rows


def render_thresholds(title: str, reference: Mapping[str, Any], calibration: Calibration, sizes: Sequence[int]) -> str:
    """The page of a version's thresholds.

    Returns:
        One HTML page that refers to nothing outside of itself.
    """
    days = reference[LEARNED]
    told = f"{days[0]} to {days[-1]}, {len(days)} days" if days else "none"
    legend = {"challenger": "the day", "bound": "threshold of a night of as many rows"}
    note = (
        f"Each day's {SHOWN} against what its weekday lets expect. Nights like these days have anything at all "
        f"beyond its threshold, in any column and statistic, {calibration.false_alarms}."
    )
    return (
        _environment()
        .get_template("thresholds.j2")
        .render(
            title=title,
            facts={
                "False alarms": f"{calibration.false_alarms}, everything together",
                "Days learned from": told,
                "Days of the holdout": f"{len(reference[HELD_OUT])}, for the scores",
            },
            names=["subject", "statistic", *(f"{size:,} rows" for size in sizes)],
            rows=threshold_rows(calibration, sizes),
            section=Section("The reference's own days", note, legend, list(_plots(reference, calibration))),
            policy=POLICY,
        )
    )


def _plots(reference: Mapping[str, Any], calibration: Calibration) -> Iterator[Plot]:
    for name, column in calibration.columns.items():
        values, bounds = dict[date, float](), dict[date, float]()
        dates = reference[HELD_OUT if name == SCORES else LEARNED]
        for told, counts in zip(dates, np.array(column.bins["days"], dtype=np.float64), strict=True):
            day, rows = date.fromisoformat(told), int(counts.sum())
            if rows >= LEAST_ROWS:
                expected = column.days.base[day.weekday()] * column.days.rows
                values[day] = float(statistics(column.bins, expected, counts)[SHOWN])
                bounds[day] = calibration.thresholds.bound(name, SHOWN, rows)
        beyond = sum(value > bounds[day] for day, value in values.items())
        note = f"{beyond} of {len(values)} days beyond"
        yield history(_subject(name), note, SHOWN, {"challenger dotted": values, "bound": bounds})


def _subject(name: str) -> str:
    return "scores" if name == SCORES else name


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=templates(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True)
