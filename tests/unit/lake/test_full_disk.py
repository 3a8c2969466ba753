"""A disk that is full or read-only: one clear line, nothing half published, and the same call later gives the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from disks import filled, mounted, read_only

from nightshift.alerts.alert import Alert
from nightshift.alerts.deliver import deliver, read_alerts
from nightshift.alerts.kinds import AlertKind
from nightshift.errors import FullDiskError, NightshiftError, ReadOnlyError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import write_bytes, write_file
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import TableSpec
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.service_errors import explain, explain_text
from nightshift.settings import PROJECT, Settings
from unit.registry.trainings import trained
from unit.tables import day, publish_rows, published_rows

KIB = 1024
FREE = [0, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 400]
FIRST, SECOND = {day(1): [("a", 1.0)]}, {day(2): [(f"m{number}", float(number)) for number in range(2_000)]}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def settings(disk: Path) -> Settings:
    return Settings(home=PROJECT, var=disk / "var", models_folder=PROJECT / "tests" / "models")


def error_of(failure: BaseException) -> NightshiftError:
    """The line that a command ends with."""
    error = explain(failure)
    assert error is not None, failure
    assert "\n" not in str(error) and error.where and error.fix
    return error


def test_rows_are_published_whole_or_not_at_all(disk: Path, settings: Settings, readings: TableSpec) -> None:
    """However much space is left: for the files of the rows, Iceberg's or the catalog's."""
    lake = Lake(settings)
    publish_rows(lake, readings, FIRST)
    refused = 0
    for free in FREE:
        with filled(disk, free * KIB):
            try:
                publish_rows(lake, readings, SECOND)
            except Exception as failure:
                refused += 1
                assert isinstance(error_of(failure), FullDiskError), free
        assert published_rows(lake, readings) in (FIRST, FIRST | {day(2): sorted(SECOND[day(2)])}), free
        publish_rows(lake, readings, {}, day(2), day(2))
        assert published_rows(lake, readings) == FIRST
        assert not list(disk.rglob("*.part")), free
    assert 0 < refused < len(FREE)
    publish_rows(lake, readings, SECOND)
    assert published_rows(lake, readings) == FIRST | {day(2): sorted(SECOND[day(2)])}


def test_what_was_staged_without_space_is_removed(disk: Path, settings: Settings, readings: TableSpec) -> None:
    lake = Lake(settings)
    publish_rows(lake, readings, FIRST)
    before = sorted((disk / "var" / "warehouse").rglob("*.*"))
    with filled(disk, 8 * KIB), pytest.raises(FullDiskError, match=r"staged/raw\.readings/.*: no space is left"):
        publish_rows(lake, readings, SECOND)
    assert sorted((disk / "var" / "warehouse").rglob("*.*")) == before


def test_a_warehouse_that_is_read_only_is_read(
    disk: Path, settings: Settings, tmp_path: Path, readings: TableSpec
) -> None:
    """The catalog and the state are on another disk."""
    here = settings.model_copy(update={"var": tmp_path / "var", "warehouse": str(disk / "warehouse")})
    lake = Lake(here)
    publish_rows(lake, readings, FIRST)
    with read_only(disk):
        assert run_sql(lake, "select count(*) from raw.readings")[1] == [(1,)]
        with pytest.raises(
            ReadOnlyError, match=f"^file://{disk}/warehouse/.*: the disk is read-only; fix: make it writable"
        ):
            publish_rows(lake, readings, SECOND)
    publish_rows(lake, readings, SECOND)
    assert published_rows(lake, readings) == FIRST | {day(2): sorted(SECOND[day(2)])}


def test_a_file_is_written_whole_or_not_at_all(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(256 * KIB))
    uri = f"file://{disk}/folder/file.bin"
    write_bytes(uri, b"before")
    with filled(disk, 64 * KIB):
        for write in (lambda: write_bytes(uri, bytes(256 * KIB)), lambda: write_file(uri, tmp_path / "source")):
            with pytest.raises(FullDiskError, match=r"folder/file\.bin: no space is left on the disk; fix: free space"):
                write()
    assert [file.name for file in (disk / "folder").iterdir()] == ["file.bin"]
    assert (disk / "folder" / "file.bin").read_bytes() == b"before"


def test_a_version_is_registered_once_there_is_space(disk: Path, settings: Settings) -> None:
    """MLflow's database and its files."""
    project = Project("tiny", settings)
    assert project.registry.versions() == {}
    refused = 0
    for free in (0, 64):
        with filled(disk, free * KIB), suppress(NightshiftError):
            try:
                trained(project, 1)
            except Exception as failure:
                refused += 1
                assert isinstance(error_of(failure), FullDiskError), free
    assert refused
    assert trained(project, 1).run_id


def test_maintenance_of_a_full_disk(disk: Path, settings: Settings, readings: TableSpec) -> None:
    lake = Lake(settings)
    publish_rows(lake, readings, FIRST)
    with filled(disk, 0):
        try:
            maintain_tables(lake, lambda line: None)
        except Exception as failure:
            assert isinstance(error_of(failure), FullDiskError)
    assert published_rows(lake, readings) == FIRST
    assert maintain_tables(lake, lambda line: None)["raw.readings"]["files"] == 0


ALERT = Alert(
    AlertKind.RUN_FAILED,
    "1",
    "raw.ingest failed",
    "tiny",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "nothing",
    "log",
    "clear",
)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_an_alert_that_cannot_be_recorded_is_recorded_later(
    disk: Path, settings: Settings, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(disk, 0) if fault == "full" else read_only(disk):
        assert deliver(ALERT, settings) == []
    [record] = caplog.records
    assert record.message.startswith("alert 1 could not be recorded: ")
    assert ("no space is left on the disk" if fault == "full" else "the disk is read-only") in record.message
    assert deliver(ALERT, settings) == ["record"]
    assert [alert["incident"] for alert in read_alerts(settings)] == ["1"]


def test_a_query_that_finds_no_space_for_what_does_not_fit_into_memory(disk: Path) -> None:
    connection = duckdb.connect(config={"memory_limit": "40MB", "threads": "1", "temp_directory": str(disk / "spill")})
    query = "select count(*) from (select uuid() as u from range(2_000_000) order by u offset 1)"
    with filled(disk, 100 * KIB), pytest.raises(duckdb.Error) as failure:
        connection.execute(query).fetchall()
    assert isinstance(explain_text(str(failure.value)), FullDiskError), failure.value


READ_ONLY_COMMANDS = [
    ("sql", "select * from raw.readings"),
    ("champion", "tiny"),
    ("build", "tiny", "--from", "2024-01-01", "--to", "2024-01-02"),
]


def test_commands_on_a_read_only_disk_end_with_one_line(disk: Path, settings: Settings, readings: TableSpec) -> None:
    lake = Lake(settings)
    publish_rows(lake, readings, FIRST)
    lake.catalog.engine.dispose()  # type: ignore[attr-defined]
    land(Project("tiny", settings), day(2))
    environment = os.environ | settings.as_environment()
    with read_only(disk):
        for words in READ_ONLY_COMMANDS:
            command = [str(Path(sys.executable).parent / "nightshift"), *words]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
            assert ended.returncode == 2, ended
            assert ended.stderr.count("\n") == 1, ended
            assert re.search("the disk is read-only|readonly database|Read-only file system", ended.stderr), ended
    assert published_rows(Lake(settings), readings) == FIRST
