"""A label over a window ahead and keys seen lately, on a grocer's real sales, through a real scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow.compute as pc
import pytest
from nights import run_night

from e2e.household import HELD_OUT, LEARNED, MODEL, NIGHTS, WITHIN
from nightshift.definition.calendar import date_range
from nightshift.lake.read import published_dates, read_dates
from nightshift.lake.tables import raw_table, scores_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.replay.nights import NightRun, Replay
from nightshift.stages.audit import audit_and_publish
from nightshift.stages.gate import gate
from nightshift.stages.history import build_features
from nightshift.stages.ingest import ingest_history
from nightshift.stages.label_checks import check_label_leaks
from nightshift.stages.leakcheck import check_leaks
from nightshift.stages.register import promote
from nightshift.stages.train import train
from nightshift.training.lineage import Lineage

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Household:
    """The model after two nights, the second by Airflow.

    Attributes:
        project: The model.
        night: How the runs of the second night ended.
    """

    project: Project
    night: NightRun


@pytest.fixture(scope="module")
def household(airflow: Replay, jobs_in_this_process: None) -> Household:
    """A first champion and a night without Airflow, then a night by it."""
    project = Project(MODEL, airflow.project.settings)
    before = NIGHTS[0] - timedelta(days=1)
    land(project, before)
    staged = ingest_history(project, project.definition.schedule.start, before)
    audit_and_publish(project, staged, before, "history", lambda line: None)
    for first, last in (LEARNED, HELD_OUT):  # nothing is learned from the nights between them
        build_features(project, first, last, "history", lambda line: None)
    stored = train(project, NIGHTS[0], "first champion", lambda line: None)
    report = gate(project, stored, NIGHTS[0], "test", lambda line: None).report
    assert report.passed, report.summary()
    promote(project, stored, report.summary())
    driver = Replay(project, airflow.servers, airflow.api, lambda text: None)
    driver.prepare()
    run_night(project, NIGHTS[0])
    return Household(project, driver.night(NIGHTS[1]))


def test_its_nights_are_scored_and_monitored(household: Household) -> None:
    assert household.night.states == {f"{MODEL}.score": "success", f"{MODEL}.monitor": "success"}
    scored = published_dates(household.project.lake, scores_table(household.project.definition))
    assert list(scored) == list(NIGHTS)


def test_every_household_that_bought_lately_is_scored(household: Household) -> None:
    project, night = household.project, NIGHTS[1]
    sales = read_dates(
        project.lake, raw_table(project.definition, "transactions"), night - WITHIN, night - timedelta(days=1)
    )
    scored = read_dates(project.lake, scores_table(project.definition), night, night)
    assert scored["household_id"].to_pylist() == sorted(pc.unique(sales["household_id"]).to_pylist())


def test_it_learned_from_windows_that_were_over_before_the_holdout(household: Household) -> None:
    version = household.project.champions.require_champion()
    lineage = Lineage(**household.project.registry.lineage(version.run_id)[0])
    assert (lineage.first, lineage.fitted) == tuple(map(str, LEARNED))
    assert (lineage.holdout, lineage.last) == tuple(map(str, HELD_OUT))
    assert lineage.split.holdout - lineage.split.fitted == timedelta(days=28)
    assert 0 < (lineage.positives or 0) < lineage.rows


def test_neither_its_features_nor_its_labels_know_the_future(household: Household) -> None:
    project, night = household.project, HELD_OUT[1]
    assert check_leaks(project, [night], lambda line: None).differences == ()
    labels = check_label_leaks(project, [night])
    assert (labels.nights, labels.without_later.differences) == ((night,), ())
    assert labels.without_events is not None
    assert labels.without_events.differences == ()


def test_no_day_of_its_files_is_missing(household: Household) -> None:
    project = household.project
    landed = published_dates(project.lake, raw_table(project.definition, "transactions"))
    assert list(landed) == list(date_range(date(2017, 1, 1), NIGHTS[1] - timedelta(days=1)))
