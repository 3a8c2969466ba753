"""A model whose outcome is what customers do in the days after they were scored: from files to outcomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nights import score_night
from unit.cli.commands import commands_in_this_process

from nightshift.definition.calendar import date_range
from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table, scores_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest
from nightshift.stages.label_checks import check_label_leaks, check_label_skew
from nightshift.stages.leakcheck import check_leaks
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.publish import publish
from nightshift.stages.register import promote
from nightshift.stages.reproduce import reproduce
from nightshift.stages.skew import check_skew
from nightshift.stages.train import train
from nightshift.training.lineage import Lineage

pytestmark = pytest.mark.spark

ZONE = ZoneInfo("America/New_York")
MODEL = """
name: returning
description: The probability that a customer does not come back within three days.
owner: tests
schedule: {timezone: America/New_York, at: "06:00", start: 2024-01-20}
wait: {timeout: 2s, poll: 1s}
sources:
  sales:
    description: Who bought on a day.
    path: sales-{date}.parquet
    available: {after: 30h}
    event_time: sold_at
    repeats: allow
    columns:
      customer: {type: integer, required: true}
      sold_at: {type: timestamp, required: true}
observations: {source: sales, key: [customer], within: 7d}
label: {source: sales, window: 3d, agg: none}
features:
  aggregates:
    sales:
      {source: sales, by: [customer], agg: count, windows: [3d, 7d], default: 0, description: How often it bought}
training:
  estimator: {class: sklearn.linear_model.LogisticRegression}
  period: 30d
  holdout: 5d
  cadence: "0 7 * * 1"
gate: {minimum: {roc_auc: 0.55}}
monitoring:
  retrain: {age: 90d, cooldown: 7d}
"""
# Clocks go forward on 10 March, within the windows of three nights.
FIRST, NIGHT, LAST = date(2024, 1, 24), date(2024, 3, 15), date(2024, 3, 19)
CUSTOMERS = 80


def clock(day: date, hour: int = 6) -> datetime:
    """An hour of a day by the clock of the shop."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)


def sales_of(day: date) -> list[tuple[int, datetime]]:
    """Who bought at which instant of a day by the clock, from midnight to midnight."""
    random = np.random.default_rng(day.toordinal())
    midnight, next_midnight = (clock(d, 0).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    seconds = (next_midnight - midnight).total_seconds()
    bought = np.flatnonzero(random.uniform(size=CUSTOMERS) < np.linspace(0.05, 0.6, CUSTOMERS))
    instants = np.sort(random.uniform(0, seconds, size=len(bought)))
    return [(int(c), midnight + timedelta(seconds=s)) for c, s in zip(bought, instants, strict=True)]


def land_sales(settings: Settings, day: date, sales: list[tuple[int, datetime]]) -> None:
    columns = {"customer": pa.array([c for c, _ in sales], pa.int64()), "sold_at": [at for _, at in sales]}
    (folder := Path(settings.landing_uri.removeprefix("file://"))).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"sales-{day}.parquet")


def outcomes_of(night: date, sales: dict[date, list[tuple[int, datetime]]]) -> dict[int, float]:
    """Who was seen within seven days, and whether it stayed away for three, by a loop over all sales."""
    begin, end = (
        datetime.combine(night + timedelta(days=n), datetime.min.time(), ZONE).replace(hour=6) for n in (0, 3)
    )
    seen = {
        customer
        for day in date_range(night - timedelta(days=7), night - timedelta(days=1))
        for customer, _ in sales[day]
    }
    came = {customer for day in sales.values() for customer, at in day if begin <= at.astimezone(ZONE) < end}
    return {customer: float(customer not in came) for customer in sorted(seen)}


@dataclass(frozen=True)
class Story:
    project: Project
    sales: dict[date, list[tuple[int, datetime]]]
    waiting: tuple[date, ...]
    measured: tuple[date, ...]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Story:
    folder = tmp_path_factory.mktemp("returning")
    (model := folder / "models" / "returning").mkdir(parents=True)
    (model / "model.yaml").write_text(MODEL)
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=folder / "models")
    project, sales = Project("returning", settings), {}
    for day in date_range(FIRST, LAST):
        sales[day] = sales_of(day)
        land_sales(settings, day, sales[day])
    build_history(project, FIRST, NIGHT - timedelta(days=1), lambda line: None)
    ingest_night(project, NIGHT)
    stored = train(project, NIGHT, "test", lambda line: None)
    report = gate(project, stored, NIGHT, "test", lambda line: None).report
    assert report.passed, report.summary()
    promote(project, stored, report.summary())
    score_night(project, NIGHT, "test")
    for night in date_range(NIGHT + timedelta(days=1), LAST - timedelta(days=1)):
        ingest_night(project, night)
    waiting = measure_outcomes(project, LAST - timedelta(days=1), "test")
    ingest_night(project, LAST)
    return Story(project, sales, waiting, measure_outcomes(project, LAST, "test"))


