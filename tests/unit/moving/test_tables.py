"""A warehouse that was moved: every snapshot is read there as before, and it goes on being written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files, read_bytes
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.read import published_partitions
from nightshift.lake.staging import published_folder, published_inputs
from nightshift.lake.tables import TableSpec
from nightshift.lake.tags import tag_snapshots
from nightshift.moving.files import Places, copy_warehouse
from nightshift.moving.tables import compare_tables, plan_tables, register_tables
from nightshift.settings import Settings
from unit.tables import Rows, day, publish_rows, published_rows, stage

OLD, NEW = "/data/var/warehouse", "s3://lake/warehouse"
PLACES = Places.of((OLD, NEW), ("/data/var/mlflow", "s3://lake/mlflow"))


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (f"file://{OLD}/raw/x.parquet", f"{NEW}/raw/x.parquet"),
        (f"{OLD}/raw/x.parquet", f"{NEW}/raw/x.parquet"),
        (OLD, NEW),
        (f"{OLD}2/raw/x.parquet", f"{OLD}2/raw/x.parquet"),
        ("file:///data/var/mlflow/1/a b", "s3://lake/mlflow/1/a b"),
        ("a machine", "a machine"),
        ("", ""),
    ],
)
def test_an_address_is_moved_and_no_other_text(text: str, moved: str) -> None:
    assert PLACES.moved(text) == moved


PLAIN = st.text() | st.integers() | st.booleans() | st.none()
JSON = st.recursive(PLAIN, lambda part: st.lists(part) | st.dictionaries(st.text(), part))


@given(JSON)
def test_values_without_addresses_stay_as_they_are(value: object) -> None:
    assert PLACES.moved_within(value) == value


def test_inputs_are_named_by_their_new_files() -> None:
    moved = PLACES.moved_within({"inputs": {f"file://{OLD}/a": "digest"}, f"nightshift.input.file://{OLD}/b": "x"})
    assert moved == {"inputs": {f"{NEW}/a": "digest"}, f"nightshift.input.{NEW}/b": "x"}


@pytest.fixture
def copy(settings: Settings, tmp_path: Path) -> Settings:
    """Where the installation moves to: another folder, with a space in its name."""
    return settings.model_copy(update={"var": tmp_path / "new place"})


def move(old: Settings, new: Settings) -> tuple[Lake, Lake]:
    old_lake, new_lake = Lake(old), Lake(new)
    places = Places.of((old.warehouse_uri, new.warehouse_uri))
    plan = plan_tables(old_lake, new_lake, places)
    copy_warehouse(old.warehouse_uri, new.warehouse_uri, places, lambda line: None)
    register_tables(new_lake, plan)
    return old_lake, new_lake


HISTORY: list[Rows] = [
    {day(1): [("a", 1.0), ("b", 2.0)], day(2): [("a", 3.0)]},
    {day(2): [("a", 4.0), ("c", 5.0)]},
    {day(3): [("c", 6.0)]},
]


def test_every_snapshot_and_tag_is_read_as_before(settings: Settings, copy: Settings, readings: TableSpec) -> None:
    lake = Lake(settings)
    snapshots = [publish_rows(lake, readings, rows) for rows in HISTORY]
    tag_snapshots(lake, {readings.name: snapshots[0]}, "tiny.1")
    before = [published_rows(lake, readings, snapshot) for snapshot in snapshots]
    old, new = move(settings, copy)
    assert [comparison.is_equal for comparison in compare_tables(old, new, [readings.name])] == [True]
    shutil.rmtree(settings.var_path)  # nothing of the old place is needed
    assert [published_rows(new, readings, snapshot) for snapshot in snapshots] == before
    assert new.table(readings.name).refs()["tiny.1"].snapshot_id == snapshots[0]


def test_no_file_names_the_old_place(settings: Settings, copy: Settings, readings: TableSpec) -> None:
    for rows in HISTORY:
        publish_rows(Lake(settings), readings, rows)
    move(settings, copy)
    assert [
        file for file in list_files(copy.warehouse_uri) if settings.warehouse_uri.encode() in read_bytes(file)
    ] == []


def test_it_goes_on_in_the_new_place(settings: Settings, copy: Settings, readings: TableSpec) -> None:
    for rows in HISTORY:
        publish_rows(Lake(settings), readings, rows)
    _, new = move(settings, copy)
    publish_rows(new, readings, {day(2): [("z", 9.0)]})
    assert published_rows(new, readings) == HISTORY[0] | HISTORY[2] | {day(2): [("z", 9.0)]} | {
        day(1): HISTORY[0][day(1)]
    }
    partition = published_partitions(new, readings)[day(3)]
    assert published_folder(new, readings, partition).startswith(new.warehouse)
    assert published_inputs(new, readings, day(3)) == dict(readings.inputs)
    assert maintain_tables(new, lambda line: None)[readings.name] == {"snapshots": 0, "files": 0}


def test_interrupted_and_run_again_it_ends_the_same(
    settings: Settings, copy: Settings, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(Lake(settings), readings, HISTORY[0])
    stage(Lake(settings), readings, HISTORY[1])  # of a task that did not publish it
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(
            "nightshift.moving.files.move_avro", lambda *_: (_ for _ in ()).throw(OSError("the disk is full"))
        )
        move(settings, copy)
    old, new = move(settings, copy)
    move(settings, copy)
    assert compare_tables(old, new, [readings.name])[0].is_equal


def test_a_place_with_tables_of_its_own_is_refused_untouched(
    settings: Settings, copy: Settings, readings: TableSpec
) -> None:
    publish_rows(Lake(settings), readings, HISTORY[0])
    publish_rows(Lake(copy), readings, HISTORY[2])
    files = list_files(copy.warehouse_uri)
    with pytest.raises(TerminalError, match="another table of this name"):
        move(settings, copy)
    assert list_files(copy.warehouse_uri) == files
    assert published_rows(Lake(copy), readings) == HISTORY[2]


def test_a_difference_is_seen(settings: Settings, copy: Settings, readings: TableSpec) -> None:
    for rows in HISTORY:
        publish_rows(Lake(settings), readings, rows)
    old, new = move(settings, copy)
    publish_rows(new, readings, {day(3): [("c", 6.5)]})
    assert not compare_tables(old, new, [readings.name])[0].is_equal
    assert json.loads((copy.var_path / "format.json").read_text())["format"] == 1
