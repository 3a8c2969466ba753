"""A model whose outcome is one of several classes: from files to outcomes, with a challenger in shadow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nights import score_night

from nightshift.definition.calendar import date_range
from nightshift.lake.read import read_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import scores_table, shadow_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit_and_publish
from nightshift.stages.drift import measure_drift
from nightshift.stages.estimate import estimate_performance
from nightshift.stages.gate import GateResult, gate
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.register import register
from nightshift.stages.reproduce import reproduce
from nightshift.stages.shadow import judge_challenger
from nightshift.stages.train import train

pytestmark = pytest.mark.spark

MODEL = """
name: next_kind
description: What a customer buys most in the three days after it was scored.
owner: tests
schedule: {timezone: UTC, start: 2024-01-10}
wait: {timeout: 2s, poll: 1s}
sources:
  sales:
    description: What was bought on a day.
    path: sales-{date}.parquet
    available: {after: 24h}
    event_time: sold_at
    columns:
      customer: {type: integer, required: true}
      sold_at: {type: timestamp, required: true}
      kind: {type: string, required: true}
      amount: {type: number, required: true}
observations: {source: sales, key: [customer], within: 7d}
label:
  {source: sales, window: 3d, agg: most, value: kind, weight: amount, empty: null, classes: CLASSES}
features:
  aggregates:
    bread: {source: sales, by: [customer], agg: sum, value: amount, where: kind = 'bread', windows: [7d], default: 0,
            description: Spent on bread}
    fruit: {source: sales, by: [customer], agg: sum, value: amount, where: kind = 'fruit', windows: [7d], default: 0,
            description: Spent on fruit}
    wine: {source: sales, by: [customer], agg: sum, value: amount, where: kind = 'wine', windows: [7d], default: 0,
           description: Spent on wine}
training:
  estimator: {class: sklearn.ensemble.HistGradientBoostingClassifier, params: {max_iter: 20}}
  class_weight: {wine: 2}
  calibration: {method: sigmoid, period: 4d}
  period: 30d
  holdout: 5d
  cadence: "0 7 * * 1"
gate:
  minimum: {accuracy: 0.4, macro_f1: 0.3}
  against_champion: {metric: log_loss, margin: 0.3}
promotion: {shadow: {nights: 2, metric: log_loss, margin: 0.3, confidence: 0.6}}
monitoring:
  retrain: {performance: {metric: macro_f1, worse: 0.1}, age: 90d, cooldown: 7d}
  value:
    decision: case when score >= 0.4 then prediction end
    expression: case when decision is null then 0 when decision = label then 2 else -1 end
    naive: "'bread'"
    unit: points
