"""The commands about features: what they mean, and that no published value or label depends on what it must not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.output import DATE, Format, Model, OutputFormat, progress, write_line, write_rows
from nightshift.definition.load import find_definition
from nightshift.settings import get_settings

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
        list[date] | None, typer.Option(**DATE, help="A published night; may be given more than once.")
    ] = None,
    nights: Annotated[int, typer.Option(min=1, help="Number of published nights to draw if no date is given.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
) -> None:
    """Compute published nights again without the data after their cutoff, and their labels without other data."""
    from nightshift.features.sandbox import sample_nights
    from nightshift.project import Project
    from nightshift.stages.label_checks import check_label_leaks
    from nightshift.stages.leakcheck import check_leaks

    project = Project(model)
    days = dates or sample_nights(project.lake, project.definition, nights, seed)
    with progress() as show:
        comparison = check_leaks(project, days, show)
        labels = check_label_leaks(project, days)
    spans = _nights(len(days))
    faults = _report(f"features.{model}, {spans}", comparison, "without the data that arrived after their cutoff")
    faults |= _redefined(model, comparison)
    if waiting := len(days) - len(labels.nights):
        write_line(f"label of {model}: {waiting} of {spans} have no final label yet: not checked")
    if labels.nights:
        checked = f"label of {model}, {_nights(len(labels.nights))}"
        outside = "events outside of their windows" if labels.without_events else "rows of other dates"
        faults |= _report(checked, labels.without_later, f"without {outside} and without files that were not final")
    if labels.nights and labels.without_events and labels.without_events.cells:
        removed = "without the events of their windows, from the outcome of no event"
        faults |= _report(checked, labels.without_events, removed)
    if faults:
        raise typer.Exit(1)


def skew(model: Model, night: Annotated[date, typer.Option(**DATE, help="A published night.")]) -> None:
    """Compute a published night and its labels again by brute force from raw rows, and compare every cell."""
    from nightshift.project import Project
    from nightshift.stages.label_checks import check_label_skew
    from nightshift.stages.skew import check_skew

    project = Project(model)
    with progress() as show:
        comparison = check_skew(project, night, show)
        labels = check_label_skew(project, night)
    method = "by brute force from raw rows"
    faults = _report(f"features.{model}, {night}", comparison, method) | _redefined(model, comparison)
    if labels is not None:
        faults |= _report(f"label of {model}, {night}", labels, method)
    elif project.definition.label.window is not None:
        write_line(f"label of {model}, {night}: not final yet: not checked")
    if faults:
        raise typer.Exit(1)


def _nights(count: int) -> str:
    return f"{count} night" if count == 1 else f"{count} nights"


def _report(subject: str, comparison: Comparison, method: str) -> bool:
    """Shows which cells differ; whether any does."""
    differences = comparison.differences
    if differences:
        rows = [
            (", ".join(map(str, cell.key)), cell.feature, str(cell.published), str(cell.recomputed))
            for cell in differences[:LISTED_CELLS]
        ]
        write_rows(["key", "feature", "published", "computed again"], rows)
        counts = Counter(cell.feature for cell in differences)
        write_line("; ".join(f"{name}: {count}" for name, count in counts.most_common()))
    total = f"{len(differences):,} of {comparison.cells:,} cells differ"
    write_line(f"{subject}: {total} when computed again {method}")
    return bool(differences)


def _redefined(model: str, comparison: Comparison) -> bool:
    """Names the features that were not compared; whether there are any."""
    if comparison.redefined:
        names = ", ".join(comparison.redefined)
        write_line(f"the definition of {names} has changed since: not compared; fix: nightshift build {model}")
    return bool(comparison.redefined)
