"""The page of a backtest: what every policy came to, month by month, and its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from jinja2 import Environment

from nightshift.backtest.run import BacktestReport
from nightshift.backtest.summary import IntervalEstimate, PolicyRun, PolicySummary
from nightshift.monitoring.history_plots import Series, plot_history
from nightshift.pages import POLICY, templates
from nightshift.pages.plots import Plot
from nightshift.training.results import format_number

STYLES = 8  # of lines, as many as the style sheet has


def render_backtest(title: str, report: BacktestReport, unit: str = "") -> str:
    """The page of a backtest.

    Args:
        title: Of the page.
        report: What the backtest found.
        unit: What the value is in.

    Returns:
        One HTML page that refers to nothing outside of itself.
    """
    nights = [walked.night for walked in report.runs[0].walk.nights]
    facts = {
        "Nights": f"{nights[0]} to {nights[-1]}, {len(nights)}; the first model is trained as of the first of them",
        "Metric": f"{report.metric} of each month's rows, and its mean over the months",
        "Intervals": "1,000 resamples of the nights of each month; each end is one-sided, 95% sure",
        "Wrong in hindsight": "of the models that took another's place and scored at least five nights, those that "
        "were worse than the one before, on these nights, by more than the gate's margin",
    }
    names, rows = summary_rows(report.summaries, report.metric)
    styles = {run.policy.name: f"policy{position % STYLES}" for position, run in enumerate(report.runs)}
    return (
        _environment()
        .get_template("backtest.j2")
        .render(
            title=title,
            facts=facts,
            names=names,
            rows=rows,
            months=_month_rows(report),
            legend={style: name for name, style in styles.items()},
            plots=_plots(report, styles, unit),
            trainings=[(run.policy.name, run.walk.trainings) for run in report.runs],
            policy=POLICY,
        )
    )


def summary_rows(
    summaries: Sequence[PolicySummary], metric: str
) -> tuple[list[str], list[tuple[str | int | None, ...]]]:
    """The table of the policies: the names of its columns, and a row each."""
    first = summaries[0].name
    names = ["policy", "trainings", "promotions", "wrong in hindsight", metric, f"{metric} interval"]
    names += ["value", "value interval", f"more than {first}", "its interval", "more than naive", "training seconds"]
    rows: list[tuple[str | int | None, ...]] = [
        (
            summary.name,
            summary.trainings,
            summary.promotions,
            f"{summary.wrong} of {summary.judged}" if summary.judged else None,
            *_cells(summary.metric, 4),
            *_cells(summary.value, 0),
            *_cells(summary.against_first, 0, signed=True),
            _beyond(summary),
            f"{summary.seconds:,.0f}",
        )
        for summary in summaries
    ]
    return names, rows


def summary_records(summaries: Sequence[PolicySummary]) -> tuple[list[str], list[tuple[str | float | None, ...]]]:
    """The same with numbers as they are."""
    names = ["policy", "trainings", "promotions", "judged_in_hindsight", "wrong_in_hindsight", "naive", "seconds"]
    for estimate in ("metric", "value", "more_than_first"):
        names += [estimate, f"{estimate}_low", f"{estimate}_high"]
    rows: list[tuple[str | float | None, ...]] = [
        (
            *(summary.name, summary.trainings, summary.promotions, summary.judged, summary.wrong),
            *(summary.naive, summary.seconds),
            *_numbers(summary.metric),
            *_numbers(summary.value),
            *_numbers(summary.against_first),
        )
        for summary in summaries
    ]
    return names, rows


def _numbers(estimate: IntervalEstimate | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if estimate is None else (estimate.value, estimate.low, estimate.high)


def _beyond(summary: PolicySummary) -> str | None:
    if summary.value is None or summary.naive is None:
        return None
    return format_number(summary.value.value - summary.naive, 0, signed=True)


def _cells(estimate: IntervalEstimate | None, digits: int, *, signed: bool = False) -> tuple[str | None, str | None]:
    """A value and its interval as texts."""
    if estimate is None:
        return None, None
    value = format_number(estimate.value, digits, signed=signed)
    if estimate.low is None or estimate.high is None:
        return value, None
    low, high = (format_number(end, digits, signed=signed) for end in (estimate.low, estimate.high))
    return value, f"{low} to {high}"


def _month_rows(report: BacktestReport) -> list[tuple[str | int | None, ...]]:
    """A row for each month of each policy."""
    return [
        (
            f"{month.month:%Y-%m}",
            summary.name,
            month.nights,
            *_cells(month.metric, 4),
            *_cells(month.value, 0),
            None if month.naive is None else format_number(month.naive, 0),
            month.trainings,
            month.promotions,
        )
        for position in range(len(report.summaries[0].months))
        for summary in report.summaries
        for month in summary.months[position : position + 1]
    ]


def _plots(report: BacktestReport, styles: dict[str, str], unit: str) -> list[Plot]:
    by_month = {
        styles[run.policy.name]: _by_night(run, summary)
        for run, summary in zip(report.runs, report.summaries, strict=True)
    }
    drawn = []
    if any(by_month.values()):
        note = "Of all rows of a month."
        drawn.append(plot_history(f"{report.metric} by month", note, report.metric, by_month))
    gained = {styles[run.policy.name]: _gained_value(run) for run in report.runs}
    if any(gained.values()):
        note = "The sum of the nights up to each, without that of the naive policy."
        drawn.append(plot_history("Value beyond the naive policy", note, unit or "value", gained))
    return drawn


def _by_night(run: PolicyRun, summary: PolicySummary) -> Series:
    """The metric of each night's month."""
    values = {month.month: month.metric.value for month in summary.months if month.metric}
    nights = (walked.night for walked in run.walk.nights)
    return {night: values[night.replace(day=1)] for night in nights if night.replace(day=1) in values}


def _gained_value(run: PolicyRun) -> dict[date, float]:
    """By night, by how much the value up to it exceeds that of the naive policy."""
    nights = {night: result for night, result in sorted(run.results.items()) if result.value is not None}
    gains = ((result.value or 0.0) - (result.naive or 0.0) for result in nights.values())
    return dict(zip(nights, accumulate(gains), strict=True))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = templates(Path(__file__).with_name("templates"))
    return Environment(loader=loader, autoescape=True, trim_blocks=True)
