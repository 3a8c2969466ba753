"""The commands about rows in quarantine: list them, release them."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Annotated

import typer

from nightshift.cli.output import DATE, Format, Model, OutputFormat, write_line, write_rows

group = typer.Typer(help="Rows in quarantine: list them, release them.", no_args_is_help=True)


@group.command("list")
def list_quarantine(
    model: Model,
    source: Annotated[str | None, typer.Argument(help="Name of one source; every source if left out.")] = None,
    format: OutputFormat = Format.table,
) -> None:
    """Show which rows were set aside, by source, date and rule. The rows are in the table quarantine.<source>."""
    from nightshift.project import Project
    from nightshift.quality.quarantine import QuarantinedRows, quarantined_rows

    project = Project(model)
    counts = quarantined_rows(project.lake, project.definition, source)
    names = [field.name for field in dataclasses.fields(QuarantinedRows)]
    write_rows(names, [(*vars(count).values(),) for count in counts], format)


@group.command("release")
def release_quarantine(
    model: Model,
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    day: Annotated[date, typer.Option("--date", **DATE, help="Date of the rows.")],
    force: Annotated[bool, typer.Option(help="Also release rows that still break a rule.")] = False,
) -> None:
    """Publish quarantined rows that satisfy the definition by now; rows that still break a rule stay."""
    from nightshift.project import Project
    from nightshift.quality.quarantine import release

    project = Project(model)
    released, remaining = release(project.lake, project.definition, source, day, force=force)
    write_line(f"{released} rows of {day} released into raw.{source}, {remaining} stay in quarantine")
