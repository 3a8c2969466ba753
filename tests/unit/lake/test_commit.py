"""What a commit costs, counted in files and copies, however many were made before it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import ManifestFile
from pyiceberg.table.snapshots import Snapshot

from nightshift.lake import commit
from nightshift.lake.catalog import Lake
from nightshift.lake.commit import Replacement
from nightshift.lake.publish import publish
from nightshift.lake.read import data_files, published_dates, published_partitions, snapshot_of
from nightshift.lake.tables import TableSpec
from unit.examples import examples
from unit.tables import DAY, Rows, day, publish_rows, published_rows, stage

A, B = [("a", 1.0)], [("b", 2.0)]
NIGHTS = 40


def night(number: int) -> date:
    return DAY + timedelta(days=number)


def manifests(lake: Lake, spec: TableSpec) -> list[ManifestFile]:
    table = lake.table(spec.name)
    head = table.current_snapshot()
    assert head is not None
    return head.manifests(table.io)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The manifests that were opened, in their order."""
    paths: list[str] = []
    real = ManifestFile.fetch_manifest_entry

    def fetch(manifest: ManifestFile, *args: Any, **options: Any) -> Any:
        paths.append(manifest.manifest_path)
        return real(manifest, *args, **options)

    monkeypatch.setattr(ManifestFile, "fetch_manifest_entry", fetch)
    return paths


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The snapshots that were copied with the metadata they are part of."""
    ids: list[int] = []
    real = Snapshot.__deepcopy__

    def copy(snapshot: Snapshot, memo: Any) -> Snapshot:
        ids.append(snapshot.snapshot_id)
        return real(snapshot, memo)

    monkeypatch.setattr(Snapshot, "__deepcopy__", copy)
    return ids


def test_a_late_night_opens_as_many_manifests_as_an_early_one(
    lake: Lake, readings: TableSpec, opened: list[str]
) -> None:
    counts = []
    for number in range(NIGHTS):
        opened.clear()
        publish_rows(lake, readings, {night(number): A})
        counts.append(len(opened))
    # Nothing is known of a new night; what is opened is what is merged, once in a while.
    assert set(counts) == {0, commit.MERGE_COUNT}
    assert counts.count(commit.MERGE_COUNT) == (NIGHTS - 1) // commit.MERGE_COUNT


def test_a_table_of_many_nights_is_few_manifests_and_shows_all_of_them(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "MERGE_COUNT", 3)
    taken = [publish_rows(lake, readings, {night(number): [("a", float(number))]}) for number in range(NIGHTS)]
    # Of 1 or 2, 3 to 8, and 9 to 26 files at most two each, of 27 to 80 one, and the last night's own.
    assert len(manifests(lake, readings)) <= 8
    for number in (0, 5, 26, NIGHTS - 1):
        assert published_rows(lake, readings, taken[number]) == {night(n): [("a", float(n))] for n in range(number + 1)}


def test_a_date_that_is_published_every_night_leaves_nothing_behind(lake: Lake, readings: TableSpec) -> None:
    for number in range(NIGHTS):
        publish_rows(lake, readings, {DAY: [("a", float(number))]})
        # What it adds, and what it drops.
        assert len(manifests(lake, readings)) <= 2
    assert published_rows(lake, readings) == {DAY: [("a", float(NIGHTS - 1))]}


def test_a_commit_copies_each_snapshot_once(lake: Lake, readings: TableSpec, copied: list[int]) -> None:
    for number in range(1, 10):
        publish_rows(lake, readings, {day(number): A})
    copied.clear()
    publish_rows(lake, readings, {day(10): A})
    # PyIceberg's catalogs copy what they are about to write.
    assert len(copied) == len(set(copied)) == 10


def test_a_commit_reads_the_metadata_to_plan_and_to_replace_it(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(lake, readings, {day(1): A})
    staged, loaded, real = stage(lake, readings, {day(2): A}), [], lake.catalog.load_table
    monkeypatch.setattr(lake.catalog, "load_table", lambda name: loaded.append(name) or real(name))
    publish(lake, readings, staged)
    assert len(loaded) == 2


def test_a_night_in_a_merged_manifest_can_be_replaced_and_published_again(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "MERGE_COUNT", 3)
    sets = [stage(lake, readings, {day(number): A}) for number in range(1, 8)]
    for staged in sets:
        publish(lake, readings, staged)
    head = snapshot_of(lake, readings.name)
    assert {publish(lake, readings, staged) for staged in sets} == {head}
    publish_rows(lake, readings, {day(2): B})
    publish_rows(lake, readings, {day(3): []}, day(3), day(3))
    unchanged = {day(number): A for number in (1, 4, 5, 6, 7)}
    assert published_rows(lake, readings) == unchanged | {day(2): B}
    assert published_rows(lake, readings, head) == unchanged | {day(2): A, day(3): A}


def test_reading_some_dates_opens_their_manifests_only(lake: Lake, readings: TableSpec, opened: list[str]) -> None:
    for number in range(1, 8):
        publish_rows(lake, readings, {day(number): A * number})
    opened.clear()
    assert published_dates(lake, readings, (day(6), day(9))) == {day(6): 6, day(7): 7}
    assert len(opened) == 2
    assert published_dates(lake, readings) == {day(number): number for number in range(1, 8)}


def test_the_partitions_within_dates_are_those_of_all_of_them(lake: Lake, readings: TableSpec) -> None:
    old = publish_rows(lake, readings, {day(1): A, day(2): A, day(3): A})
    publish_rows(lake, readings, {day(2): B})
    for snapshot in (None, old):
        everything = published_partitions(lake, readings, snapshot)
        assert published_partitions(lake, readings, snapshot, (day(2), day(2))) == {day(2): everything[day(2)]}
    assert published_partitions(lake, readings, None, (day(4), day(9))) == {}
    assert published_partitions(lake, replace(readings, local_name="none"), None, (day(1), day(9))) == {}


# ---- without a lock, as with a catalog that settles conflicts itself


@pytest.fixture
def interrupted(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What others do, one after the other, between the planning of a commit and the commit."""
    concurrent: list[Any] = []
    real = Replacement.commit

    def planned(replacement: Replacement) -> None:
        real(replacement)
        while concurrent:
            concurrent.pop()()

    monkeypatch.setattr(lake, "lock", lambda name: nullcontext())
    monkeypatch.setattr(commit, "MERGE_COUNT", 3)
    monkeypatch.setattr(Replacement, "commit", planned)
    yield concurrent
    assert not concurrent


