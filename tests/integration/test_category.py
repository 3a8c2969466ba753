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
from nightshift.stages.register import promote
from nightshift.stages.reproduce import reproduce
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
monitoring:
  retrain: {performance: {metric: macro_f1, worse: 0.1}, age: 90d, cooldown: 7d}
  value:
    decision: case when score >= 0.4 then prediction end
    expression: case when decision is null then 0 when decision = label then 2 else -1 end
    naive: "'bread'"
    unit: points
"""
FIRST, NIGHT, LAST = date(2024, 1, 10), date(2024, 2, 14), date(2024, 2, 18)
KINDS, CUSTOMERS = ("bread", "fruit", "wine", "soap"), 60
LISTED = "[wine, bread, fruit], other: bread"
FOUND = "{most: 2, rows: 5}, other: rest"


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
    first: GateResult
    second: GateResult


def declare(folder: Path, classes: str) -> None:
    (model := folder / "models" / "next_kind").mkdir(parents=True, exist_ok=True)
    (model / "model.yaml").write_text(MODEL.replace("CLASSES", classes))


def train_and_judge(project: Project, night: date) -> GateResult:
    stored = train(project, night, "test", lambda line: None)
    result = gate(project, stored, night, "test", lambda line: None)
    assert result.report.passed, result.report.summary()
    promote(project, stored, result.report.summary())
    return result


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Story:
    """A version of listed classes scores a night; then classes are to be found, and a second one scores the next."""
    folder = tmp_path_factory.mktemp("next_kind")
    declare(folder, LISTED)
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=folder / "models")
    project = Project("next_kind", settings)
    for day in date_range(FIRST, LAST):
        land(settings, day)
    build_history(project, FIRST, NIGHT - timedelta(days=1), lambda line: None)
    first = train_and_judge(project, NIGHT)
    audit_and_publish(project, ingest(project, NIGHT), NIGHT, "test", lambda line: None)
    score_night(project, NIGHT, "test")
    declare(folder, FOUND)
    project = Project("next_kind", settings)
    second = train_and_judge(project, NIGHT)
    for night in date_range(NIGHT + timedelta(days=1), LAST):
        audit_and_publish(project, ingest(project, night), night, "test", lambda line: None)
    score_night(project, NIGHT + timedelta(days=1), "test")
    return Story(project, first, second)


def classes_of(story: Story, night: date) -> tuple[str, ...]:
    numbers = {NIGHT: 1, NIGHT + timedelta(days=1): 2}
    classes = story.project.registry.classes(story.project.registry.version(numbers[night]))
    assert classes is not None
    return classes.names


def scored(story: Story, night: date) -> pa.Table:
    spec = scores_table(story.project.definition, classes_of(story, night))
    return read_dates(story.project.lake, spec, night, night)


def measured(rows: list[Mapping[str, object]], subject: str = "night") -> dict[object, object]:
    return {row["statistic"]: row["value"] for row in rows if row["subject"] == subject}


def test_the_prediction_is_the_likeliest_class_and_probabilities_add_up(story: Story) -> None:
    assert classes_of(story, NIGHT) == ("wine", "bread", "fruit")
    found = classes_of(story, NIGHT + timedelta(days=1))
    assert len(found) == 3
    assert "rest" in found
    for night in (NIGHT, NIGHT + timedelta(days=1)):
        names = classes_of(story, night)
        rows = scored(story, night)
        matrix = np.column_stack([rows[f"probability_{name}"].to_numpy() for name in names])
        assert matrix.sum(axis=1) == pytest.approx(np.ones(len(matrix)))
        assert rows["prediction"].to_pylist() == [names[place] for place in matrix.argmax(axis=1)]
        assert rows["score"].to_numpy() == pytest.approx(matrix.max(axis=1))
        assert len(set(rows["prediction"].to_pylist())) == 3


def test_analysts_see_a_column_for_every_class_that_any_version_has(story: Story) -> None:
    names, _ = run_sql(story.project.lake, "select * from scores.next_kind limit 1")
    assert {name for name in names if name.startswith("probability_")} == {
        f"probability_{name}" for name in ("wine", "bread", "fruit", "rest")
    }


def test_versions_of_different_classes_are_compared(story: Story) -> None:
    names = {result.rule for result in story.second.report.results}
    assert "against_champion.log_loss" in names
    assert story.second.report.metrics["macro_f1"] > 0.3


def test_a_nights_outcomes_are_those_of_a_loop_over_the_sales(story: Story) -> None:
    assert measure_outcomes(story.project, LAST, "test") == (NIGHT, NIGHT + timedelta(days=1))
    rows, truth = scored(story, NIGHT), outcomes_of(NIGHT)
    pairs = [
        (predicted, truth[c])
        for c, predicted in zip(rows["customer"].to_pylist(), rows["prediction"].to_pylist(), strict=True)
        if c in truth
    ]
    settled = [(predicted, kind if kind != "soap" else "bread") for predicted, kind in pairs]
    values = measured(story.project.monitored(NIGHT, NIGHT, "outcome"))
    assert values["accuracy"] == pytest.approx(np.mean([predicted == kind for predicted, kind in settled]))
    assert values["label_coverage"] == pytest.approx(len(settled) / rows.num_rows)
    assert set(values) >= {"macro_f1", "macro_roc_auc", "log_loss", "calibration_error", "mean_score"}


def test_the_value_of_decisions_knows_the_prediction(story: Story) -> None:
    measure_outcomes(story.project, LAST, "test")
    rows, truth = scored(story, NIGHT), outcomes_of(NIGHT)
    settled = {customer: kind if kind != "soap" else "bread" for customer, kind in truth.items()}
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
    assert estimates["accuracy"] == pytest.approx(np.mean(scored(story, NIGHT)["score"].to_numpy()), abs=0.25)


def test_drift_of_the_predicted_mix_is_measured(story: Story) -> None:
    measure_drift(story.project, NIGHT, "test")
    drift = story.project.monitored(NIGHT, NIGHT, "drift")
    assert {row["subject"] for row in drift} >= {"scores", "predictions"}


def test_a_version_of_classes_is_reproduced_bit_by_bit(story: Story) -> None:
    for number in (1, 2):
        assert reproduce(story.project, number, lambda line: None).identical


def test_no_challenger_was_scored(story: Story) -> None:
    assert not story.project.lake.table_exists(shadow_table(story.project.definition).name)
