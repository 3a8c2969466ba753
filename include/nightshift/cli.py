"""The command line: `nightshift --help`."""

from __future__ import annotations

import csv
import json
import logging
import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from nightshift.definition.load import check_shared_sources, definition_folders, find_definition
from nightshift.errors import DefinitionError, NightshiftError
from nightshift.settings import get_settings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()
problems = Console(stderr=True)

Model = Annotated[str, typer.Argument(help="Name of the model definition.")]
DATE = ["%Y-%m-%d"]


class Format(StrEnum):
    """How query results are written."""

    table = "table"
    csv = "csv"
    json = "json"


@app.command()
def validate(model: Annotated[str | None, typer.Argument(help="One model; all of them if left out.")] = None) -> None:
    """Check model definitions; every problem is one line with its file and line."""
    settings = get_settings()
    names = [model] if model else [folder.name for folder in definition_folders(settings.models_path)]
    found: list[NightshiftError] = []
    good = []
    for name in names:
        try:
            good.append(find_definition(settings.models_path, name))
        except DefinitionError as error:
            found += error.problems
    found += check_shared_sources(good)
    for problem in found:
        problems.print(str(problem), style="red", highlight=False, soft_wrap=True)
    for definition in good:
        count = len(definition.feature_types)
        console.print(f"{definition.name}: {len(definition.sources)} sources, {count} features", highlight=False)
    if found:
        raise typer.Exit(2)


@app.command()
def land(
    model: Model,
    until: Annotated[datetime, typer.Option(formats=DATE, help="Land what had arrived by this night's cutoff.")],
    since: Annotated[
        datetime | None, typer.Option(formats=DATE, help="First date; default: the schedule's start.")
    ] = None,
) -> None:
    """Land example data as its systems would have delivered it by a night's cutoff."""
    from nightshift.loop import Loop

    count = Loop(model).land(until.date(), since.date() if since else None)
    console.print(f"{count} files landed in {get_settings().landing_uri}", highlight=False, soft_wrap=True)


@app.command()
def build(
    model: Model,
    first: Annotated[datetime, typer.Option("--from", formats=DATE, help="First date.")],
    last: Annotated[datetime, typer.Option("--to", formats=DATE, help="Last date.")],
) -> None:
    """Ingest every landed date of a range and build its features in one Spark session."""
    from nightshift.loop import Loop

    with console.status("building") as status:
        Loop(model).build_history(first.date(), last.date(), status.update)
    console.print(f"features.{model} is built from {first.date()} to {last.date()}", highlight=False)


@app.command()
def status(model: Model) -> None:
    """Show a row per scored night: rows, quality, drift, decision, version, accuracy."""
    from nightshift.loop import Loop
    from nightshift.replay.report import nights_table
    from nightshift.status import night_statuses

    console.print(nights_table(model, night_statuses(Loop(model))))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="DuckDB SQL over the published tables, such as scores.flight_delay.")],
    format: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.table,
) -> None:
    """Query the published tables; no server is needed."""
    from nightshift.lake.catalog import Lake
    from nightshift.lake.sql import run_sql

    names, rows = run_sql(Lake(get_settings()), query)
    if format is Format.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows(rows)
    elif format is Format.json:
        json.dump([dict(zip(names, row, strict=True)) for row in rows], sys.stdout, default=str, indent=1)
        sys.stdout.write("\n")
    else:
        table = Table(*names, header_style="bold")
        for row in rows:
            table.add_row(*["" if value is None else str(value) for value in row])
        console.print(table)


@app.command()
def run(
    model: Annotated[str, typer.Option(help="The model to replay.")] = "flight_delay",
    first: Annotated[datetime, typer.Option(formats=DATE, help="First night.")] = datetime(2013, 6, 28),
    last: Annotated[datetime, typer.Option(formats=DATE, help="Last night.")] = datetime(2013, 7, 4),
    champion: Annotated[
        datetime, typer.Option(formats=DATE, help="Train the first champion as of this date.")
    ] = datetime(2013, 5, 1),
    stop: Annotated[bool, typer.Option("--exit", help="Stop the servers after the summary.")] = False,
    airflow_port: Annotated[int, typer.Option(help="Port of the Airflow UI.")] = 8080,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
) -> None:
    """Run the whole loop: servers, history, a first champion, and night after night by the scheduler."""
    from nightshift.replay.run import Plan, replay

    plan = Plan(model, first.date(), last.date(), champion.date(), not stop, airflow_port, mlflow_port)
    if not replay(plan, get_settings(), console):
        raise typer.Exit(1)


@app.command()
def stop() -> None:
    """Stop servers that an interrupted run left behind."""
    from nightshift.replay.servers import Servers

    Servers(get_settings()).stop_leftovers()


def main() -> None:
    """Runs the command line; a user's mistake is one clear line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except NightshiftError as error:
        problems.print(str(error), style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
