from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.features.plan import SPANS, Tile, cover
from nightshift.features.tiles import PublishedTile, TilePlan, consecutive_tiles, plan_tiles, tile_fingerprint
from unit.examples import examples
from unit.features.spans import DAY, START, Versions, tile_at, versions

Content = frozenset[tuple[date, str]]


def building(work: TilePlan) -> set[Tile]:
    return {tile for tiles in work.build.values() for tile in tiles}


class Store:
    """Published tiles as a dictionary, and in each file the versions of the days it was made from."""

    def __init__(self) -> None:
        self.kept: dict[Tile, PublishedTile] = {}
        self.files: dict[str, Content] = {}

    def find(self, tiles: set[Tile]) -> dict[Tile, PublishedTile]:
        return {tile: self.kept[tile] for tile in tiles if tile in self.kept}

    def run(self, needed: Iterable[Tile], days: Versions, recipe: str = "recipe") -> TilePlan:
        """Plans, makes what is to be made as a job does it, and publishes it."""
        work = plan_tiles(needed, days, recipe, self.find)
        files = dict(work.read)
        for span in SPANS:
            for tile, origin in work.build[span].items():
                if span == 1:
                    content = frozenset({(tile.start, days[tile.start])})
                else:
                    parts = [files[part] for part in tile.parts if part in files]
                    content = frozenset().union(*(self.files[name] for names in parts for name in names))
                name = f"{tile.start}-{tile.days}-{len(self.files)}"
                self.files[name] = content
                files[tile] = {name: 1}
                self.kept[tile] = PublishedTile({name: 1}, origin)
        self.seen = {tile: frozenset().union(*(self.files[name] for name in files.get(tile, ()))) for tile in needed}
        return work


# ---- which tiles are read and which are made


def test_a_cold_start_makes_everything_that_is_needed_and_its_parts() -> None:
    needed = set(cover(START, START + 80 * DAY))  # one of 64, two of 8, one of 1
    work = Store().run(needed, versions(-10, 90))
    parts = {part for tile in needed for part in tile.parts}
    assert work.read == {}
    assert building(work) == needed | parts | {part for tile in parts for part in tile.parts}
    assert {span: len(tiles) for span, tiles in work.build.items()} == {1: 81, 8: 10, 64: 1}


def test_the_plan_has_every_span_even_if_it_is_empty() -> None:
    work = plan_tiles([], {}, "recipe", lambda tiles: {})
    assert work == TilePlan({}, {span: {} for span in SPANS})


def test_a_second_run_builds_no_tile_and_reads_exactly_the_needed_ones() -> None:
    store, needed, days = Store(), set(cover(START + 3 * DAY, START + 80 * DAY)), versions(0, 90)
    store.run(needed, days)
    work = store.run(needed, days)
    assert building(work) == set()
    assert work.read == {tile: store.kept[tile].files for tile in needed}


def test_the_next_night_builds_one_day_and_the_tiles_it_completes() -> None:
    store, days = Store(), versions(0, 80)
    store.run(cover(START, START + 70 * DAY), days)
    work = store.run(cover(START + DAY, START + 71 * DAY), days)
    # The window begins a day later: its first tiles are shorter ones that lie within the long one of before.
    assert building(work) == {tile_at(64, 8), tile_at(71, 1)}
    assert set(work.read) == {*cover(START + DAY, START + 63 * DAY), *(tile_at(n, 1) for n in range(64, 71))}


@pytest.mark.parametrize("restated", [0, 13, 63, 64, 71, 80])
def test_a_restated_day_is_rebuilt_with_only_the_longer_tiles_around_it(restated: int) -> None:
    store, needed, days = Store(), set(cover(START, START + 80 * DAY)), versions(0, 80)
    store.run(needed, days)
    work = store.run(needed, days | {START + restated * DAY: "b"})
    day = START + restated * DAY
    holding = {tile for tile in store.kept if tile.start <= day <= tile.last}
    assert building(work) == holding
    parts = {part for tile in holding for part in tile.parts}
    assert set(work.read) == (needed | parts) - holding
    assert len(holding) == (3 if restated < 64 else 2 if restated < 80 else 1)


def test_a_day_restated_outside_the_window_rebuilds_no_tile() -> None:
    store, needed, days = Store(), set(cover(START + 8 * DAY, START + 30 * DAY)), versions(0, 40)
    store.run(needed, days)
    assert building(store.run(needed, days | {START: "b", START + 31 * DAY: "b"})) == set()


def test_a_day_restated_where_only_a_shorter_window_is_needed_leaves_the_long_tile_for_the_night_that_needs_it() -> (
    None
):
    store, days = Store(), versions(0, 63)
    store.run({tile_at(0, 64)}, days)
    restated = days | {START + 60 * DAY: "b"}
    assert building(store.run(cover(START + 57 * DAY, START + 63 * DAY), restated)) == {tile_at(60, 1)}
    work = store.run({tile_at(0, 64)}, restated)
    assert building(work) == {tile_at(0, 64), tile_at(56, 8)}
    assert set(work.read) == {*tile_at(0, 64).parts, *tile_at(56, 8).parts} - {tile_at(56, 8)}


def test_a_late_day_is_built_and_the_longer_tiles_around_it_are_rebuilt() -> None:
    store, needed = Store(), {tile_at(0, 8)}
    store.run(needed, {day: v for day, v in versions(0, 7).items() if day != START + 5 * DAY})
    assert tile_at(5, 1) not in store.kept
    assert building(store.run(needed, versions(0, 7))) == {tile_at(0, 8), tile_at(5, 1)}


