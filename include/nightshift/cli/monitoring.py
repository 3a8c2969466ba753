"""The commands about what is measured of nights, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.output import DATE, Format, Model, OutputFormat, write_line, write_note, write_rows
from nightshift.definition.load import load_part
from nightshift.definition.monitoring_rules import retrain_problems
from nightshift.definition.retrain import Retrain

if TYPE_CHECKING:
    from nightshift.monitoring.decide import Decision

NIGHT_SIZES = (100, 1_000, 10_000, 100_000)  # rows of the nights whose thresholds are shown


def alerts(
    model: Annotated[str | None, typer.Argument(help="A model; all of them if left out.")] = None,
    format: OutputFormat = Format.table,
) -> None:
    """List every alert that was sent, oldest first; JSON has all fields of each."""
    from nightshift.alerts.deliver import read_alerts
    from nightshift.settings import get_settings

    sent = [alert for alert in read_alerts(get_settings()) if model in (None, alert["model"])]
    names = list(sent[0]) if sent and format is not Format.table else ["since", "kind", "model", "night", "what"]
    write_rows(names, [tuple(alert.get(name) for name in names) for alert in sent], format)


def served(
    model: Model,
    day: Annotated[date, typer.Option("--on", **DATE, help="A day, in UTC.")],
    format: OutputFormat = Format.table,
) -> None:
    """Measure the drift and the skew of the rows that the API kept on a day, and record both.

    They are recorded in `monitoring.<model>` with the day as their `score_date`. Rows that wait for their publication
    are not measured.
    """
    from nightshift.project import Project
    from nightshift.serving.kept_rows import waiting_rows
    from nightshift.stages.served import measure_served
    from nightshift.training.results import format_number

    project = Project(model)
    if waiting := waiting_rows(project, day):
        waits = f"{waiting} rows of {day} wait for their publication and are not measured: they are published every"
        write_note(f"{waits} {project.settings.serving.publish:g} s, and when the API stops")
    measured = measure_served(project, day, "")
    names = ["subject", "statistic", "value", "threshold", "rows", "verdict", "detail"]
    all_rows = [
        (
            "day" if row.subject == "night" else row.subject,  # as monitors name what is of no single feature
            row.statistic,
            row.value,
            row.threshold,
            row.sample_size,
            row.verdict,
            row.detail,
        )
        for row in measured
    ]
    if format is not Format.table:
        write_rows(names, all_rows, format)
        return
    remarkable = [row for row in all_rows if row[0] == "day" or row[5] == "warn"]
    short = [tuple(format_number(cell, 4) if isinstance(cell, float) else cell for cell in row) for row in remarkable]
    write_rows(names, short, format)


def replay_policy(
    model: Model,
    first: Annotated[date, typer.Option("--from", **DATE, help="First night.")],
    last: Annotated[date, typer.Option("--to", **DATE, help="Last night.")],
    policy: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML with the keys of monitoring.retrain.")
    ] = None,
    nightly: Annotated[bool, typer.Option("--nightly", help="A row per night instead of a row per month.")] = False,
    format: OutputFormat = Format.table,
) -> None:
    """Decide a history again under another retrain policy; nothing is trained, nothing is written.

    Nights keep the version that scored them: the effect of an additional training is not computed.
    """
    from nightshift.project import Project
    from nightshift.stages import decide

    project = Project(model)
    prediction = project.definition.prediction
    retrain = load_part(policy, Retrain, lambda part: retrain_problems(part, prediction)) if policy else None
    decisions = decide.replay_policy(project, first, last, retrain)
    names, rows = _rows_by_night(decisions) if nightly else _rows_by_month(decisions)
    write_rows(names, rows, format)
    if format is Format.table:
        nights = [str(decision.night) for decision in decisions if decision.action == "request"]
        total = f"{model}: {len(nights)} of {len(decisions)} nights request a training"
        write_line(f"{total}{': ' if nights else ''}{', '.join(nights)}")


def thresholds(
    model: Model,
    version: Annotated[int | None, typer.Option(min=1, help="Number of the version; the champion if left out.")] = None,
    rows: Annotated[
        list[int] | None, typer.Option(min=10, help="Rows of a night; may be given more than once.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File of the plots; below var/thresholds if left out.")
    ] = None,
    format: OutputFormat = Format.table,
) -> None:
    """Print a version's drift thresholds, and plot them over the days of its training period."""
    from nightshift.errors import TerminalError
    from nightshift.monitoring.thresholds_page import render_thresholds, threshold_rows
    from nightshift.project import Project
    from nightshift.stages.baseline import drift_baseline

    project, sizes = Project(model), sorted(set(rows or NIGHT_SIZES))
    registered = project.registry.version(version) if version else project.champions.require_champion()
    reference, baseline = drift_baseline(project, registered)
    where = f"{model}, version {registered.number}"
    if baseline is None:
        raise TerminalError("no daily behaviour is stored with the version", where=where, fix="train a new version")
    names = ["subject", "statistic", *(f"{size:,} rows" for size in sizes)]
    write_rows(names, threshold_rows(baseline, sizes), format)
    file = page or project.settings.var_path / "thresholds" / f"{model}-{registered.number}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    title = f"{model}: the thresholds of version {registered.number}"
    file.write_text(render_thresholds(title, reference, baseline, sizes, project.definition.schedule))
    if format is Format.table:
        write_line(f"{where}: {baseline.false_alarms}; the days of its training period are plotted in {file}")


def _rows_by_night(decisions: Sequence[Decision]) -> tuple[list[str], list[tuple[object, ...]]]:
    return ["night", "version", "action", "reason"], [
        (decision.night, decision.version, decision.action, decision.reason) for decision in decisions
    ]


def _rows_by_month(decisions: Sequence[Decision]) -> tuple[list[str], list[tuple[object, ...]]]:
    """A month's nights: how many requested or were held back by what, and how often each trigger fired."""
    months: dict[str, list[Decision]] = {}
    for decision in sorted(decisions, key=lambda decision: decision.night):
        months.setdefault(f"{decision.night:%Y-%m}", []).append(decision)
    rows: list[tuple[object, ...]] = []
    for month, month_decisions in months.items():
        actions = [decision.action for decision in month_decisions]
        triggers = (result.trigger for decision in month_decisions for result in decision.triggers if result.fired)
        suppressions = (action.removeprefix("suppressed_by_") for action in actions if action.startswith("suppressed"))
        rows.append((month, len(actions), _list_counts(triggers), actions.count("request"), _list_counts(suppressions)))
    return ["month", "nights", "triggers that fired", "requests", "held back by"], rows


def _list_counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
