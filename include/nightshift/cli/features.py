"""The commands about features: what they mean, and that no published value depends on later data."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nightshift.cli.output import DATE, Format, Model, OutputFormat, console, progress, write_rows
from nightshift.definition.load import find_definition
from nightshift.settings import get_settings
from nightshift.terminal import print_table

if TYPE_CHECKING:
    from nightshift.features.compare import Comparison

LISTED_CELLS = 50  # differing cells that are listed; all of them are counted


def features(model: Model, format: OutputFormat = Format.table) -> None:
    """Print the data dictionary: every feature, what it means and where it comes from."""
    from nightshift.features.dictionary import FeatureEntry, data_dictionary

    settings = get_settings()
    definition = find_definition(settings.models_path, model, settings.sources_path)
    entries = list(data_dictionary(definition))
    if format is Format.table:
        rows = [(entry.feature, entry.type, entry.sources, entry.sentence, entry.description) for entry in entries]
        write_rows(["feature", "type", "sources", "computation", "meaning"], rows, format)
    else:
        names = [field.name for field in dataclasses.fields(FeatureEntry)]
        write_rows(names, [(*vars(entry).values(),) for entry in entries], format)


def leakcheck(
    model: Model,
    dates: Annotated[
        list[datetime] | None, typer.Option(formats=DATE, help="A published night; may be given more than once.")
    ] = None,
    nights: Annotated[int, typer.Option(min=1, help="Number of published nights to draw if no date is given.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
) -> None:
    """Compute published nights again without the data that arrived after their cutoff, and compare every cell."""
    from nightshift.features.sandbox import sample_nights
    from nightshift.project import Project
    from nightshift.stages.leakcheck import check_leaks

    project = Project(model)
    days = [day.date() for day in dates] if dates else sample_nights(project.lake, project.definition, nights, seed)
    with progress() as show:
        comparison = check_leaks(project, days, show)
    _report(model, f"{len(days)} nights", comparison, "without the data that arrived after their cutoff")


def skew(model: Model, night: Annotated[datetime, typer.Option(formats=DATE, help="A published night.")]) -> None:
    """Compute a published night again by brute force from raw rows, and compare every cell."""
    from nightshift.project import Project
    from nightshift.stages.skew import check_skew

    with progress() as show:
        comparison = check_skew(Project(model), night.date(), show)
    _report(model, str(night.date()), comparison, "by brute force from raw rows")


def _report(model: str, nights: str, comparison: Comparison, method: str) -> None:
    """Shows which cells of published features differ; exit code 1 if any does, or was redefined."""
    differences = comparison.differences
    if differences:
        table = Table("key", "feature", "published", "computed again", header_style="bold")
        for cell in differences[:LISTED_CELLS]:
            table.add_row(", ".join(map(str, cell.key)), cell.feature, str(cell.published), str(cell.recomputed))
        print_table(console, table)
        counts = Counter(cell.feature for cell in differences)
        console.print("; ".join(f"{name}: {count}" for name, count in counts.most_common()), highlight=False)
    total = f"{len(differences):,} of {comparison.cells:,} cells differ"
    console.print(f"features.{model}, {nights}: {total} when computed again {method}", highlight=False)
    if comparison.redefined:
        names = ", ".join(comparison.redefined)
        console.print(
            f"the definition of {names} has changed since: not compared; fix: nightshift build {model}",
            highlight=False,
            soft_wrap=True,
        )
    if differences or comparison.redefined:
        raise typer.Exit(1)
