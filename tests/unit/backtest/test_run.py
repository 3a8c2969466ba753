"""Backtests of machines whose failures turn round in the middle of two months: real features, fits and processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from prepared import PreparedInstallation
from sklearn.metrics import roc_auc_score

from nightshift.backtest.nights import Nights
from nightshift.backtest.policies import read_policies
from nightshift.backtest.results import ResultFolder
from nightshift.backtest.run import BacktestReport, run_backtest
from nightshift.definition.calendar import cutoff
from nightshift.errors import TerminalError
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates, snapshot_of
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, scores_table
from nightshift.monitoring.decide import Decision
from nightshift.project import Project
from nightshift.stages.decide import decide
from nightshift.stages.drift import measure_drift
from nightshift.stages.estimate import estimate_performance
from nightshift.stages.gate import gate
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.refit import refit
from nightshift.stages.register import promote
from nightshift.stages.train import train
from nightshift.training.dataset import pin_snapshots
from unit.cli.commands import commands_in_this_process
from unit.stages.machines import FIRST, LAST, machines_that_turn


@pytest.fixture
def project(models: Path, prepared_installation: PreparedInstallation) -> Project:
    return machines_that_turn(models, prepared_installation)


def backtest(project: Project, policies: str, first: date = FIRST, last: date = LAST) -> BacktestReport:
    chosen = read_policies(policies, project.definition)
    return run_backtest(project, chosen, first, last, workers=1, progress=lambda line: None)


def run_loop(project: Project) -> Iterator[tuple[Decision, int]]:
    """The loop's own stages, night by night, with scores computed here; each night's decision and champion."""

    def train_version(as_of: date) -> None:
        stored = train(project, as_of, "test", lambda line: None)
        report = gate(project, stored, as_of, f"retrain__{as_of}").report
        if report.passed:
            if project.definition.training.refit:
                stored = refit(project, stored, as_of, f"retrain__{as_of}", lambda line: None)
            promote(project, stored, report.summary(), f"retrain__{as_of}")

    train_version(FIRST)
    night = FIRST
    while night <= LAST:
        champion = project.champions.require_champion()
        package = project.registry.package(champion.run_id, champion.digest)
        spec, features = scores_table(project.definition), features_table(project.definition)
        rows = read_dates(project.lake, features, night, night)
        columns = {
            "score": pa.array(package.score(rows)),
            "model_version": champion.number,
            "features_snapshot": snapshot_of(project.lake, features.name),
            "scored_at": cutoff(project.definition.schedule, night).astimezone(UTC),
        }
        scored = rows.select(["score_date", "machine"])
        for name, value in columns.items():
            column = value if isinstance(value, pa.Array) else pa.repeat(pa.scalar(value), rows.num_rows)
            scored = scored.append_column(name, column)
        publish(project.lake, spec, stage_arrow(project.lake, spec, scored.cast(spec.schema), night, night, {}))
        measure_drift(project, night, "test")
        estimate_performance(project, night, "test")
        measure_outcomes(project, night, "test")
        decision = decide(project, night, "test")
        yield decision, champion.number
        if decision.action == "request":
            train_version(night)
        night += timedelta(days=1)


@pytest.mark.usefixtures("smoke_in_this_process")
@pytest.mark.parametrize("declared", [(), (("  holdout: 5d\n", "  refit: true\n  holdout: 5d\n"),)])
def test_the_declared_policy_decides_and_promotes_as_the_loop_did(
    models: Path, prepared_installation: PreparedInstallation, declared: tuple[tuple[str, str], ...]
) -> None:
    project = machines_that_turn(models, prepared_installation, *declared)
    report = backtest(project, "declared")
    [run] = report.runs
    loop = list(run_loop(project))
    actions = [decision.action for decision, _ in loop]
    assert [walked.action for walked in run.walk.nights] == actions
    assert {"nothing", "request", "suppressed_by_cooldown"} <= set(actions)
    models = sorted({walked.champion for walked in run.walk.nights if walked.champion})
    versions = [models.index(walked.champion) + 1 for walked in run.walk.nights if walked.champion]
    assert versions == [number for _, number in loop] and len(models) > 1
    values = [row for row in project.monitored(FIRST, LAST, "value") if row["statistic"] == "value"]
    recorded = {(row["score_date"], row["subject"]): row["value"] for row in values}
    nights = {row["score_date"] for row in values}
    expected = {(night, "champion"): run.results[night].value for night in nights}
    expected |= {(night, "naive"): run.results[night].naive for night in nights}
    assert recorded == expected and len(nights) > 10
    refused = [event for event in project.champions.events() if event.event == "refused"]
    assert len(refused) == sum(record.outcome == "refused" for record in run.walk.trainings)


def test_policies_are_compared_on_the_same_nights_and_the_page_shows_them(project: Project) -> None:
    report = backtest(project, "never,nightly")
    never, nightly = report.summaries
    assert (never.trainings, never.promotions, nightly.trainings) == (1, 0, 18)
    definition = report.runs[0].policy.definition
    nights = Nights(project, pin_snapshots(project.lake, definition), ResultFolder(report.folder))
    january = [day for day in report.runs[0].results if day.month == 1]
    scored = pa.concat_tables(nights.scores(definition, FIRST, day) for day in january)
    assert never.months[0].metric is not None and never.metric is not None and nightly.metric is not None
    assert never.months[0].metric.value == pytest.approx(roc_auc_score(scored["label"], scored["score"]))
    assert never.metric.value == pytest.approx(
        np.mean([month.metric.value for month in never.months if month.metric is not None])
    )
    assert nightly.metric.value > never.metric.value  # only who trains again follows the turn
    assert nightly.against_first is not None and nightly.against_first.low is not None
    assert nightly.value is not None and never.value is not None
    assert nightly.against_first.value == pytest.approx(nightly.value.value - never.value.value)
    assert nightly.against_first.low > 0


def test_what_was_computed_is_read_again_and_other_data_are_computed_anew(project: Project) -> None:
    last = FIRST + timedelta(days=2)
    report = backtest(project, "never", last=last)
    model = next(report.folder.glob("models/*/model.json"))
    facts = json.loads(model.read_bytes())
    model.write_text(json.dumps(facts | {"seconds": 1234.5}))
    assert backtest(project, "never", last=last).summaries[0].seconds == 1234.5
    chosen = read_policies("never", project.definition)
    again = run_backtest(project, chosen, FIRST, last, workers=1, again=True, progress=lambda line: None)
    assert again.summaries[0].seconds < 1234.5
    assert replace(again.summaries[0], seconds=0.0) == replace(report.summaries[0], seconds=0.0)


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (date(2024, 2, 14), date(2024, 2, 19), "3 of 6 nights have no features"),
        (date(2024, 2, 2), date(2024, 2, 1), "no night"),
        (date(2024, 1, 17), date(2024, 1, 18), "no model can be trained as of 2024-01-17"),
    ],
)
def test_a_mistake_is_one_line(project: Project, first: date, last: date, says: str) -> None:
    with pytest.raises(TerminalError, match=says) as refused:
        backtest(project, "never,declared", first, last)
    assert "fix: " in str(refused.value)
    assert not any((project.settings.var_path / "backtests").rglob("nights"))


def test_the_command_prints_a_row_a_policy_and_writes_a_page(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = FIRST + timedelta(days=2)
    command = ("backtest", "tiny", "--from", str(FIRST), "--to", str(last), "--policies", "never,declared")
    with commands_in_this_process(project.settings.as_environment(), monkeypatch, capsys) as nightshift:
        printed, rows = nightshift(*command, "--workers", "1"), nightshift(*command, "--format", "json")
    assert printed.code == 0 and "wrong in hindsight" in printed.out
    page = Path(printed.out.split("page: ")[1].strip()).read_text()
    assert f"tiny: {FIRST} to {last}" in page and "roc_auc by month" in page and "the first model" in page
    assert [(row["policy"], row["trainings"]) for row in json.loads(rows.out)] == [("never", 1), ("declared", 1)]