"""
FIRST, NIGHT, SECOND, LAST = date(2024, 1, 10), date(2024, 2, 14), date(2024, 2, 15), date(2024, 2, 18)
KINDS, CUSTOMERS = ("bread", "fruit", "wine", "soap"), 60
LISTED = "[wine, bread, fruit], other: null"
FOUND = "{rows: 40}, other: rest"


def sales_of(day: date) -> list[tuple[int, datetime, str, float]]:
    """Customers mostly buy one kind, soap is rare."""
    random = np.random.default_rng(day.toordinal())
    midnight = datetime.combine(day, time(), UTC)
    sales = []
    for customer in range(CUSTOMERS):
        taste = np.full(4, 0.1)
        taste[customer % 3] = 0.78
        taste[3] = 0.02
        for kind in random.choice(KINDS, random.poisson(0.8), p=taste / taste.sum()):
            at = midnight + timedelta(seconds=float(random.uniform(0, 86_400)))
            sales.append((customer, at, str(kind), float(random.integers(1, 9))))
    return sales


def land(settings: Settings, day: date) -> None:
    columns = zip(*sales_of(day), strict=True)
    (folder := Path(settings.landing_uri.removeprefix("file://"))).mkdir(parents=True, exist_ok=True)
    rows = dict(zip(("customer", "sold_at", "kind", "amount"), map(list, columns), strict=True))
    pq.write_table(pa.table(rows), folder / f"sales-{day}.parquet")


def outcomes_of(night: date) -> dict[int, str]:
    """The kind with the largest sum in the three days from a night on, by a loop; of equal ones the first by name."""
    totals: dict[int, Counter[str]] = {}
    for day in date_range(night, night + timedelta(days=2)):
        for customer, _, kind, amount in sales_of(day):
            totals.setdefault(customer, Counter())[kind] += round(amount)
    return {customer: min(kinds, key=lambda kind: (-kinds[kind], kind)) for customer, kinds in totals.items()}


@dataclass(frozen=True)
class Story:
    project: Project
    second: GateResult
    measured: tuple[date, ...]
    conclusion: str


def declare(folder: Path, classes: str) -> None:
    (model := folder / "models" / "next_kind").mkdir(parents=True, exist_ok=True)
    (model / "model.yaml").write_text(MODEL.replace("CLASSES", classes))


def train_and_register(project: Project, role: str) -> GateResult:
    stored = train(project, NIGHT, "test", lambda line: None)
    result = gate(project, stored, NIGHT, "test", lambda line: None)
    assert result.report.passed, result.report.summary()
    assert register(project, stored, result.report.summary(), "test").role == role
    return result


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Story:
    """A champion of listed classes and a challenger that found its own score two nights; then outcomes decide."""
    folder = tmp_path_factory.mktemp("next_kind")
    declare(folder, LISTED)
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=folder / "models")
    project = Project("next_kind", settings)
    for day in date_range(FIRST, LAST):
        land(settings, day)
    build_history(project, FIRST, NIGHT - timedelta(days=1), lambda line: None)
    train_and_register(project, "champion")
    declare(folder, FOUND)
    project = Project("next_kind", settings)
    second = train_and_register(project, "challenger")
    for night in date_range(NIGHT, LAST):
        audit_and_publish(project, ingest(project, night), night, "test", lambda line: None)
        if night <= SECOND:
            score_night(project, night, "test")
    measured = measure_outcomes(project, LAST, "test")
    return Story(project, second, measured, judge_challenger(project, LAST, "test"))


def classes_of(story: Story, version: int) -> tuple[str, ...]:
    classes = story.project.registry.classes(story.project.registry.version(version))
    assert classes is not None
    return classes.names


def scored(story: Story, version: int = 1) -> pa.Table:
    table = scores_table if version == 1 else shadow_table
    spec = table(story.project.definition, classes_of(story, version))
    return read_dates(story.project.lake, spec, NIGHT, NIGHT)


def measured(rows: list[Mapping[str, object]], subject: str = "night") -> dict[object, object]:
    return {row["statistic"]: row["value"] for row in rows if row["subject"] == subject}


def test_the_prediction_is_the_likeliest_class_and_probabilities_add_up(story: Story) -> None:
    assert classes_of(story, 1) == ("wine", "bread", "fruit")
    assert classes_of(story, 2) == ("bread", "fruit", "rest", "wine")  # soap is rare
    for version in (1, 2):
        names, rows = classes_of(story, version), scored(story, version)
        matrix = np.column_stack([rows[f"probability_{name}"].to_numpy() for name in names])
        assert matrix.sum(axis=1) == pytest.approx(np.ones(len(matrix)))
        assert rows["prediction"].to_pylist() == [names[place] for place in matrix.argmax(axis=1)]
        assert rows["score"].to_numpy() == pytest.approx(matrix.max(axis=1))
        assert len(set(rows["prediction"].to_pylist())) == 3


def test_analysts_see_a_column_for_every_class_of_the_champion(story: Story) -> None:
    names, _ = run_sql(story.project.lake, "select * from scores.next_kind limit 1")
    assert [name for name in names if name.startswith("probability_")] == [
        f"probability_{name}" for name in classes_of(story, 1)
    ]


def test_versions_of_different_classes_are_compared(story: Story) -> None:
    [compared] = [r for r in story.second.report.results if r.rule == "against_champion.log_loss"]
    assert abs(compared.value or 1) < 0.3  # nothing is lost or gained by the further class alone
    assert compared.rows < story.second.report.rows
    assert story.second.report.metrics["macro_f1"] > 0.3


def test_a_nights_outcomes_are_those_of_a_loop_over_the_sales(story: Story) -> None:
    assert story.measured == (NIGHT, SECOND)
    rows, truth = scored(story), outcomes_of(NIGHT)
    pairs = [
        (predicted, truth[c])
        for c, predicted in zip(rows["customer"].to_pylist(), rows["prediction"].to_pylist(), strict=True)
        if c in truth
    ]
    settled = [(predicted, kind) for predicted, kind in pairs if kind != "soap"]
    values = measured(story.project.monitored(NIGHT, NIGHT, "outcome"))
    assert values["accuracy"] == pytest.approx(np.mean([predicted == kind for predicted, kind in settled]))
    assert values["label_coverage"] == pytest.approx(len(settled) / rows.num_rows)
    assert set(values) >= {"macro_f1", "macro_roc_auc", "log_loss", "calibration_error", "mean_score"}


def test_the_value_of_decisions_knows_the_prediction(story: Story) -> None:
    rows, truth = scored(story), outcomes_of(NIGHT)
    settled = {customer: kind for customer, kind in truth.items() if kind != "soap"}
    worth, naive = 0, 0
    for row in rows.to_pylist():
        if (kind := settled.get(row["customer"])) is not None:
            worth += 0 if row["score"] < 0.4 else 2 if row["prediction"] == kind else -1
            naive += 2 if kind == "bread" else -1
    recorded = story.project.monitored(NIGHT, NIGHT, "value")
    assert (measured(recorded, "champion")["value"], measured(recorded, "naive")["value"]) == (worth, naive)


def test_performance_is_estimated_without_labels(story: Story) -> None:
    estimates = {
        m.statistic: m.value for m in estimate_performance(story.project, NIGHT, "test") if m.subject == "night"
    }
    assert set(estimates) == {"accuracy", "log_loss"}
    assert estimates["accuracy"] == pytest.approx(np.mean(scored(story)["score"].to_numpy()), abs=0.25)


def test_drift_of_the_predicted_mix_is_measured(story: Story) -> None:
    measure_drift(story.project, NIGHT, "test")
    drift = story.project.monitored(NIGHT, NIGHT, "drift")
    assert {row["subject"] for row in drift} >= {"scores", "predictions"}


def test_a_version_of_classes_is_reproduced_bit_by_bit(story: Story) -> None:
    for number in (1, 2):
        assert reproduce(story.project, number, lambda line: None).identical


def test_a_challenger_of_other_classes_is_judged_by_its_nights(story: Story) -> None:
    assert story.conclusion.startswith("challenger 2: promoted, 2 nights against version 1"), story.conclusion
    assert story.project.champions.require_champion().number == 2
    rows = story.project.monitored(LAST, LAST, "shadow")
    assert measured(rows, "challenger 2")["nights"] == 2
