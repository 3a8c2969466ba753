"""The rows that the API kept on a day are measured as a night's: of one version, over all files, against the nights."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightshift.errors import NotYetAvailable
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table
from nightshift.monitoring.night_profile import Profiler
from nightshift.monitoring.reference import make_reference
from nightshift.project import Project
from nightshift.registry.reference import SCORES
from nightshift.serving.kept_rows import RowKeeper, ScoredRequest, waiting_rows
from nightshift.serving.served_version import ServedVersion
from nightshift.stages import drift as drift_stage
from nightshift.stages import served
from nightshift.stages.served import DRIFT, SKEW, _profile, measure_served, measure_skew, served_files
from nightshift.types import Measurement
from unit.registry.trainings import Start
from unit.training.machines import dated_machines, machines

NIGHT = date(2024, 1, 20)
TODAY = datetime.now(UTC).date()


def observations(count: int, seed: int = 9) -> pa.Table:
    names = pa.array([f"m{number}" for number in range(count)])
    return machines(count, seed=seed).drop_columns("label").append_column("machine", names)


def version_of(project: Project, number: int) -> ServedVersion:
    version = project.registry.version(number)
    package = project.registry.package(version.run_id, version.digest)
    return ServedVersion(number, version.digest, package, datetime.now(UTC))


def serve(project: Project, number: int, rows: pa.Table, night: date | None = None) -> None:
    """Keeps rows as if a version had scored them, and publishes them."""
    version = version_of(project, number)
    scores = [{"score": score} for score in version.package.score(rows).tolist()]
    keeper = RowKeeper(project, lambda: None, 3600)
    keeper.start()
    keeper.add(ScoredRequest("score", "", night, version, rows, range(len(rows)), scores))
    keeper.stop()


def publish_night(project: Project, rows: pa.Table) -> None:
    spec = features_table(project.definition)
    columns = {
        name: pa.array([NIGHT] * len(rows), pa.date32())
        if name == "score_date"
        else rows[name]
        if name in rows.column_names
        else pa.nulls(len(rows), spec.schema.field(name).type)
        for name in spec.columns
    }
    publish(project.lake, spec, stage_arrow(project.lake, spec, pa.table(columns), NIGHT, NIGHT, {}))


def changed(rows: pa.Table, name: str, change: Callable[[pa.Array], pa.Array]) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, change(rows[name]))


def overall(measured: list[Measurement], statistic: str) -> Measurement:
    return next(row for row in measured if (row.subject, row.statistic) == ("night", statistic))


def test_a_day_without_kept_rows_is_said(start: Start, project: Project) -> None:
    start(1)
    with pytest.raises(
        NotYetAvailable, match=r"tiny: the API published no rows on 2024-01-20; fix: set NIGHTSHIFT_SERVING"
    ):
        measure_served(project, NIGHT, "")


def test_the_profile_is_that_of_all_rows_that_one_version_scored(start: Start, project: Project) -> None:
    start(1, 2)
    rows = observations(40)
    for first in (0, 25):
        serve(project, 2, rows.slice(first, 25))
    serve(project, 1, observations(10, seed=3))
    training = dated_machines(4)
    learned = pa.table({SCORES: training["busy"], "score_date": training["score_date"]})
    reference = make_reference(training, project.definition.feature_types, learned)
    profiler = Profiler.of(reference)
    assert profiler is not None
    scores = pa.table({"score": version_of(project, 2).package.score(rows)})
    profile = _profile(project, served_files(project, TODAY), 2, reference)
    assert profile.features.counts.keys() == {"busy", "kind", "machine_failures_3d"}
    expected = profiler(rows, scores).to_json()
    assert profile.features.rows == 40
    assert profile.features.to_json()["counts"] == expected["features"]["counts"]
    assert profile.scores.to_json()["counts"] == expected["scores"]["counts"]


def test_what_is_measured_is_recorded_under_the_day_for_the_version_that_scored_most(
    start: Start, project: Project
) -> None:
    start(1, 2)
    serve(project, 1, observations(60))
    serve(project, 2, observations(5))
    measured = measure_served(project, TODAY, "a run")
    assert {row.model_version for row in measured if row.statistic == "input_drift"} == {1}
    recorded = project.monitored(TODAY, TODAY)
    assert {row["monitor"] for row in recorded} == {DRIFT, SKEW} and len(recorded) == len(measured)
    measure_served(project, TODAY, "another run")
    assert {row["run_id"] for row in project.monitored(TODAY, TODAY)} == {"another run"}


def test_drift_is_that_of_the_weekday_of_the_night_that_most_rows_are_of(
    start: Start, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(1)
    nights: list[date] = []
    monkeypatch.setattr(served, "drift_of_night", lambda night, _: nights.append(night.day) or [])
    serve(project, 1, observations(3))
    measure_served(project, TODAY, "")
    serve(project, 1, observations(4), NIGHT)
    measure_served(project, TODAY, "")
    assert nights == [TODAY, NIGHT]


def test_rows_that_wait_for_their_publication_are_counted(start: Start, project: Project) -> None:
    start(1)
    rows, version = observations(7), version_of(project, 1)
    keeper = RowKeeper(project, lambda: None, 3600)
    assert waiting_rows(project, TODAY) == 0
    keeper.add(ScoredRequest("score", "", None, version, rows, range(7), [{"score": 0.5}] * 7))
    keeper._flush()
    assert waiting_rows(project, TODAY) == 7
    assert waiting_rows(project, TODAY - timedelta(days=1)) == 0
    keeper._publish()
    assert waiting_rows(project, TODAY) == 0


def test_observations_are_compared_with_their_night(start: Start, project: Project) -> None:
    start(1)
    rows = observations(30)
    publish_night(project, rows)
    serve(project, 1, rows.slice(0, 20), NIGHT)
    serve(project, 1, observations(50).slice(30), NIGHT)  # keys that the night has not
    serve(project, 1, rows, NIGHT + timedelta(days=1))  # which is not published
    serve(project, 1, rows.drop_columns("machine"))  # features that were sent
    skew = measure_skew(project, served_files(project, TODAY))
    assert (skew.observations, dict(skew.differing)) == (20, {})
    assert overall(measure_served(project, TODAY, ""), SKEW).verdict == "pass"


def test_every_value_that_differs_is_counted(start: Start, project: Project) -> None:
    start(1)
    rows = observations(30)
    publish_night(project, rows)
    busy = changed(rows.slice(0, 10), "busy", lambda values: pc.add(values, 1e-12))
    serve(project, 1, busy, NIGHT)
    kind = changed(rows.slice(10, 4), "kind", lambda values: pa.array([None, *values.to_pylist()[1:]]))
    serve(project, 1, kind, NIGHT)
    skew = measure_skew(project, served_files(project, TODAY))
    assert (skew.observations, dict(skew.differing)) == (14, {"busy": 10, "kind": 1})
    assert skew.examples["kind"] == f"machine=m10: served None, published {rows['kind'][10].as_py()!r}"
    night = overall(measure_served(project, TODAY, ""), SKEW)
    assert (night.value, night.sample_size, night.verdict) == (11, 14, "warn")
    assert night.detail == "served otherwise than published: busy in 10, kind in 1"


def test_without_observations_skew_is_unknown(start: Start, project: Project) -> None:
    start(1)
    serve(project, 1, observations(3).drop_columns("machine"))
    assert overall(measure_served(project, TODAY, ""), SKEW).verdict == "unknown"


def test_a_night_measures_the_day_before_and_no_error_of_it_stops_the_night(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[date] = []
    monkeypatch.setattr(drift_stage, "require_scored", lambda *_: None)
    monkeypatch.setattr(drift_stage, "for_missed_nights", lambda *_: None)
    monkeypatch.setattr(drift_stage, "measure_drift", lambda *_: "the night's")
    monkeypatch.setattr(drift_stage, "measure_served", lambda _, day, __: measured.append(day))
    assert drift_stage.drift(project, NIGHT, "") == "the night's"
    assert measured == [NIGHT - timedelta(days=1)]
    for error, lines in ((NotYetAvailable("nothing"), []), (OSError("a disk"), ["a disk"])):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        said: list[str] = []
        monkeypatch.setattr(drift_stage, "measure_served", fail)
        assert drift_stage.drift(project, NIGHT, "", said.append) == "the night's"
        assert [line.rpartition(": ")[2] for line in said] == lines
