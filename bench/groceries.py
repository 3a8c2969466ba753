"""The grocer's models month by month, out of time: python -m bench.groceries --var var/groceries.

As of the first of each month a model learns from all that was final then, keeping no days for a gate, and is judged on
all observations of that month that have an outcome, beside rules that need no model. The first run builds the year's
features, which takes minutes.
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
from nightshift.registry.calibration import divided_by_sum
from nightshift.registry.classes import label_values, settle_classes
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.history import build_history
from nightshift.training.bootstrap import Vector, metrics
from nightshift.training.classes import learn_classes
from nightshift.training.dataset import pin_snapshots, read_labelled, split_dates
from nightshift.training.fit import fit

YEAR, MONTHS, ROWS = 2017, range(7, 12), 60_000  # windows of December end in the next year
console = Console(highlight=False)

DEPARTMENTS = {
    "GROCERY": "grocery",
    "DRUG GM": "household_goods",
    "FUEL": "fuel",
    "PRODUCE": "produce",
    "MEAT": "meat",
    "MEAT-PCKGD": "packed_meat",
    "DELI": "deli",
    "MISCELLANEOUS": "miscellaneous",
    "PASTRY": "pastry",
    "NUTRITION": "nutrition",
}  # the classes of next_department, and how the names of their features begin


@dataclass(frozen=True)
class Judgement:
    """What judges the scores of a month.

    Attributes:
        rows: The observations of the month that have an outcome.
        labels: The outcomes, of a class its position, shape (rows,).
        class_shares: The share of each class among the rows to learn from; empty of another kind of label.
        classes: The classes; empty of another kind of label.
    """

    rows: pa.Table
    labels: Vector
    class_shares: Vector
    classes: tuple[str, ...]


Rule = Callable[[Judgement], Vector]


@dataclass(frozen=True)
class Comparison:
    """Metrics of a model, and rules that need no model.

    Attributes:
        metrics: The metrics; a table each.
        rules: The scores that each rule gives.
    """

    metrics: tuple[Metric, ...]
    rules: Mapping[str, Rule]


def column(name: str) -> Rule:
    """The rule that a feature is the score."""
    return lambda month: month.rows[name].to_numpy()


def fewest(name: str) -> Rule:
    """The rule that the smallest value of a feature has the largest score."""
    return lambda month: _unit(-month.rows[name].to_numpy())


def spend_shares(days: int) -> Rule:
    """The rule that a household spends most where it spent most: its shares of spend by department."""

    def shares(month: Judgement) -> Vector:
        spend = np.column_stack([month.rows[f"{DEPARTMENTS[name]}_spend_{days}d"] for name in month.classes])
        return divided_by_sum(spend, month.class_shares)  # who spent nothing in them is predicted like everybody

    return shares


def class_shares(month: Judgement) -> Vector:
    """The rule that every household is like all of the rows to learn from."""
    return np.tile(month.class_shares, (month.rows.num_rows, 1))


def smoothed_shares(days: int) -> Rule:
    """Half the shares of `spend_shares`, half those of the classes: a share of 0 is no probability of 0."""
    return lambda month: (spend_shares(days)(month) + class_shares(month)) / 2


COMPARISONS: Mapping[str, tuple[Comparison, ...]] = {
    "household_lapse": (
        Comparison(
            ("roc_auc",),
            {
                "fewest baskets in 28 days": fewest("baskets_28d"),
                "fewest baskets in 84 days": fewest("baskets_84d"),
            },
        ),
    ),
    "household_spend": (
        Comparison(
            ("mae",),
            {
                "as in the last 28 days": column("spend_28d"),
                "a third of the last 84 days": lambda month: month.rows["spend_84d"].to_numpy() / 3,
            },
        ),
    ),
    "next_department": (
        Comparison(
            ("accuracy", "macro_f1", "macro_roc_auc"),
            {
                "most spend in 28 days": spend_shares(28),
                "most spend in 84 days": spend_shares(84),
                "most frequent class": class_shares,
            },
        ),
        Comparison(
            ("log_loss",),
            {"smoothed shares of 84 days": smoothed_shares(84), "shares of the classes": class_shares},
        ),
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
        for table in _tables(project, COMPARISONS[name]):
            console.print(table)


def _build(project: Project) -> None:
    """Lands the year and builds its features, unless that was done before."""
    first, last = date(YEAR, 1, 1), date(YEAR, 12, 31)
    if last in published_dates(project.lake, features_table(project.definition), (last, last)):
        return
    land(project, last)
    build_history(project, first, last, console.print)


def _tables(project: Project, comparisons: tuple[Comparison, ...]) -> list[Table]:
    """A table of each metric, with a row a month."""
    name, tables = project.definition.name, {}
    for comparison in comparisons:
        for metric in comparison.metrics:
            titles = ("month", "learned from", "observations", "label", name, *comparison.rules)
            tables[metric] = Table(*titles, title=f"{name}: {metric}")
    for month in MONTHS:
        learned, scores, judgement = _month(project, month)
        counts = f"{learned:,}", f"{len(judgement.labels):,}", _mean_label(judgement)
        for comparison in comparisons:
            values = [
                metrics(judgement.labels, each, comparison.metrics)
                for each in (scores, *(rule(judgement) for rule in comparison.rules.values()))
            ]
            for metric in comparison.metrics:
                cells = (f"{value[metric]:.4g}" for value in values)
                tables[metric].add_row(f"{date(YEAR, month, 1):%B}", *counts, *cells)
    return list(tables.values())


def _month(project: Project, month: int) -> tuple[int, Vector, Judgement]:
    """How many rows a model learned from as of the first of a month, its scores of the month, and what judges them."""
    definition, first = project.definition, date(YEAR, month, 1)
    learned = _learned(project, first)
    judged = _labelled(project, first, date(YEAR, month, monthrange(YEAR, month)[1]))
    classes = learn_classes(definition, learned["label"])
    learned, judged = settle_classes(learned, classes), settle_classes(judged, classes)
    package = fit(definition, learned)
    shares = np.empty(0)
    if classes is not None:
        shares = np.bincount(label_values(learned, classes).astype(np.int64)) / learned.num_rows
    names = classes.names if classes is not None else ()
    judgement = Judgement(judged, label_values(judged, package.classes), shares, names)
    return learned.num_rows, package.score(judged), judgement


def _mean_label(judgement: Judgement) -> str:
    """The mean of the outcomes; of a class the share of the most frequent."""
    labels = judgement.labels
    mean = np.bincount(labels.astype(np.int64)).max() / len(labels) if judgement.classes else labels.mean()
    return f"{mean:.4g}"


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
