"""The command line's part about data quality: proposing contracts, and rows that were set aside."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime
from typing import Annotated

import typer

from nightshift.cli_output import DATE, Format, Model, console, problems, progress, write_rows
from nightshift.settings import get_settings

quarantine = typer.Typer(help="Rows that were set aside: see them, release them.", no_args_is_help=True)

DATES = 60  # that are looked at if nothing else is asked for


def profile_source(
    model: Annotated[str, typer.Argument(help="The model; its definition need not be complete, or there yet.")],
    source: Annotated[str, typer.Argument(help="The source.")],
    path: Annotated[
        str | None, typer.Option(help="Where its files land, if that is not declared: 'arrivals/{date}.csv'.")
    ] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=DATE, help="First date.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DATE, help="Last date.")] = None,
    newest: Annotated[
        int | None,
        typer.Option("--last", min=1, help=f"So many newest of them; {DATES} of all if no date is given."),
    ] = None,
) -> None:
    """Propose what to declare of a source from the files that have landed, as YAML for its definition."""
    from nightshift.definition.draft import find_draft
    from nightshift.profiling.propose import propose
    from nightshift.profiling.survey import days_landed, survey

    settings = get_settings()
    draft = find_draft(settings.models_path, model, source, path)
    if newest is None and first is None and last is None:
        newest = DATES
    days = days_landed(
        settings.landing_uri, draft, first.date() if first else None, last.date() if last else None, newest
    )
    with progress() as show:
        proposal = propose(model, source, draft, survey(settings.landing_uri, source, draft, days, show))
    sys.stdout.write(proposal.text())
    for note in proposal.notes:
        problems.print(note, style="yellow", highlight=False, soft_wrap=True, markup=False)


@quarantine.command("list")
def list_quarantine(
    model: Model,
    source: Annotated[str | None, typer.Argument(help="Of this source; of all if left out.")] = None,
    format: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.table,
) -> None:
    """Show which rows were set aside, by source, date and rule. The rows are in the table quarantine.<source>."""
    from nightshift.loop import Loop
    from nightshift.quality.quarantine import QuarantinedRows, quarantined_rows

    loop = Loop(model)
    held = quarantined_rows(loop.lake, loop.definition, source)
    write_rows(
        [field.name for field in dataclasses.fields(QuarantinedRows)], [(*vars(one).values(),) for one in held], format
    )


@quarantine.command("release")
def release_quarantine(
    model: Model,
    source: Annotated[str, typer.Argument(help="The source.")],
    day: Annotated[datetime, typer.Option("--date", formats=DATE, help="The date of the rows.")],
    force: Annotated[bool, typer.Option(help="Release also rows that still break a rule.")] = False,
) -> None:
    """Publish rows that were set aside, once they satisfy the definition; those that still do not stay."""
    from nightshift.loop import Loop
    from nightshift.quality.quarantine import release

    loop = Loop(model)
    released, stays = release(loop.lake, loop.definition, source, day.date(), force=force)
    console.print(
        f"{released} rows of {day.date()} released into raw.{source}, {stays} stay in quarantine", highlight=False
    )
