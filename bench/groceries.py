"""The grocer's models month by month, out of time: python -m bench.groceries --var var/groceries.

As of the first of each month a model learns from all that was final then, keeping no days for a gate, and is judged on
all observations of that month, beside rules that need no model. The first run builds the year's features, which takes
minutes.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from nightshift.definition.metrics import Metric
from nightshift.definition.model import ModelDefinition
from nightshift.lake.read import published_dates
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.history import build_history
from nightshift.training.bootstrap import Vector, metrics
from nightshift.training.dataset import pin_snapshots, read_labelled, split_dates
from nightshift.training.fit import fit

YEAR, MONTHS, ROWS = 2017, range(7, 12), 60_000  # windows of December end in the next year
console = Console(highlight=False)

Rule = Callable[[pa.Table], Vector]


@dataclass(frozen=True)
class Comparison:
    """A model's metric, and rules that need no model.

    Attributes:
        metric: The metric.
        rules: The scores that each rule gives.
    """

    metric: Metric
    rules: Mapping[str, Rule]


COMPARISONS: Mapping[str, Comparison] = {
    "household_lapse": Comparison(
        "roc_auc",
        {
            "fewest baskets in 28 days": lambda rows: _unit(-rows["baskets_28d"].to_numpy()),
            "fewest baskets in 84 days": lambda rows: _unit(-rows["baskets_84d"].to_numpy()),
        },
    ),
    "household_spend": Comparison(
        "mae",
        {
            "as in the last 28 days": lambda rows: rows["spend_28d"].to_numpy(),
            "a third of the last 84 days": lambda rows: rows["spend_84d"].to_numpy() / 3,
        },
    ),
}


def main(
    var: Annotated[Path, typer.Option(help="Folder of the installation.")] = PROJECT / "var" / "groceries",
    models: Annotated[list[str] | None, typer.Option("--model", help="Models; all if left out.")] = None,
) -> None:
    """Compare the grocer's models with rules that need no model, month by month."""
    settings = Settings(home=PROJECT, var=var)
    for name in models or COMPARISONS:
        project = Project(name, settings)
        _build(project)
        console.print(_table(project, COMPARISONS[name]))


def _build(project: Project) -> None:
    """Lands the year and builds its features, unless that was done before."""
    first, last = date(YEAR, 1, 1), date(YEAR, 12, 31)
    if last in published_dates(project.lake, features_table(project.definition), (last, last)):
        return
    land(project, last)
    build_history(project, first, last, console.print)


def _table(project: Project, comparison: Comparison) -> Table:
    titles = ["month", "learned from", "observations", "label", project.definition.name, *comparison.rules]
    table = Table(*titles, title=f"{project.definition.name}: {comparison.metric}")
    for month in MONTHS:
        first = date(YEAR, month, 1)
        rows, judged = (
            _learned(project, first),
            _labelled(project, first, date(YEAR, month, monthrange(YEAR, month)[1])),
        )
        scores = {name: rule(judged) for name, rule in comparison.rules.items()}
        scores = {project.definition.name: fit(project.definition, rows).score(judged)} | scores
        labels = judged["label"].to_numpy()
        values = [metrics(labels, each, (comparison.metric,))[comparison.metric] for each in scores.values()]
        counts = f"{rows.num_rows:,}", f"{judged.num_rows:,}", f"{labels.mean():.4g}"
        table.add_row(f"{first:%B}", *counts, *(f"{value:.4g}" for value in values))
    return table


def _learned(project: Project, as_of: date) -> pa.Table:
    """What was final as of a date, with the days that a gate would judge on."""
    dates, snapshots = split_dates(project.definition, as_of), pin_snapshots(project.lake, project.definition)
    return read_labelled(project.lake, project.definition, dates.first, dates.last, snapshots, ROWS)


def _labelled(project: Project, first: date, last: date) -> pa.Table:
    definition: ModelDefinition = project.definition
    return read_labelled(project.lake, definition, first, last, pin_snapshots(project.lake, definition))


def _unit(values: Vector) -> Vector:
    """Numbers in the same order, from 0 to 1."""
    return np.asarray((values - values.min()) / max(np.ptp(values), 1e-12))


if __name__ == "__main__":
    typer.run(main)
