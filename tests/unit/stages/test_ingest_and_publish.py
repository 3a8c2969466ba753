"""What a night does with landed files, without Spark: ingest, audit, publish."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.errors import DataError, NotYetAvailable
from nightshift.lake.files import local_path
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.read import published_dates, read_dates, snapshot_of
from nightshift.lake.staging import load_staged, published_inputs
from nightshift.lake.tables import READINGS, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit
from nightshift.stages.ingest import ingest, ingest_history
from nightshift.stages.publish import publish
from unit.tables import EARLY, LATE, day

# In the tiny model a night needs its own plan and the failures of the day before.


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    """The loop of the tiny model, whose failures may land again for three days."""
    file = models / "tiny" / "model.yaml"
    file.write_text(
        file.read_text().replace("    available: {after: 24h}\n", "    available: {after: 24h}\n    restates: 3d\n")
    )
    return Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))


def plan(project: Project, when: date, load: float = 0.5) -> None:
    file = Path(local_path(project.settings.landing_uri)) / f"plan-{when}.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(f"machine,load\na,{load}\nb,0.25\n".encode()))


def failures(project: Project, when: date, *failed: bool | None) -> None:
    file = Path(local_path(project.settings.landing_uri)) / "outcomes" / f"{when}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    sink = io.BytesIO()
    pq.write_table(pa.table({"machine": list("abcdef"[: len(failed)]), "failed": pa.array(failed, pa.bool_())}), sink)
    file.write_bytes(sink.getvalue())


def land(project: Project, *numbers: int) -> None:
    """Both files of some days of January."""
    for number in numbers:
        plan(project, day(number))
        failures(project, day(number), False, True)


def ingested(project: Project, night: date) -> list[tuple[str, date]]:
    """What a night stages."""
    return [(staged.table, staged.first) for staged in map(load_staged, ingest(project, night))]


def run(project: Project, *numbers: int) -> None:
    """Ingests and publishes nights."""
    for number in numbers:
        publish(project, ingest(project, day(number)))


def outcomes(project: Project, when: date) -> dict[str, bool | None]:
    rows = read_dates(project.lake, raw_table(project.definition, "failures"), when, when).to_pylist()
    return {row["machine"]: row["failed"] for row in rows}


def needed(number: int) -> list[tuple[str, date]]:
    return [("raw.plan", day(number)), ("raw.failures", day(number - 1))]


def test_a_night_stages_the_files_it_needs_and_what_lands_later_is_left(project: Project) -> None:
    land(project, *range(1, 9))
    run(project, 2, 3, 4)
    assert ingested(project, day(5)) == needed(5)
    assert list(published_dates(project.lake, raw_table(project.definition, "failures"))) == [day(n) for n in (1, 2, 3)]


def test_files_that_are_what_was_published_are_left(project: Project) -> None:
    land(project, *range(1, 9))
    run(project, *range(2, 8))
    before = snapshot_of(project.lake, "raw.failures")
    assert ingested(project, day(8)) == needed(8)
    for number in (4, 5, 6):
        failures(project, day(number), False, True)  # landed again as it was
    assert ingested(project, day(8)) == needed(8)
    assert snapshot_of(project.lake, "raw.failures") == before


@pytest.mark.parametrize(("number", "again"), [(3, False), (4, True), (6, True)])
def test_a_file_that_landed_again_otherwise_is_staged_with_the_night_as_long_as_it_may(
    project: Project, number: int, again: bool
) -> None:
    """The newest day of the eighth is the seventh; three days before it is the fourth."""
    land(project, *range(1, 9))
    run(project, *range(2, 8))
    failures(project, day(number), True, True, None)
    more = [("raw.failures", day(number))] if again else []
    assert ingested(project, day(8)) == needed(8) + more
    run(project, 8)
    corrected = {"a": True, "b": True, "c": None} if again else {"a": False, "b": True}
    assert outcomes(project, day(number)) == corrected
    assert outcomes(project, day(5)) == ({"a": False, "b": True} if number != 5 else corrected)
    assert ingested(project, day(8)) == needed(8)


def test_a_file_that_landed_late_is_staged_with_the_next_night(project: Project) -> None:
    land(project, 1, 2, 4, 5)
    run(project, 2)  # the third and the fourth never ran: the failures of the third came late
    run(project, 5)
    assert set(published_dates(project.lake, raw_table(project.definition, "failures"))) == {day(1), day(2), day(4)}
    failures(project, day(3), True)
    plan(project, day(6))
    assert ingested(project, day(6)) == [*needed(6), ("raw.failures", day(3))]
    run(project, 6)
    assert outcomes(project, day(3)) == {"a": True}
    assert ingested(project, day(6)) == needed(6)


def test_files_of_nights_that_have_not_run_are_read_by_the_next_that_does(project: Project) -> None:
    """Though their source does not restate: windows and labels would miss these days for ever."""
    land(project, 1, 2, 3, 5, 6)
    run(project, 2, 3)
    overdue = [("raw.plan", day(5)), ("raw.failures", day(3))]
    assert sorted(ingested(project, day(6))) == sorted([*needed(6), *overdue])
    plan(project, day(4))
    assert sorted(ingested(project, day(6))) == sorted([*needed(6), *overdue, ("raw.plan", day(4))])
    run(project, 6)
    assert ingested(project, day(6)) == needed(6)


def test_dates_that_windows_read_are_read_though_newer_ones_are_published(project: Project) -> None:
    """A gap between published dates; the windows of the tiny model are three days."""
    land(project, *range(1, 12))
    run(project, 2, 3, 8)
    spec = raw_table(project.definition, "failures")
    assert set(published_dates(project.lake, spec)) == {day(number) for number in (1, 2, 3, 4, 5, 6, 7)}


def spoil(project: Project, what: str) -> None:
    """A plan of the fourth that cannot be read, or whose check fails."""
    if what == "unreadable":
        file = Path(local_path(project.settings.landing_uri)) / f"plan-{day(4)}.csv.gz"
        file.write_bytes(b"no gzip")
    else:
        plan(project, day(4), load=7)


@pytest.mark.parametrize("what", ["unreadable", "fails its check"])
def test_a_bad_file_of_a_night_that_has_not_run_stops_no_other(project: Project, what: str) -> None:
    land(project, *range(1, 8))
    run(project, 2, 3)
    spoil(project, what)
    audited = audit(project, ingest(project, day(5)), day(5), "test")
    publish(project, audited.locations)
    plans = raw_table(project.definition, "plan")
    assert set(published_dates(project.lake, plans)) == {day(number) for number in (2, 3, 5)}
    rows = [row for row in project.monitored(day(5), day(5)) if row["statistic"] == "left out"]
    assert [(row["subject"], row["verdict"]) for row in rows] == [("raw.plan of 2024-01-04", "warn")]
    assert rows[0]["detail"].startswith("left out until its own night runs: ")
    assert ("raw.plan", day(4)) not in ingested(project, day(6))  # it is not tried each night
    with pytest.raises(DataError):
        audit(project, ingest(project, day(4)), day(4), "its own night")


def test_a_history_is_known_file_by_file(project: Project) -> None:
    """Its one staged set holds many files; the night after it looks at each of them."""
    land(project, *range(1, 9))
    publish(project, ingest_history(project, day(1), day(7)))
    assert ingested(project, day(8)) == needed(8)
    failures(project, day(6), True)
    assert ingested(project, day(8)) == [*needed(8), ("raw.failures", day(6))]
    run(project, 8)
    assert outcomes(project, day(6)) == {"a": True}
    assert set(published_dates(project.lake, raw_table(project.definition, "failures"))) == {
        day(n) for n in range(1, 8)
    }
    assert ingested(project, day(8)) == needed(8)


def test_what_landed_again_is_still_known_after_maintenance(project: Project) -> None:
    land(project, *range(1, 9))
    publish(project, ingest_history(project, day(1), day(6)))
    run(project, 7)
    failures(project, day(5), True)
    run(project, 8)
    maintain_tables(project.lake, lambda line: None, now=datetime.now(UTC) + timedelta(days=365))
    assert ingested(project, day(8)) == needed(8)
    assert outcomes(project, day(5)) == {"a": True}


def test_a_file_without_rows_replaces_a_day_by_none(project: Project) -> None:
    land(project, *range(1, 9))
    run(project, *range(2, 8))
    failures(project, day(5))
    run(project, 8)
    assert outcomes(project, day(5)) == {}
    assert day(5) not in published_dates(project.lake, raw_table(project.definition, "failures"))


def test_a_file_that_is_needed_and_has_not_landed_is_waited_for(project: Project) -> None:
    land(project, 1, 2)
    with pytest.raises(NotYetAvailable, match=r"plan-2024-01-03\.csv\.gz: the file has not landed"):
        ingest(project, day(3))


def test_what_a_day_was_made_from_names_its_own_file(project: Project) -> None:
    land(project, *range(1, 9))
    run(project, *range(2, 8))
    failures(project, day(6), True)
    run(project, 8)
    inputs = published_inputs(project.lake, raw_table(project.definition, "failures"), day(6))
    assert set(inputs) == {f"file://{local_path(project.settings.landing_uri)}/outcomes/2024-01-06.parquet", READINGS}


def test_a_restated_day_is_audited_apart_from_the_nights_own(project: Project) -> None:
    land(project, *range(1, 9))
    run(project, *range(2, 8))
    failures(project, day(5), True, True, True)
    said = audit(project, ingest(project, day(8)), day(8), "test").summary
    assert "raw.failures 2024-01-07: " in said
    assert "raw.failures 2024-01-05: " in said
    assert "raw.plan 2024-01-08: " in said
    kept = {row["subject"].split(":")[0] for row in project.monitored(day(8), day(8))}
    assert kept == {"raw.failures of 2024-01-07", "raw.failures of 2024-01-05", "raw.plan"}


def test_what_landed_late_or_again_is_said_and_kept(project: Project) -> None:
    land(project, *range(1, 9))
    late = Path(local_path(project.settings.landing_uri)) / "outcomes" / f"{day(6)}.parquet"
    content = late.read_bytes()
    late.unlink()
    run(project, *(number for number in range(2, 7)))
    late.write_bytes(content)
    failures(project, day(5), True, True, True)
    said: list[str] = []
    ingest(project, day(8), "late", said.append)
    kept = {row["subject"]: row["detail"] for row in project.monitored(day(8), day(8)) if row["monitor"] == "ingest"}
    assert kept == {
        "raw.failures of 2024-01-05": f"{day(5)}.parquet landed again, corrected; "
        "nights that are published stay as they are",
        "raw.failures of 2024-01-06": f"{day(6)}.parquet landed late; nights before did without it",
        "raw.plan of 2024-01-07": f"plan-{day(7)}.csv.gz is read for a night that has not run, or has failed",
    }
    assert said == [f"{subject}: {detail}" for subject, detail in kept.items()]


def test_a_restated_file_that_is_wrong_is_named_and_nothing_is_published(project: Project) -> None:
    land(project, *range(1, 9))
    run(project, *range(2, 8))
    file = Path(local_path(project.settings.landing_uri)) / "outcomes" / f"{day(5)}.parquet"
    sink = io.BytesIO()
    pq.write_table(pa.table({"machine": ["a", "a"], "failed": [True, False]}), sink)
    file.write_bytes(sink.getvalue())
    with pytest.raises(DataError) as caught:
        audit(project, ingest(project, day(8)), day(8), "test")
    assert str(caught.value).startswith(f"file://{file}: raw.failures 2024-01-05: 1 of ")
    assert "outcomes/2024-01-07" not in str(caught.value)
    assert outcomes(project, day(5)) == {"a": False, "b": True}


def test_every_published_row_is_read_back(project: Project) -> None:
    land(project, 1, 2, 3)
    run(project, 2, 3)
    rows = read_dates(project.lake, raw_table(project.definition, "plan"), EARLY, LATE).to_pylist()
    assert sorted((row["source_date"], row["machine"], row["load"]) for row in rows) == [
        (day(n), name, load) for n in (2, 3) for name, load in (("a", 0.5), ("b", 0.25))
    ]
