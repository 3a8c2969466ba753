"""A model of weekly nights over daily files: history, training, nights and their monitoring without Airflow."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest
from nights import run_night, score_night, stage

from nightshift.definition.calendar import date_range, nights
from nightshift.errors import TerminalError
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.read import published_dates, read_dates
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.by_hand import train_and_register
from nightshift.stages.history import build_history, dates_to_build, newest_night
from nightshift.stages.outcomes import INPUTS
from nightshift.stages.rebuild import outdated_nights
from nightshift.stages.skew import check_skew
from nightshift.status import night_statuses
from nightshift.training.dataset import split_dates

pytestmark = pytest.mark.spark

FIRST, BUILT = date(2024, 1, 1), date(2024, 4, 28)
NIGHTS = [date(2024, 4, 29), date(2024, 5, 6)]
WEEK = timedelta(days=7)
CHANGES = [('at: "06:00"', 'cron: "0 6 * * 1"'), ("period: 20d", "period: 70d"), ("holdout: 5d", "holdout: 35d")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """Four months of history whose Mondays are nights, and a first champion."""
    models = Path(shutil.copytree(PROJECT / "tests" / "models", tmp_path_factory.mktemp("weekly") / "models"))
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    for old, new in CHANGES:
        text = text.replace(old, new)
    file.write_text(text)
    project = Project("tiny", Settings(home=PROJECT, var=models.parent / "var", models_folder=models))
    land(project, NIGHTS[0])
    build_history(project, FIRST, BUILT, lambda line: None)
    training = train_and_register(project, BUILT, "first", "test", lambda line: None)
    assert training.registration is not None, training.gate.report.summary()
    return project


@pytest.fixture(scope="module")
def scored(project: Project) -> Project:
    """Two weekly nights, scored and monitored."""
    for night in NIGHTS:
        assert run_night(project, night) in {"nothing", "request", "suppressed_by_running"}
    return project


def test_a_history_has_all_dates_of_its_sources_and_the_features_of_its_nights(project: Project) -> None:
    mondays = list(nights(project.definition.schedule, FIRST, BUILT))
    assert len(mondays) == 17 and list(published_dates(project.lake, features_table(project.definition))) == mondays
    for source in ("plan", "failures"):
        dates = published_dates(project.lake, raw_table(project.definition, source), (FIRST, BUILT))
        assert list(dates) == list(date_range(FIRST, BUILT))


def test_a_training_learns_from_nights_and_is_judged_on_nights(project: Project) -> None:
    split = split_dates(project.definition, BUILT)
    # What was labelled at the cutoff of 22 April, the newest night: its own outcomes came a day later.
    assert (split.last, split.holdout, split.fitted) == (date(2024, 4, 15), date(2024, 3, 18), date(2024, 3, 11))
    reference = project.registry.reference(project.champions.require_champion())
    assert reference.training_dates == tuple(split.first + n * WEEK for n in range(10))
    assert reference.holdout_dates == tuple(split.holdout + n * WEEK for n in range(5))
    assert newest_night(project) == NIGHTS[0] and dates_to_build(project, split) is None


def test_nights_publish_every_date_since_the_night_before(scored: Project) -> None:
    for source, last in (("plan", NIGHTS[-1]), ("failures", NIGHTS[-1] - timedelta(days=1))):
        dates = published_dates(scored.lake, raw_table(scored.definition, source), (BUILT, date.max))
        assert list(dates) == list(date_range(BUILT, last))
    features = read_dates(scored.lake, features_table(scored.definition), NIGHTS[-1], NIGHTS[-1])
    window = read_dates(
        scored.lake, raw_table(scored.definition, "failures"), NIGHTS[-1] - timedelta(days=3), NIGHTS[-1]
    )
    counted = window.group_by("machine").aggregate([("failed", "sum"), ("failed", "count")])
    rates = {row["machine"]: row["failed_sum"] / row["failed_count"] for row in counted.to_pylist()}
    assert dict(zip(features["machine"].to_pylist(), features["machine_failures_3d"].to_pylist(), strict=True)) == rates


def test_a_weekly_night_is_computed_like_any_other(scored: Project) -> None:
    comparison = check_skew(scored, NIGHTS[-1], lambda line: None)
    assert comparison.cells > 0 and not comparison.differences


def test_a_weekly_night_is_monitored_against_weekly_nights(scored: Project) -> None:
    statuses = night_statuses(scored)
    assert [status.night for status in statuses] == NIGHTS and all(status.complete for status in statuses)
    rows = scored.monitored(NIGHTS[0], NIGHTS[-1])
    drift = {r["statistic"]: r["verdict"] for r in rows if r["monitor"] == "drift" and r["subject"] == "night"}
    assert drift["input_drift"] != "unknown" and drift["prediction_drift"] != "unknown"
    # The first night's outcomes became final with the second.
    assert [row["score_date"] for row in rows if row["statistic"] == INPUTS] == NIGHTS[:1]


def test_a_date_that_is_no_night_is_neither_scored_nor_computed_by_a_job_of_its_own(project: Project) -> None:
    tuesday = NIGHTS[0] + timedelta(days=1)
    with pytest.raises(TerminalError, match="2024-04-30, a Tuesday, is no night"):
        score_night(project, tuesday, "test")
    with pytest.raises(TerminalError, match="2024-04-30, a Tuesday, is no night"):
        stage(project, "features", tuesday)


def test_another_feature_is_built_again_in_one_job(scored: Project) -> None:
    """Weekly nights are neighbours: a job for each of them would take hours."""
    file = scored.settings.models_path / "tiny" / "model.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("expression: load,", "expression: load * 2,"))
        outdated = outdated_nights(Project("tiny", scored.settings))
    finally:
        file.write_text(text)
    assert outdated.spans == [(FIRST, NIGHTS[-1])] and "19 nights (2024-01-01 to 2024-05-06)" in str(outdated)


def test_what_landed_between_nights_and_is_not_waited_for_is_published_too(scored: Project) -> None:
    """The plan is read on nights alone, so a date of it between two nights may be missing."""
    night = NIGHTS[-1] + WEEK
    land(scored, night, since=NIGHTS[-1])
    gone = date(2024, 5, 9)
    file = landing_file(scored.settings.landing_uri, "plan", scored.definition.sources["plan"], gone)
    Path(local_path(file.uri)).unlink()
    score_night(scored, night, "test")
    dates = published_dates(scored.lake, raw_table(scored.definition, "plan"), (NIGHTS[-1], night))
    assert set(dates) == set(date_range(NIGHTS[-1], night)) - {gone}
    scores = scored.read(features_table(scored.definition), night, night)
    assert pc.unique(scores["score_date"]).to_pylist() == [night]
