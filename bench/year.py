"""Replays a year in one process, under several policies of training: python -m bench.year --var var/year.

Nightshift's own policy goes through the real loop: the registry, the gate, drift, estimates, outcomes, value and
decisions, night by night, with scores computed here instead of on Spark. It can be interrupted and goes on where it
was. The others only train and score: never again, on the first of every month, every Monday, every night; their models
replace each other without a gate. All of them learn from the same history, built once by `nightshift build`, and none
sees a label before it was final. Audits are not run, so that nothing is held back for bad data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from bench.scored import score_rows
from nightshift.definition.calendar import date_range
from nightshift.lake.labels import join_labels, read_row_labels
from nightshift.lake.publish import publish
from nightshift.lake.read import published_dates, read_dates, snapshot_of
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table, scores_table
from nightshift.monitoring.evidence import is_decision
from nightshift.monitoring.value import CHAMPION, NAIVE, sum_values, value_columns
from nightshift.project import Project
from nightshift.registry.package import ModelPackage
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.decide import decide, replay_policy
from nightshift.stages.drift import measure_drift
from nightshift.stages.estimate import estimate_performance
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.register import promote
from nightshift.stages.train import train
from nightshift.training.bootstrap import metrics
from nightshift.training.dataset import pin_snapshots, read_labelled, split_dates
from nightshift.training.fit import fit

DATE = ["%Y-%m-%d"]
OURS = "nightshift"
POLICIES: Mapping[str, Callable[[date], bool]] = {
    "never": lambda night: False,
    "monthly": lambda night: night.day == 1,
    "weekly": lambda night: night.weekday() == 0,
    "daily": lambda night: True,
}
console = Console(highlight=False)


@dataclass(frozen=True)
class Month:
    """A month under one policy.

    Attributes:
        policy: Its name.
        month: The month.
        rows: Scored rows with a label.
        auc: The ROC AUC of all of them.
        nightly: The mean of the nights' own.
        value: What the decisions were worth.
        naive: What the naive policy would have been worth.
        trainings: How many there were.
        promoted: How many of them made the next champion.
    """

    policy: str
    month: str
    rows: int
    auc: float
    nightly: float
    value: float | None
    naive: float | None
    trainings: int
    promoted: int


@dataclass
class StoredModel:
    """Which nights trained a model, and which of those models became the champion."""

    asked: list[date]
    promoted: list[date]


def main(
    var: Annotated[Path, typer.Option(help="The state of this replay; kept, so that it goes on where it was.")],
    model: Annotated[str, typer.Option(help="The model.")] = "flight_delay",
    models: Annotated[Path | None, typer.Option(help="The folder of definitions.")] = None,
    start: Annotated[datetime, typer.Option(formats=DATE, help="Nothing before is learned from.")] = datetime(
        2013, 2, 1
    ),
    first: Annotated[datetime, typer.Option(formats=DATE, help="First night; trained as of it.")] = datetime(
        2013, 5, 1
    ),
    last: Annotated[datetime, typer.Option(formats=DATE, help="Last night.")] = datetime(2013, 12, 28),
    policies: Annotated[
        str, typer.Option(help="Of never, monthly, weekly, daily, nightshift.")
    ] = "never,monthly,nightshift",
) -> None:
    """Replay a year and write what every policy came to, by month, as a table and as JSON."""
    project = Project(model, Settings(home=PROJECT, var=var.resolve(), models_folder=models and models.resolve()))
    year = Year(project, start.date(), first.date(), last.date())
    year.build()
    found = []
    for policy in policies.split(","):
        begun = perf_counter()
        months = list(year.months(policy))
        found += months
        console.print(f"{policy}: {sum(one.trainings for one in months)} trainings, {perf_counter() - begun:.0f} s")
    _show(found)
    decisions = [asdict(one) for one in replay_policy(project, first.date(), last.date())] if OURS in policies else []
    told = {"months": [asdict(one) for one in found], "decisions": decisions}
    (var / "year.json").write_text(json.dumps(told, default=str, indent=1))


class Year:
    """A built history, and what policies make of its nights.

    Args:
        loop: The model's loop in an installation of its own.
        start: Nothing before is learned from.
        first: The first night.
        last: The last night.
    """

    def __init__(self, project: Project, start: date, first: date, last: date) -> None:
        self.project, self.start, self.first, self.last = project, start, first, last
        self.definition, self.lake = project.definition, project.lake
        self.packages: dict[int, ModelPackage] = {}

    def build(self) -> None:
        """Lands the example's data and builds its features, once."""
        begin = self.definition.schedule.start
        if self.last not in published_dates(self.lake, features_table(self.definition), (self.last, self.last)):
            land(self.project, self.last + timedelta(days=3))
            build_history(self.project, begin, self.last, self._say)

    def months(self, policy: str) -> Iterator[Month]:
        """What a policy comes to, month by month."""
        trained = StoredModel([], [])
        scored = self._ours(trained) if policy == OURS else self._by_calendar(POLICIES[policy], trained)
        by_month: dict[str, list[tuple[date, pa.Table]]] = {}
        for night, rows in scored:
            by_month.setdefault(f"{night:%Y-%m}", []).append((night, rows))
        for month, of in by_month.items():
            yield self._month(policy, month, of, trained)

    def _by_calendar(self, due: Callable[[date], bool], trained: StoredModel) -> Iterator[tuple[date, pa.Table]]:
        """Every night's scores by the newest model, trained when the calendar says so."""
        snapshots = pin_snapshots(self.lake, self.definition)
        package: ModelPackage | None = None
        for night in date_range(self.first, self.last):
            if package is None or due(night):
                with_start = self._learning_from_start(night)
                dates = split_dates(with_start, night)
                last = dates.holdout - timedelta(days=1)
                # Nothing monitors these models, so they need no reference.
                package = fit(with_start, read_labelled(self.lake, with_start, dates.first, last, snapshots))
                trained.asked.append(night)
                trained.promoted.append(night)
            rows = read_dates(self.lake, features_table(self.definition), night, night)
            yield night, score_rows(self.project, night, rows, package, len(trained.asked), 0)

    def _ours(self, trained: StoredModel) -> Iterator[tuple[date, pa.Table]]:
        """Every night's scores through the real loop: what the night before asked for is trained first."""
        if self.project.registry.champion() is None:
            self._train(self.first, "first")
        for night in date_range(self.first, self.last):
            if not self._is_done(night):
                self._monitor(night)
            yield night, read_dates(self.lake, scores_table(self.definition), night, night)
        events = self.project.champions.events()
        trained.asked += [one.effective for one in events if one.event in {"registered", "refused"}]
        trained.promoted += [one.effective for one in events if one.event == "promoted"]

    def _is_done(self, night: date) -> bool:
        """Whether a night was decided about before this replay was interrupted, and what it asked for was judged."""
        decided = {row["verdict"] for row in self.project.monitored(night, night, "decision") if is_decision(row)}
        judged = [one for one in self.project.champions.events() if one.actor == f"retrain__{night}"]
        return bool(decided) and ("request" not in decided or bool(judged))

    def _monitor(self, night: date) -> None:
        """Scores a night, measures it, decides, and trains if that is what was decided."""
        spec, run_id = scores_table(self.definition), f"year__{night}"
        champion = self.project.champions.require_champion()
        if champion.number not in self.packages:
            self.packages[champion.number] = self.project.registry.package(champion.run_id, champion.digest)
        snapshot = snapshot_of(self.lake, features_table(self.definition).name)
        rows = read_dates(self.lake, features_table(self.definition), night, night, snapshot=snapshot)
        scores = score_rows(self.project, night, rows, self.packages[champion.number], champion.number, snapshot)
        publish(self.lake, spec, stage_arrow(self.lake, spec, scores, night, night, {}))
        measure_drift(self.project, night, run_id)
        estimate_performance(self.project, night, run_id)
        measure_outcomes(self.project, night, run_id)
        decision = decide(self.project, night, run_id)
        self._say(f"{night}: {decision.action}, {decision.reason}")
        if decision.action == "request":
            self._train(night, decision.reason)

    def _train(self, as_of: date, reason: str) -> None:
        declared = self.project.definition
        self.project.definition = self._learning_from_start(as_of)
        try:
            made = train(self.project, as_of, reason, self._say)
            report = gate(self.project, made, as_of, f"retrain__{as_of}").report
            self._say(f"gate: {report.summary()}")
            if report.passed:
                promote(self.project, made, report.summary(), f"retrain__{as_of}")
        finally:
            self.project.definition = declared

    def _learning_from_start(self, as_of: date) -> Any:
        """The definition with a training period that reaches back to the start at most."""
        declared = self.definition.training
        most = split_dates(self.definition, as_of).holdout - self.start
        training = declared.model_copy(update={"period": min(declared.period, most)})
        return self.definition.model_copy(update={"training": training})

    def _month(self, policy: str, month: str, of: list[tuple[date, pa.Table]], trained: StoredModel) -> Month:
        key, first, last = self.definition.observations.key, of[0][0], of[-1][0]
        labels = read_row_labels(self.lake, self.definition, first, last, extra_columns=value_columns(self.definition))
        rows = pa.concat_tables([rows for _, rows in of])
        told = labels.select(["score_date", *key, "label"])
        known = [join_labels(night, told, key) for _, night in of]
        nightly = [_auc(one) for one in known if one.num_rows]
        value = naive = None
        if self.definition.monitoring.value is not None:
            spec = raw_table(self.definition, self.definition.observations.source)
            observed = read_dates(self.lake, spec, first, last)
            totals = sum_values(self.definition, {CHAMPION: rows}, labels, observed)
            value, naive = totals[CHAMPION].value, totals[NAIVE].value
        within = [f"{day:%Y-%m}" == month for day in trained.asked].count(True)
        promoted = [f"{day:%Y-%m}" == month for day in trained.promoted].count(True)
        joined = pa.concat_tables(known)
        mean = float(np.nanmean(nightly)) if nightly else float("nan")
        return Month(policy, month, joined.num_rows, _auc(joined), mean, value, naive, within, promoted)

    def _say(self, text: str) -> None:
        console.print(f"  [dim]{text}[/dim]", markup=True, soft_wrap=True)


def _auc(rows: pa.Table) -> float:
    return metrics(rows["label"].to_numpy(), rows["score"].to_numpy())["roc_auc"] if rows.num_rows else float("nan")


def _show(found: list[Month]) -> None:
    names = ["policy", "month", "rows", "AUC", "AUC by night", "value", "naive", "trainings", "promoted"]
    table = Table(*names, header_style="bold")
    for one in found:
        worth = ["–" if value is None else f"{value:,.0f}" for value in (one.value, one.naive)]
        auc = [f"{one.auc:.4f}", f"{one.nightly:.4f}"]
        table.add_row(one.policy, one.month, f"{one.rows:,}", *auc, *worth, f"{one.trainings}", f"{one.promoted}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