def ingest_night(project: Project, night: date) -> None:
    publish(project, audit(project, ingest(project, night), night, "test").locations)


def outcome(project: Project, night: date) -> dict[str, float]:
    return {row["statistic"]: row["value"] for row in project.monitored(night, night, "outcome")}


def test_every_customer_of_the_last_seven_days_is_scored(story: Story) -> None:
    rows = read_dates(story.project.lake, scores_table(story.project.definition), NIGHT, NIGHT)
    assert rows["customer"].to_pylist() == list(outcomes_of(NIGHT, story.sales))


def test_training_learns_from_outcomes_of_before_the_holdout(story: Story) -> None:
    [version] = story.project.registry.versions().values()
    lineage = Lineage(**story.project.registry.lineage(version.run_id)[0])
    # At 06:00 on the 15th the file of the 14th is there: the newest window is that of the 11th.
    assert (lineage.fitted, lineage.holdout, lineage.last) == ("2024-03-04", "2024-03-07", "2024-03-11")
    labels: list[float] = []
    for day in date_range(date.fromisoformat(lineage.first), date.fromisoformat(lineage.fitted)):
        rows = read_dates(story.project.lake, features_table(story.project.definition), day, day)
        by_loop = outcomes_of(day, story.sales)
        assert rows["customer"].to_pylist() == list(by_loop)
        labels += by_loop.values()
    assert (lineage.rows, lineage.positives) == (len(labels), sum(labels))


def test_a_version_is_reproduced_bit_by_bit(story: Story) -> None:
    for _ in range(2):
        again = reproduce(story.project, 1, lambda line: None)
        assert again.identical
        assert re.fullmatch(r"[\d,]+ labels from raw.sales at snapshot \d+: identical", again.labels)


def test_features_are_of_the_past_and_of_their_rows(story: Story) -> None:
    night = date(2024, 3, 11)
    assert check_leaks(story.project, [night], lambda line: None).differences == ()
    assert check_skew(story.project, night, lambda line: None).differences == ()


def test_labels_are_of_their_windows(story: Story) -> None:
    night = date(2024, 3, 8)  # a window of 71 hours
    checks = check_label_leaks(story.project, [night, NIGHT])
    assert checks.nights == (night,)  # no night is published after the last
    assert checks.without_later.differences == () and checks.without_later.cells > CUSTOMERS // 2
    assert checks.without_events is not None and checks.without_events.differences == ()
    skew = check_label_skew(story.project, night)
    assert skew is not None and skew.differences == ()


def test_skew_says_that_a_label_is_not_final(
    story: Story, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = story.project.definition.name
    with commands_in_this_process(story.project.settings.as_environment(), monkeypatch, capfd) as nightshift:
        ended = nightshift("skew", name, "--night", str(NIGHT))
    assert ended.code == 0, ended.out + ended.err
    assert f"label of {name}, {NIGHT}: not final yet: not checked" in ended.out


def test_a_nights_outcome_is_measured_when_its_window_is_over(story: Story) -> None:
    assert (story.waiting, story.measured) == ((), (NIGHT,))
    labels = list(outcomes_of(NIGHT, story.sales).values())
    measured = outcome(story.project, NIGHT)
    assert measured["label_coverage"] == 1
    assert measured["positive_share"] == pytest.approx(np.mean(labels))
    assert measured["labels_without_observation"] == 0


def test_a_file_of_the_window_that_lands_again_is_measured_again(story: Story) -> None:
    before = outcome(story.project, NIGHT)["positive_share"]
    day = NIGHT + timedelta(days=1)
    everyone = [
        (customer, datetime.combine(day, datetime.min.time(), ZONE).replace(hour=12)) for customer in range(CUSTOMERS)
    ]
    land_sales(story.project.settings, day, everyone)
    ingest_night(story.project, day + timedelta(days=1))
    assert measure_outcomes(story.project, LAST, "test") == (NIGHT,)
    assert before > outcome(story.project, NIGHT)["positive_share"] == 0
