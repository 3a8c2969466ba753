"""The commands about nights: preview one, land files, build the history, score without Airflow, show how they went."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.output import (
    DATE,
    Format,
    Model,
    OutputFormat,
    console,
    progress,
    write_line,
    write_note,
    write_rows,
)
from nightshift.settings import get_settings
from nightshift.terminal import print_table

if TYPE_CHECKING:
    import pyarrow as pa

Night = Annotated[date, typer.Option(**DATE, help="The score date.")]


def preview(
    model: Model,
    night: Night,
    rows: Annotated[int, typer.Option(min=1, help="Number of observations to print.")] = 3,
    format: OutputFormat = Format.table,
    csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
) -> None:
    """Compute and print features and labels of a night from landed files; nothing is published.

    A table has a column per observation. What the night leaves out goes to the standard error.
    """
    from nightshift.project import Project
    from nightshift.stages.preview import preview as preview_night

    project = Project(model)
    with progress() as show:
        result = preview_night(project, night, show)
    _write_observations(result.rows.slice(0, rows), Format.csv if csv else format)
    for line in result.read:
        write_note(f"read: {line}")
    for line in result.left_out:
        write_note(line, "yellow")
    total = f"{result.rows.num_rows:,} observations, {result.labelled:,} with a label"
    write_note(f"{model}, {night}: {total}; nothing was published")


def _write_observations(rows: pa.Table, format: Format) -> None:
    """Writes a row per observation; in a table, which many features would make too wide, a column."""
    if format is not Format.table:
        write_rows(rows.column_names, list(zip(*rows.to_pydict().values(), strict=True)), format)
        return
    numbers = [str(number) for number in range(1, rows.num_rows + 1)]
    write_rows(["column", *numbers], [(name, *values) for name, values in rows.to_pydict().items()])


def land(
    model: Model,
    until: Annotated[date, typer.Option(**DATE, help="Land the files that arrived by this night's cutoff.")],
    since: Annotated[date | None, typer.Option(**DATE, help="First date; the schedule's start if left out.")] = None,
) -> None:
    """Land the example's files as its source systems would have delivered them by a night's cutoff."""
    from nightshift.replay.landing import example, land

    count = land(example(model), until, since)
    write_line(f"{count} files landed in {get_settings().landing_uri}")


def build(
    model: Model,
    first: Annotated[date | None, typer.Option("--from", **DATE, help="First date.")] = None,
    last: Annotated[date | None, typer.Option("--to", **DATE, help="Last date.")] = None,
) -> None:
    """Ingest every landed date of a range and build its features; without a range, what was redefined."""
    from nightshift.project import Project
    from nightshift.stages.history import build_history
    from nightshift.stages.rebuild import rebuild

    if (first is None) != (last is None):
        raise typer.BadParameter("--from and --to go together; without both, redefined features are computed again")
    with progress() as show:
        if first is None or last is None:
            done = rebuild(Project(model), show)
            for line in (*done.readings, f"features.{model}: {done.nights.rebuilt}"):
                write_line(line)
            return
        build_history(Project(model), first, last, show)
    write_line(f"features.{model} is built from {first} to {last}")


def status(model: Model) -> None:
    """Show a row per scored night: rows, quality, drift, decision, version, accuracy; what is of another definition."""
    from nightshift.project import Project
    from nightshift.replay.summary import nights_table
    from nightshift.stages.rebuild import describe_outdated
    from nightshift.status import night_statuses

    project = Project(model)
    print_table(console, nights_table(model, night_statuses(project)))
    for line in describe_outdated(project):
        write_line(line)


def score(
    model: Model,
    night: Night,
    last: Annotated[date | None, typer.Option("--to", **DATE, help="Last night, to score several.")] = None,
) -> None:
    """Score nights without Airflow, from the landed files to the published scores, and monitor them.

    It does what the DAGs <model>.score and <model>.monitor do, but for starting a training that a night requests.
    """
    from nightshift.compute.job import shared_driver
    from nightshift.definition.nights import nights_within
    from nightshift.lake.damage import NOT_MEASURED_AGAIN
    from nightshift.project import Project
    from nightshift.replay.summary import nights_table
    from nightshift.stages.by_hand import monitor_night, require_landed, score_night
    from nightshift.stages.ingest import describe_changes
    from nightshift.stages.lost_measurements import drop_lost, measure_lost_outcomes
    from nightshift.status import night_statuses

    project = Project(model)
    if last is not None and last < night:
        raise typer.BadParameter("--to is before --night")
    dates = nights_within(project.definition, night, last or night)
    lost = drop_lost(project, dates[0], dates[-1])
    for monitor, day in lost:
        again = "" if monitor in NOT_MEASURED_AGAIN else ", and is measured again"
        write_note(f"{day}: what {monitor} measured was lost with its file{again}")
    require_landed(project, dates[0])  # before a driver starts for nothing
    with progress() as show, shared_driver(project.settings):
        for day in dates:
            score_night(project, day, f"by-hand-{day}", show)
            monitored = monitor_night(project, day, f"by-hand-{day}", show)
        measure_lost_outcomes(project, lost, f"by-hand-{dates[-1]}")
    print_table(console, nights_table(model, night_statuses(project, dates[0], dates[-1])))
    for line in describe_changes(project, dates[0], dates[-1]):
        write_line(line)
    write_line(f"report: {monitored.report}")
    if monitored.decision.action == "request":
        write_line(
            f"a training is requested: {monitored.decision.reason}; nightshift train {model} --as-of {dates[-1]}"
        )
    write_line(f"nightshift sql \"select * from scores.{model} where score_date = '{dates[-1]}' limit 10\"")
