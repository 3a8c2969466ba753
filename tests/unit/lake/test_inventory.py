"""Which models use a table, and what a dropped table takes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files, local_path
from nightshift.lake.inventory import drop, list_tables, users
from nightshift.lake.tables import TableSpec
from nightshift.lake.tags import tag_snapshots
from unit.tables import day, publish_rows, published_rows, stage

USED = {"a": frozenset({"plan", "weather"}), "b": frozenset({"weather"})}


@pytest.mark.parametrize(
    ("table", "models"),
    [
        ("raw.weather", ("a", "b")),
        ("quarantine.plan", ("a",)),
        ("tiles.plan", ("a",)),
        ("raw.a", ()),
        ("features.a", ("a",)),
        ("scores.weather", ()),
        ("shadow.c", ()),
        ("monitoring.b", ("b",)),
        ("monitoring.registry_events", ("a", "b")),
    ],
)
def test_a_table_is_used_by_the_models_of_its_source_or_by_its_own(table: str, models: tuple[str, ...]) -> None:
    assert users(table, USED) == models


def test_the_events_of_all_models_are_never_an_orphan() -> None:
    assert users("monitoring.registry_events", {})


def test_an_entry_says_what_is_in_a_table(lake: Lake, readings: TableSpec) -> None:
    snapshot = publish_rows(lake, readings, {day(1): [("a", 1.0)], day(3): [("a", 1.0), ("b", 2.0)]})
    tag_snapshots(lake, {readings.name: snapshot}, "tiny-1")
    [entry] = list_tables(lake, USED)
    assert (entry.table, entry.rows, entry.first, entry.last) == (readings.name, 3, day(1), day(3))
    assert (entry.used_by, entry.tags) == ((), ("tiny-1",)) and entry.size > 0


def test_a_dropped_table_leaves_no_file_and_can_be_published_again(lake: Lake, readings: TableSpec) -> None:
    neighbour = TableSpec(readings.layer, "readings2", readings.columns, "source_date", readings.key)
    for spec in (readings, neighbour):
        publish_rows(lake, spec, {day(1): [("a", 1.0)]})
    stage(lake, readings, {day(2): [("b", 2.0)]})
    before = list_files(lake.warehouse)
    removed = drop(lake, readings.name)
    left = list_files(lake.warehouse)
    assert len(before) - len(left) == removed
    assert not any(f"/{readings.name}/" in file or "/readings/" in file for file in left)
    assert published_rows(lake, neighbour) == {day(1): [("a", 1.0)]}
    publish_rows(lake, readings, {day(1): [("c", 3.0)]})
    assert published_rows(lake, readings) == {day(1): [("c", 3.0)]}
    assert Path(local_path(lake.table(readings.name).metadata_location)).exists()
