"""A source whose dates land in parts, night by night: waited for, ingested, noticed when it lands late or again."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.errors import DataError
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.read import read_dates
from nightshift.lake.tables import raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit_and_publish
from nightshift.stages.ingest import describe_changes, ingest, ingest_history
from nightshift.stages.wait import describe_missing, files_not_landed
from unit.tables import day

PATH = "outcomes/{date}.parquet"
IN_PARTS = 'outcomes/{date}/*.parquet\n    complete: {marker: "outcomes/{date}/_SUCCESS"}\n    restates: 3d'


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    assert text.count(PATH) == 1
    file.write_text(text.replace(PATH, IN_PARTS))
    return Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))


def folder_of(project: Project, when: date) -> Path:
    file = landing_file(project.settings.landing_uri, "failures", project.definition.sources["failures"], when)
    return Path(local_path(file.uri)).parent


def land_part(project: Project, when: date, name: str, machines: list[str]) -> None:
    folder = folder_of(project, when)
    folder.mkdir(parents=True, exist_ok=True)
    failed = [machine == "a" for machine in machines]
    pq.write_table(pa.table({"machine": machines, "failed": failed}), folder / name)


def complete(project: Project, when: date) -> None:
    (folder_of(project, when) / "_SUCCESS").touch()


def publish(project: Project, staged: tuple[str, ...], night: date) -> None:
    audit_and_publish(project, staged, night, "test", lambda line: None)


def machines(project: Project, when: date) -> list[str]:
    rows = read_dates(project.lake, raw_table(project.definition, "failures"), when, when)
    return sorted(rows["machine"].to_pylist())


def test_a_night_waits_for_the_marker(project: Project) -> None:
    land_part(project, day(1), "0.parquet", ["a"])
    missing = [describe_missing(file) for file in files_not_landed(project, day(2)) if file.source == "failures"]
    assert len(missing) == 1
    assert missing[0].endswith("_SUCCESS has not landed)")
    assert "outcomes/2024-01-01/*.parquet (" in missing[0]
    complete(project, day(1))
    assert not [file for file in files_not_landed(project, day(2)) if file.source == "failures"]


def test_the_history_has_complete_dates_alone(project: Project) -> None:
    for number in (1, 2, 3):
        land_part(project, day(number), "0.parquet", ["a"])
        land_part(project, day(number), "1.parquet", ["b", "c"])
    complete(project, day(1))
    complete(project, day(3))
    publish(project, ingest_history(project, day(1), day(3)), day(3))
    assert [machines(project, day(number)) for number in (1, 2, 3)] == [["a", "b", "c"], [], ["a", "b", "c"]]


def test_a_part_that_lands_late_is_read_again(project: Project) -> None:
    for number in (1, 2):
        land_part(project, day(number), "0.parquet", ["a"])
        complete(project, day(number))
    publish(project, ingest_history(project, day(1), day(1)), day(1))
    land_plan(project, day(3))
    assert restated(project) == ""  # unchanged
    land_part(project, day(1), "1.parquet", ["b"])
    assert "*.parquet landed again, corrected" in restated(project)
    assert machines(project, day(1)) == ["a", "b"]
    [line] = describe_changes(project, day(3), day(3))
    assert line.startswith("2024-01-03: raw.failures of 2024-01-01: *.parquet landed again, corrected")
    assert restated(project) == ""


def land_plan(project: Project, when: date) -> None:
    """The other file of a night."""
    source = project.definition.sources["plan"]
    path = Path(local_path(landing_file(project.settings.landing_uri, "plan", source, when).uri))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"machine,load\na,0.5\n"))


def restated(project: Project) -> str:
    """What a night says of earlier dates that changed, which it publishes."""
    said: list[str] = []
    publish(project, ingest(project, day(3), progress=said.append), day(3))
    return "; ".join(said)


def test_a_marker_without_parts_stops_the_night(project: Project) -> None:
    folder_of(project, day(2)).mkdir(parents=True)
    complete(project, day(2))
    land_plan(project, day(3))
    with pytest.raises(DataError, match="no part has landed"):
        ingest(project, day(3), progress=lambda line: None)
