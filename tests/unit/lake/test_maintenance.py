from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nightshift.errors import TerminalError
from nightshift.lake import maintenance
from nightshift.lake.catalog import Lake
from nightshift.lake.files import as_uri, list_files, local_path
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.publish import publish
from nightshift.lake.read import snapshot_of
from nightshift.lake.sql import run_sql
from nightshift.lake.staging import load_staged, new_attempt, published_inputs, seal, staging_folder
from nightshift.lake.tables import Layer, TableSpec
from nightshift.types import Staged
from unit.tables import DAY, Rows, arrow, day, publish_rows, published_rows, stage

A, B = [("a", 1.0)], [("b", 2.0)]


def later(**ages: float) -> datetime:
    return datetime.now(UTC) + timedelta(**ages)


def run(lake: Lake, now: datetime | None = None) -> dict[str, dict[str, int]]:
    return maintain_tables(lake, lambda line: None, now=now)


def staged_files(lake: Lake) -> set[str]:
    return set(list_files(f"{lake.warehouse}/staged", ".parquet"))


def test_unpublished_files_are_removed_and_published_files_stay(lake: Lake, readings: TableSpec) -> None:
    published = stage(lake, readings, {day(1): A, day(2): A})
    snapshot = publish(lake, readings, published)
    abandoned = stage(lake, readings, {day(3): B})
    half = Path(local_path(lake.warehouse)) / "staged" / readings.name / "half" / "part-0.parquet"
    half.parent.mkdir()
    half.write_bytes(b"half a file")
    before = published_rows(lake, readings)

    counts = run(lake, later(days=4))

    assert counts[readings.name]["files"] >= 3  # the abandoned file and its manifest, and the half one
    assert staged_files(lake) == set(published.files)
    assert not any(Path(local_path(file)).exists() for file in abandoned.files)
    assert published_rows(lake, readings) == before
    assert snapshot_of(lake, readings.name) == snapshot


def test_files_young_enough_to_belong_to_a_running_task_stay(lake: Lake, readings: TableSpec) -> None:
    publish(lake, readings, stage(lake, readings, {day(1): A}))
    waiting = stage(lake, readings, {day(1): B})
    assert run(lake)[readings.name] == {"snapshots": 0, "files": 0}
    publish(lake, readings, waiting)
    assert published_rows(lake, readings) == {day(1): B}