@pytest.mark.parametrize("before", range(1, 6))
@pytest.mark.parametrize("between", [1, 3])
def test_nights_published_in_between_stay(
    lake: Lake, readings: TableSpec, interrupted: list[Any], before: int, between: int
) -> None:
    for number in range(1, before + 1):
        publish_rows(lake, readings, {day(number): A})
    late = stage(lake, readings, {day(1): B})
    sets = [stage(lake, readings, {day(10 + number): A}) for number in range(between)]
    interrupted.extend([lambda: [publish(lake, readings, staged) for staged in sets]])
    publish(lake, readings, late)
    nights = [*range(2, before + 1), *range(10, 10 + between)]
    assert published_rows(lake, readings) == {day(1): B} | {day(number): A for number in nights}


@pytest.mark.parametrize("same", [day(2), day(7)])
def test_a_concurrently_published_night_is_planned_again(
    lake: Lake, readings: TableSpec, interrupted: list[Any], same: date
) -> None:
    for number in range(1, 7):
        publish_rows(lake, readings, {day(number): A})
    late, concurrent = (stage(lake, readings, {same: rows}) for rows in (B, [("c", 3.0)]))
    interrupted.append(lambda: publish(lake, readings, concurrent))
    publish(lake, readings, late)
    assert published_rows(lake, readings) == {day(number): A for number in range(1, 7)} | {same: B}
    assert len(data_files(lake, readings, same, same)) == 1


@pytest.mark.parametrize("answers", [1, 3])
@pytest.mark.parametrize("night", [day(1), day(2), day(3)])
def test_a_catalog_that_is_a_version_behind_loses_nothing(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch, night: date, answers: int
) -> None:
    """As a replica is for a moment: a night is replaced once, though the plan did not know its files."""
    newest = lake.catalog.load_table
    publish_rows(lake, readings, {day(1): A})
    behind = [newest(readings.name) for _ in range(answers)]
    publish_rows(lake, readings, {day(2): A})
    staged = stage(lake, readings, {night: B})
    with monkeypatch.context() as patch:
        patch.setattr(lake.catalog, "load_table", lambda name: behind.pop() if behind else newest(name))
        publish(lake, readings, staged)
    assert not behind
    assert published_rows(lake, readings) == {day(1): A, day(2): A} | {night: B}
    assert len(data_files(lake, readings, night, night)) == 1


def test_a_catalog_that_does_not_know_a_new_table_yet_makes_no_second(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(lake, readings, {day(1): A})
    staged, newest, behind = stage(lake, readings, {day(2): B}), lake.catalog.load_table, [NoSuchTableError("behind")]

    def load(name: str) -> Any:
        if behind:
            raise behind.pop()
        return newest(name)

    monkeypatch.setattr(lake.catalog, "load_table", load)
    publish(lake, readings, staged)
    assert published_rows(lake, readings) == {day(1): A, day(2): B}


numbers = itertools.count()


@examples(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3), st.booleans()), min_size=6, max_size=14))
def test_any_sequence_of_merging_leaves_what_a_dictionary_would_hold_at_every_snapshot(
    lake: Lake, readings: TableSpec, steps: list[tuple[int, int, bool]]
) -> None:
    spec = replace(readings, local_name=f"merged_{next(numbers)}")
    expected: Rows = {}
    history: dict[int, Rows] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "MERGE_COUNT", 2)
        for number, (start, length, empty) in enumerate(steps):
            days = [day(start + i) for i in range(length)]
            rows: Rows = {when: [] if empty else [("a", float(number))] for when in days}
            snapshot = publish(lake, spec, stage(lake, spec, rows, days[0], days[-1]))
            expected = {when: of_night for when, of_night in (expected | rows).items() if of_night}
            history[snapshot] = expected
    for snapshot, rows in history.items():
        assert published_rows(lake, spec, snapshot) == rows
    assert published_dates(lake, spec) == {when: len(of_night) for when, of_night in expected.items()}
