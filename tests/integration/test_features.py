"""The feature computation in real Spark, against an independent computation and against the future."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightshift.compute.job import Job, run_job
from nightshift.definition.calendar import date_range
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.read import read_dates
from nightshift.lake.staging import load_staged, new_attempt, read_staged
from nightshift.lake.tables import features_table, raw_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.serving.observation_rows import needed_columns
from nightshift.serving.observed_model import ObservedModel
from nightshift.serving.request_body import SentRows
from nightshift.settings import PROJECT, Settings
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest_history
from nightshift.stages.leakcheck import check_leaks
from nightshift.stages.publish import publish
from nightshift.stages.skew import check_skew

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("jobs_in_this_process")]

FIRST, NIGHT, LAST = date(2013, 1, 1), date(2013, 1, 20), date(2013, 1, 24)


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory, jobs_in_this_process: None) -> Project:
    """Three weeks of real flights, built in one session."""
    project = Project("flight_delay", Settings(home=PROJECT, var=tmp_path_factory.mktemp("flights")))
    land(project, LAST)
    build_history(project, FIRST, LAST, lambda text: None)
    return project


def published(project: Project, night: date) -> pd.DataFrame:
    rows = read_dates(project.lake, features_table(project.definition), night, night).to_pandas()
    return rows.sort_values(list(project.definition.observations.key)).reset_index(drop=True)


def staged_alone(project: Project, night: date) -> pd.DataFrame:
    """The features of one night, computed by a job for that night only."""
    attempt = new_attempt(night, night)
    arguments = ("--model", project.definition.name, "--from", str(night), "--attempt", attempt)
    *_, folder = run_job(project.settings, Job("features", arguments), lambda line: None).staged
    rows = read_staged(load_staged(folder), features_table(project.definition)).to_pandas()
    return rows.sort_values(list(project.definition.observations.key)).reset_index(drop=True)


def raw(project: Project, source: str, first: date, last: date) -> pd.DataFrame:
    return read_dates(project.lake, raw_table(project.definition, source), first, last).to_pandas()


def test_every_observation_has_exactly_one_row(flights: Project) -> None:
    key = list(flights.definition.observations.key)
    for night in (FIRST, NIGHT, LAST):
        features, observed = published(flights, night), raw(flights, "schedule", night, night)
        assert not features.duplicated(key).any()
        assert set(map(tuple, features[key].to_numpy())) == set(map(tuple, observed[key].to_numpy()))


def test_aggregates_equal_an_independent_computation_over_the_days_available_at_the_cutoff(flights: Project) -> None:
    features = published(flights, NIGHT)
    newest = NIGHT - timedelta(days=2)  # arrivals of a day land on the next morning
    week = raw(flights, "arrivals", newest - timedelta(days=6), newest).dropna(subset=["arr_delay"])
    late = week.assign(late=week.arr_delay >= 15)
    by_carrier = late.groupby("carrier").late.mean()
    assert features.carrier_late_rate_7d.to_numpy() == pytest.approx(features.carrier.map(by_carrier).to_numpy())
    assert features.late_rate_7d.to_numpy() == pytest.approx(late.late.mean())
    yesterday = late[late.source_date == newest]
    by_origin = yesterday.groupby("origin").late.mean()
    assert features.origin_late_rate_1d.to_numpy() == pytest.approx(features.origin.map(by_origin).to_numpy())
    planned = raw(flights, "schedule", NIGHT, NIGHT).set_index(list(flights.definition.observations.key)).tailnum
    tailnum = planned.loc[list(map(tuple, features[planned.index.names].to_numpy()))].to_numpy()
    by_plane = week.groupby("tailnum").arr_delay.mean()
    expected = pd.Series(tailnum).map(by_plane).to_numpy(dtype=float)
    assert features.plane_delay_7d.to_numpy(dtype=float) == pytest.approx(expected, nan_ok=True)
    assert 0 < np.isnan(expected).sum() < len(expected)  # some aircraft were not seen that week


def test_lookups_take_the_dimension_by_key(flights: Project) -> None:
    features = published(flights, NIGHT)
    planned = raw(flights, "schedule", NIGHT, NIGHT)
    planes = raw(flights, "planes", FIRST, FIRST).set_index("tailnum")
    seats = planned.sort_values(list(flights.definition.observations.key)).tailnum.map(planes.seats)
    assert features.plane_seats.to_numpy(dtype=float) == pytest.approx(seats.to_numpy(dtype=float), nan_ok=True)


def test_a_night_computed_alone_equals_the_same_night_in_a_range(flights: Project) -> None:
    pd.testing.assert_frame_equal(staged_alone(flights, NIGHT), published(flights, NIGHT), check_exact=True)


def test_nothing_after_the_cutoff_matters(flights: Project, tmp_path: Path) -> None:
    blind = Project("flight_delay", Settings(home=PROJECT, var=tmp_path / "blind"))
    land(blind, NIGHT)  # only what had arrived by the cutoff
    assert not any(
        Path(landing_file(blind.settings.landing_uri, "arrivals", source, day).uri.removeprefix("file://")).exists()
        for source in [blind.definition.sources["arrivals"]]
        for day in date_range(NIGHT - timedelta(days=1), LAST)
    )
    publish(blind, ingest_history(blind, FIRST, NIGHT))
    pd.testing.assert_frame_equal(staged_alone(blind, NIGHT), published(flights, NIGHT), check_exact=True)


def test_no_published_feature_of_the_example_knows_the_future(flights: Project) -> None:
    comparison = check_leaks(flights, [FIRST, NIGHT, LAST])
    assert not comparison.differences
    rows = sum(len(published(flights, night)) for night in (FIRST, NIGHT, LAST))
    assert comparison.cells == rows * len(flights.definition.feature_types)


def test_brute_force_finds_the_same_features(flights: Project) -> None:
    comparison = check_skew(flights, LAST)
    assert not comparison.differences
    assert comparison.cells == len(published(flights, LAST)) * len(flights.definition.feature_types)


def test_a_night_reads_tiles_and_one_day_of_raw_data(flights: Project) -> None:
    attempt = new_attempt(LAST, LAST)
    arguments = ("--model", "flight_delay", "--from", str(LAST), "--attempt", attempt)
    result = run_job(flights.settings, Job("features", arguments), print)
    staged = [load_staged(folder) for folder in result.staged]
    assert [staged_set.table for staged_set in staged] == ["features.flight_delay"]  # every tile was there already


@pytest.mark.parametrize("night", [FIRST, date(2013, 1, 9), NIGHT, LAST])
def test_the_api_computes_the_same_features_without_spark(flights: Project, night: date) -> None:
    observed = ObservedModel(flights)
    rows = raw(flights, "schedule", night, night).replace({np.nan: None})
    needed = needed_columns(flights.definition)
    sent = SentRows({name: rows[name].tolist() for name in needed}, len(rows))
    computed = observed.features(sent, observed.state(night))
    assert not computed.errors
    ours = computed.table.to_pandas().sort_values(list(flights.definition.observations.key)).reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, published(flights, night), check_exact=True)
