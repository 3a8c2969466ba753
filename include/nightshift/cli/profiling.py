"""The command that proposes a contract for a source from its landed files."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from nightshift.cli.output import DATE, error_console, progress
from nightshift.settings import get_settings

NEWEST_DATES = 60  # profiled if no date is given


def profile_source(
    model: Annotated[str, typer.Argument(help="Name of the model; its definition may be incomplete or missing.")],
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    path: Annotated[
        str | None, typer.Option(help="Where its files land, if no definition says so: 'arrivals/{date}.csv'.")
    ] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=DATE, help="First date.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DATE, help="Last date.")] = None,
    newest: Annotated[
        int | None,
        typer.Option("--last", min=1, help=f"Number of newest dates; {NEWEST_DATES} if no date is given, else all."),
    ] = None,
) -> None:
    """Propose what to declare of a source from its landed files, as YAML for its definition."""
    from nightshift.definition.draft import find_draft
    from nightshift.profiling.propose import propose
    from nightshift.profiling.source_profile import profile_landed_files, select_dates

    settings = get_settings()
    draft = find_draft(settings.models_path, model, source, path, settings.sources_path)
    if newest is None and first is None and last is None:
        newest = NEWEST_DATES
    days = select_dates(
        settings.landing_uri, draft, first.date() if first else None, last.date() if last else None, newest
    )
    with progress() as report:
        profile = profile_landed_files(settings.landing_uri, source, draft, days, report)
    proposal = propose(model, source, draft, profile)
    sys.stdout.write(proposal.to_yaml())
    for note in proposal.notes:
        error_console.print(note, style="yellow", highlight=False, soft_wrap=True, markup=False)