def test_a_removed_day_has_no_tile_and_longer_tiles_are_rebuilt_without_it() -> None:
    store, needed = Store(), {tile_at(0, 8)}
    store.run(needed, versions(0, 7))
    work = store.run(needed, {day: v for day, v in versions(0, 7).items() if day != START + 5 * DAY})
    assert building(work) == {tile_at(0, 8)}
    assert set(work.read) == {tile_at(n, 1) for n in (0, 1, 2, 3, 4, 6, 7)}


def test_another_recipe_makes_everything_again() -> None:
    store, needed, days = Store(), set(cover(START, START + 80 * DAY)), versions(0, 80)
    first = store.run(needed, days)
    again = store.run(needed, days, "another")
    assert (again.read, building(again)) == ({}, building(first))


@pytest.mark.parametrize("days", [{}, versions(-5, -1), versions(81, 85)])
def test_days_the_source_does_not_have_make_no_tile(days: Versions) -> None:
    work = Store().run(cover(START, START + 80 * DAY), days)
    assert (work.read, building(work)) == ({}, set())


def test_a_tile_is_built_from_the_one_day_that_the_source_has() -> None:
    assert building(Store().run({tile_at(0, 64)}, versions(20, 20))) == {tile_at(0, 64), tile_at(16, 8), tile_at(20, 1)}


def test_only_tiles_of_which_the_source_has_a_day_are_looked_for() -> None:
    requests: list[set[Tile]] = []

    def find(tiles: set[Tile]) -> dict[Tile, PublishedTile]:
        requests.append(tiles)
        return {}

    plan_tiles(cover(START, START + 80 * DAY), versions(20, 20), "recipe", find)
    assert set().union(*requests) == {tile_at(0, 64), tile_at(16, 8), tile_at(20, 1)}


offsets = st.integers(0, 150)
spans_of_days = st.tuples(offsets, st.integers(0, 90))
# What happens between runs: a day lands anew in some version (or goes, for None), or the declaration changes.
events = st.lists(
    st.one_of(st.tuples(offsets, st.sampled_from(["b", "c", None])), st.sampled_from(["r1", "r2"])), max_size=4
)
nights = st.lists(st.tuples(st.lists(spans_of_days, min_size=1, max_size=3), events), min_size=1, max_size=5)


@examples(max_examples=100)
@given(nights, st.sets(offsets))
def test_after_any_changes_every_tile_is_current_and_built_once(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, str | None] | str]]], gaps: set[int]
) -> None:
    store, recipe = Store(), "r1"
    days = {START + n * DAY: "a" for n in range(250) if n not in gaps}
    for windows, happened in steps:
        for event in happened:
            if isinstance(event, str):
                recipe = event
            elif event[1] is None:
                days.pop(START + event[0] * DAY, None)
            else:
                days[START + event[0] * DAY] = event[1]
        needed = {tile for first, more in windows for tile in cover(START + first * DAY, START + (first + more) * DAY)}
        before = dict(store.kept)
        work = store.run(needed, days, recipe)
        assert store.seen == {tile: frozenset((d, days[d]) for d in tile.dates if d in days) for tile in needed}
        # Nothing good is made again, and nothing is read or made that nobody needs.
        good = {tile for tile, stored in before.items() if stored.fingerprint == tile_fingerprint(tile, days, recipe)}
        assert not building(work) & good
        assert set(work.read) <= good
        used = needed | {part for tile in building(work) for part in tile.parts}
        assert set(work.read) | building(work) == {tile for tile in used if any(day in days for day in tile.dates)}
        assert all(tile.days == span for span, tiles in work.build.items() for tile in tiles)
        again = plan_tiles(needed, days, recipe, store.find)
        assert building(again) == set()


# ---- what a tile was made from


def test_a_fingerprint_depends_on_the_versions_of_the_days_and_the_recipe() -> None:
    days = versions(0, 9)
    fingerprint = tile_fingerprint(tile_at(0, 8), days, "recipe")
    assert fingerprint == tile_fingerprint(tile_at(0, 8), dict(reversed(days.items())), "recipe")
    assert fingerprint == tile_fingerprint(tile_at(0, 8), days | {START + 8 * DAY: "b"}, "recipe")
    changed = [
        tile_fingerprint(tile_at(0, 8), days, "another"),
        *(tile_fingerprint(tile_at(0, 8), days | {START + n * DAY: "b"}, "recipe") for n in range(8)),
        *(
            tile_fingerprint(tile_at(0, 8), {d: v for d, v in days.items() if d != START + n * DAY}, "recipe")
            for n in range(8)
        ),
    ]
    assert len({fingerprint, *changed}) == 1 + len(changed)


def test_a_tile_without_any_of_its_days_has_no_fingerprint() -> None:
    assert tile_fingerprint(tile_at(0, 8), versions(8, 20), "recipe") is None
    assert tile_fingerprint(tile_at(0, 1), {}, "recipe") is None


# ---- runs


@given(st.sampled_from(SPANS), st.sets(st.integers(0, 40)))
def test_runs_have_every_tile_once_and_no_gaps(span: int, numbers: set[int]) -> None:
    tiles = {tile_at(n * span, span) for n in numbers}
    runs = consecutive_tiles(tiles)
    assert [tile for run in runs for tile in run] == sorted(tiles)
    for run in runs:
        # Publishing a run replaces every first day from its first to its last.
        assert {run[0].start + n * DAY for n in range(0, (run[-1].start - run[0].start).days + 1, span)} == {
            tile.start for tile in run
        }
    # As few as can be: no run goes on where the next begins.
    assert all(tile[-1].last + DAY < two[0].start for tile, two in pairwise(runs))


def test_no_tiles_are_no_runs() -> None:
    assert consecutive_tiles([]) == []
