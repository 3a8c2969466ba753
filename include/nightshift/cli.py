"""The command line: `nightshift --help`."""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nightshift.cli_monitoring import monitoring
from nightshift.cli_output import DATE, Format, Model, console, problems, progress, write_rows
from nightshift.cli_quality import profile_source, quarantine
from nightshift.cli_registry import registry
from nightshift.definition.load import check_shared_sources, definition_folders, find_definition
from nightshift.errors import DefinitionError, NightshiftError
from nightshift.settings import get_settings

if TYPE_CHECKING:
    from nightshift.features.compare import Comparison

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(quarantine, name="quarantine")
app.add_typer(registry)
app.add_typer(monitoring)
app.command("profile-source")(profile_source)

SHOWN = 50  # differing cells that are listed; all of them are counted


@app.command()
def validate(model: Annotated[str | None, typer.Argument(help="One model; all of them if left out.")] = None) -> None:
    """Check model definitions; every problem is one line with its file and line."""
    from nightshift.quality.compile import expectation_problems

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
    for definition in good:
        found += expectation_problems(definition)
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

    with progress() as show:
        Loop(model).build_history(first.date(), last.date(), show)
    console.print(f"features.{model} is built from {first.date()} to {last.date()}", highlight=False)


@app.command()
def reproduce(model: Model, version: Annotated[int, typer.Argument(help="Number of a registered version.")]) -> None:
    """Make a registered version again from what it was made from; exit code 1 if it is not the same, bit for bit."""
    from nightshift.loop import Loop

    with progress() as show:
        made = Loop(model).reproduce(version, show)
    if made.identical:
        console.print(f"{model} version {version}: identical, digest {made.digest}", highlight=False, soft_wrap=True)
        return
    what = "; ".join(made.differences) or "nothing that is recorded differs"
    said = f"{model} version {version}: another model, digest {made.digest} instead of {made.version.digest}: {what}"
    console.print(said, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


@app.command()
def features(
    model: Model, format: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.table
) -> None:
    """Print the data dictionary: every feature, what it means and where it comes from."""
    from nightshift.features.dictionary import Entry, data_dictionary

    entries = list(data_dictionary(find_definition(get_settings().models_path, model)))
    if format is Format.table:
        rows = [(one.feature, one.type, one.sources, one.sentence, one.description) for one in entries]
        write_rows(["feature", "type", "sources", "how it is made", "what it means"], rows, format)
    else:
        names = [field.name for field in dataclasses.fields(Entry)]
        write_rows(names, [(*vars(one).values(),) for one in entries], format)


@app.command()
def leakcheck(
    model: Model,
    dates: Annotated[
        list[datetime] | None, typer.Option(formats=DATE, help="A published night; may be given more than once.")
    ] = None,
    nights: Annotated[int, typer.Option(min=1, help="How many published nights are drawn if none is given.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Prove that no published feature knows the future: compute nights again without what arrived later."""
    from nightshift.features.checks import check_leaks, sample_nights
    from nightshift.loop import Loop

    loop = Loop(model)
    drawn = [day.date() for day in dates] if dates else sample_nights(loop.lake, loop.definition, nights, seed)
    with progress() as show:
        found = check_leaks(loop.lake, loop.definition, drawn, show)
    _report(model, f"{len(drawn)} nights", found, "without what arrived after their cutoff")


@app.command()
def skew(model: Model, night: Annotated[datetime, typer.Option(formats=DATE, help="A published night.")]) -> None:
    """Compute a published night again by brute force from raw rows, and compare every cell."""
    from nightshift.features.checks import check_skew
    from nightshift.loop import Loop

    loop = Loop(model)
    with progress() as show:
        found = check_skew(loop.lake, loop.definition, night.date(), show)
    _report(model, str(night.date()), found, "by brute force from raw rows")


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

    write_rows(*run_sql(Lake(get_settings()), query), format)


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


def _report(model: str, what: str, found: Comparison, how: str) -> None:
    """Shows which cells of published features differ; exit code 1 if any does."""
    if found.differences:
        table = Table("key", "feature", "published", "computed again", header_style="bold")
        for one in found.differences[:SHOWN]:
            table.add_row(", ".join(map(str, one.key)), one.feature, str(one.published), str(one.recomputed))
        console.print(table)
        counts = Counter(one.feature for one in found.differences)
        console.print("; ".join(f"{name}: {count}" for name, count in counts.most_common()), highlight=False)
    total = f"{len(found.differences):,} of {found.cells:,} cells differ"
    console.print(f"features.{model}, {what}: {total} when computed again {how}", highlight=False)
    if found.differences:
        raise typer.Exit(1)


def main() -> None:
    """Runs the command line; a user's mistake is one clear line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except NightshiftError as error:
        problems.print(str(error), style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
