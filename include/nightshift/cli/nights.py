"""The commands about nights: land their files, build their history, show how they went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from nightshift.cli.output import DATE, Model, console, progress, write_line
from nightshift.settings import get_settings
from nightshift.terminal import print_table


def land(
    model: Model,
    until: Annotated[datetime, typer.Option(formats=DATE, help="Land the files that arrived by this night's cutoff.")],
    since: Annotated[
        datetime | None, typer.Option(formats=DATE, help="First date; the schedule's start if left out.")
    ] = None,
) -> None:
    """Land the example's files as its source systems would have delivered them by a night's cutoff."""
    from nightshift.project import Project
    from nightshift.replay.landing import land

    count = land(Project(model), until.date(), since.date() if since else None)
    console.print(f"{count} files landed in {get_settings().landing_uri}", highlight=False, soft_wrap=True)


def build(
    model: Model,
    first: Annotated[datetime | None, typer.Option("--from", formats=DATE, help="First date.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DATE, help="Last date.")] = None,
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
        build_history(Project(model), first.date(), last.date(), show)
    console.print(f"features.{model} is built from {first.date()} to {last.date()}", highlight=False)


def status(model: Model) -> None:
    """Show a row per scored night: rows, quality, drift, decision, version, accuracy."""
    from nightshift.project import Project
    from nightshift.replay.summary import nights_table
    from nightshift.status import night_statuses

    print_table(console, nights_table(model, night_statuses(Project(model))))