def test_maintenance_by_a_clock_that_is_ahead_takes_no_file_from_a_table(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that is published while its files are removed is published with all of them, or not at all."""
    publish_rows(lake, readings, {day(1): A})
    staged, remove, publications = stage(lake, readings, {day(2): B}), maintenance._remove, list[Future[int]]()

    def remove_late(files: list[str]) -> int:
        if set(staged.files) & set(files):
            publications.append(pool.submit(publish, lake, readings, staged))
            wait(publications, timeout=1)
        return remove(files)

    monkeypatch.setattr(maintenance, "_remove", remove_late)
    with ThreadPoolExecutor() as pool:
        run(lake, later(days=4))
        with pytest.raises(TerminalError, match="a staged file no longer exists; fix: clear the task that stages it"):
            publications[0].result()
    assert published_rows(lake, readings) == {day(1): A}


def test_a_published_set_can_be_published_again_after_maintenance(lake: Lake, readings: TableSpec) -> None:
    staged = stage(lake, readings, {day(1): A})
    snapshot = publish(lake, readings, staged)
    run(lake, later(days=4))
    assert Path(local_path(staged.location), "_staged.json").exists()
    assert publish(lake, readings, staged) == snapshot


def test_a_replaced_night_stays_readable_at_its_snapshots(lake: Lake, readings: TableSpec) -> None:
    old = publish_rows(lake, readings, {day(1): A})
    publish_rows(lake, readings, {day(1): B})
    run(lake, later(days=365))
    assert published_rows(lake, readings, old) == {day(1): A}
    assert published_rows(lake, readings) == {day(1): B}


def test_everything_reads_the_same_before_and_after(lake: Lake, readings: TableSpec) -> None:
    taken = [publish_rows(lake, readings, {day(n % 4 + 1): [("a", float(n))]}) for n in range(14)]
    before = [published_rows(lake, readings, snapshot) for snapshot in taken]
    queried = run_sql(lake, "select * from raw.readings order by all")
    run(lake, later(days=365))
    assert [published_rows(lake, readings, snapshot) for snapshot in taken] == before
    assert run_sql(lake, "select * from raw.readings order by all") == queried


def test_maintenance_leaves_an_empty_table_unchanged(lake: Lake, readings: TableSpec) -> None:
    lake.ensure(readings)
    run(lake, later(days=365))
    publish_rows(lake, readings, {DAY: A})
    assert published_rows(lake, readings) == {DAY: A}


def test_progress_names_every_table(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {DAY: A})
    publish_rows(lake, TableSpec(Layer.SCORES, "tiny", readings.columns, "source_date", ()), {DAY: A})
    lines: list[str] = []
    assert sorted(maintain_tables(lake, lines.append)) == ["raw.readings", "scores.tiny"]
    assert "raw.readings: 0 snapshots expired, 0 files removed" in lines


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """A hundred snapshots take long to make: keep three here."""
    monkeypatch.setattr(maintenance, "MIN_SNAPSHOTS", 3)
    return 3


def test_old_snapshots_expire_and_their_files_go_with_them(lake: Lake, readings: TableSpec, few: int) -> None:
    sets = [stage(lake, readings, {day(1): [("a", float(n))], day(2): B}) for n in range(6)]
    taken = [publish(lake, readings, staged) for staged in sets]
    counts = run(lake, later(days=8))

    assert counts[readings.name]["snapshots"] == 3
    left = {snapshot.snapshot_id for snapshot in lake.table(readings.name).metadata.snapshots}
    assert set(taken[-few:]) <= left
    assert not set(taken[:-few]) & left
    assert staged_files(lake) == {file for staged in sets[-few:] for file in staged.files}
    for number in (3, 4, 5):
        assert published_rows(lake, readings, taken[number]) == {day(1): [("a", float(number))], day(2): B}


def test_snapshots_younger_than_a_week_never_expire(lake: Lake, readings: TableSpec, few: int) -> None:
    for number in range(6):
        publish_rows(lake, readings, {day(1): [("a", float(number))]})
    assert run(lake, later(days=6))[readings.name]["snapshots"] == 0


def test_maintenance_that_runs_again_changes_nothing(lake: Lake, readings: TableSpec, few: int) -> None:
    for number in range(1, 7):
        publish_rows(lake, readings, {day(number): A})
    run(lake, later(days=8))
    run(lake, later(days=8))
    assert run(lake, later(days=8))[readings.name] == {"snapshots": 0, "files": 0}
    assert published_rows(lake, readings) == {day(number): A for number in range(1, 7)}


def test_a_named_snapshot_never_expires(lake: Lake, readings: TableSpec, few: int) -> None:
    first = publish_rows(lake, readings, {day(1): A})
    lake.table(readings.name).manage_snapshots().create_tag(first, "audit").commit()
    for number in range(5):
        publish_rows(lake, readings, {day(1): [("a", float(number))]})
    run(lake, later(days=365))
    assert published_rows(lake, readings, first) == {day(1): A}


def test_maintenance_leaves_foreign_files_unchanged(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, {DAY: A})
    foreign = Path(local_path(lake.warehouse)) / "notes.txt"
    foreign.write_text("mine")
    neighbour = Path(local_path(lake.warehouse)) / "staged" / f"{readings.name}_2" / "part.parquet"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_bytes(b"")
    os.utime(neighbour, (0, 0))
    run(lake, later(days=365))
    assert foreign.exists()
    assert neighbour.exists()


# ---- sets as Spark writes them: files in a subfolder a date


def by_spark(lake: Lake, spec: TableSpec, rows: Rows) -> Staged:
    """Stages rows by day as a Spark job does."""
    attempt = new_attempt(min(rows), max(rows))
    folder = staging_folder(lake.warehouse, spec.name, attempt)
    row_counts = {}
    for when, of_day in rows.items():
        file = Path(local_path(folder)) / f"_date={when}" / "part-0.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(arrow(spec, {when: of_day}), file)
        row_counts[as_uri(file)] = len(of_day)
    return seal(folder, spec.name, attempt, min(rows), max(rows), {"raw.plan": "17"}, row_counts=row_counts)


def test_a_published_set_of_subfolders_keeps_its_manifest_and_can_be_published_again(
    lake: Lake, readings: TableSpec
) -> None:
    staged = by_spark(lake, readings, {day(1): A, day(2): B})
    snapshot = publish(lake, readings, staged)
    run(lake, later(days=4))
    assert load_staged(staged.location) == staged
    assert published_inputs(lake, readings, day(2)) == {"raw.plan": "17"}
    assert publish(lake, readings, staged) == snapshot
    assert published_rows(lake, readings) == {day(1): A, day(2): B}


def test_a_set_with_one_published_day_keeps_its_manifest(lake: Lake, readings: TableSpec, few: int) -> None:
    staged = by_spark(lake, readings, {day(1): A, day(2): B})
    publish(lake, readings, staged)
    for number in range(6):
        publish(lake, readings, by_spark(lake, readings, {day(1): [("a", float(number))]}))
    run(lake, later(days=8))
    assert staged_files(lake) & set(staged.files) == {file for file in staged.files if "_date=2024-01-02" in file}
    assert published_inputs(lake, readings, day(2)) == {"raw.plan": "17"}
    assert load_staged(staged.location) == staged


def test_an_unreferenced_set_is_removed_with_its_manifest(lake: Lake, readings: TableSpec, few: int) -> None:
    abandoned = by_spark(lake, readings, {day(1): A, day(2): B})
    replaced = by_spark(lake, readings, {day(1): A})
    publish(lake, readings, replaced)
    for number in range(6):
        publish(lake, readings, by_spark(lake, readings, {day(1): [("a", float(number))]}))
    run(lake, later(days=8))
    for staged in (abandoned, replaced):
        assert list_files(staged.location) == []
        with pytest.raises(TerminalError, match="the folder holds no complete staged set"):
            load_staged(staged.location)
    assert published_rows(lake, readings) == {day(1): [("a", 5.0)]}


def test_a_set_of_subfolders_that_is_still_being_written_stays(lake: Lake, readings: TableSpec) -> None:
    publish(lake, readings, by_spark(lake, readings, {day(1): A}))
    waiting = by_spark(lake, readings, {day(2): B})
    run(lake)
    publish(lake, readings, load_staged(waiting.location))
    assert published_rows(lake, readings) == {day(1): A, day(2): B}
