from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features import partials
from nightshift.features import tiles as tiles_module
from nightshift.features.partials import LIMBS
from nightshift.features.plan import SPANS, Tile, cover
from nightshift.features.tiles import (
    OVERALL,
    Kept,
    TileWork,
    group_name,
    grouped,
    kept_tiles,
    made_from,
    plan_tiles,
    recipe,
    runs,
    tiles_table,
)
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import new_attempt, seal, stage_arrow, staging_folder
from nightshift.lake.tables import TableSpec
from nightshift.types import Staged
from unit.tables import EARLY, LATE

DAY = timedelta(days=1)
# The first day of a tile of 64 days, and so of one of 8 and of one of 1.
START = date.fromordinal(date(2024, 1, 1).toordinal() // 64 * 64)

Versions = dict[date, str]
Content = frozenset[tuple[date, str]]


def tile(offset: int, days: int) -> Tile:
    return Tile(START + offset * DAY, days)


def versions(first: int, last: int, version: str = "a") -> Versions:
    return {START + n * DAY: version for n in range(first, last + 1)}


def building(work: TileWork) -> set[Tile]:
    return {one for tiles in work.build.values() for one in tiles}


class Store:
    """Published tiles as a dictionary, and in each file the versions of the days it was made from."""

    def __init__(self) -> None:
        self.kept: dict[Tile, Kept] = {}
        self.files: dict[str, Content] = {}

    def find(self, tiles: set[Tile]) -> dict[Tile, Kept]:
        return {one: self.kept[one] for one in tiles if one in self.kept}

    def run(self, needed: Iterable[Tile], there: Versions, how: str = "recipe") -> TileWork:
        """Plans, makes what is to be made as a job does it, and publishes it."""
        work = plan_tiles(needed, there, how, self.find)
        files = dict(work.read)
        for span in SPANS:
            for one, origin in work.build[span].items():
                if span == 1:
                    content = frozenset({(one.start, there[one.start])})
                else:
                    parts = [files[part] for part in one.parts if part in files]
                    content = frozenset().union(*(self.files[name] for names in parts for name in names))
                name = f"{one.start}-{one.days}-{len(self.files)}"
                self.files[name] = content
                files[one] = {name: 1}
                self.kept[one] = Kept({name: 1}, origin)
        self.seen = {one: frozenset().union(*(self.files[name] for name in files.get(one, ()))) for one in needed}
        return work


# ---- which tiles are read and which are made


def test_a_cold_start_makes_everything_that_is_needed_and_its_parts() -> None:
    needed = set(cover(START, START + 80 * DAY))  # one of 64, two of 8, one of 1
    work = Store().run(needed, versions(-10, 90))
    parts = {part for one in needed for part in one.parts}
    assert work.read == {}
    assert building(work) == needed | parts | {part for one in parts for part in one.parts}
    assert {span: len(tiles) for span, tiles in work.build.items()} == {1: 81, 8: 10, 64: 1}


def test_every_span_is_told_even_if_there_is_nothing_to_do() -> None:
    work = plan_tiles([], {}, "recipe", lambda tiles: {})
    assert work == TileWork({}, {span: {} for span in SPANS})


def test_a_second_run_makes_nothing_and_reads_exactly_what_is_needed() -> None:
    store, needed, there = Store(), set(cover(START + 3 * DAY, START + 80 * DAY)), versions(0, 90)
    store.run(needed, there)
    work = store.run(needed, there)
    assert building(work) == set()
    assert work.read == {one: store.kept[one].files for one in needed}


def test_the_next_night_makes_one_day_and_what_that_completes() -> None:
    store, there = Store(), versions(0, 80)
    store.run(cover(START, START + 70 * DAY), there)
    work = store.run(cover(START + DAY, START + 71 * DAY), there)
    # The window begins a day later: its first tiles are shorter ones that lie within the long one of before.
    assert building(work) == {tile(64, 8), tile(71, 1)}
    assert set(work.read) == {*cover(START + DAY, START + 63 * DAY), *(tile(n, 1) for n in range(64, 71))}


@pytest.mark.parametrize("restated", [0, 13, 63, 64, 71, 80])
def test_a_restated_day_is_made_again_with_the_longer_tiles_that_hold_it_and_nothing_else(restated: int) -> None:
    store, needed, there = Store(), set(cover(START, START + 80 * DAY)), versions(0, 80)
    store.run(needed, there)
    work = store.run(needed, there | {START + restated * DAY: "b"})
    day = START + restated * DAY
    holding = {one for one in store.kept if one.start <= day <= one.last}
    assert building(work) == holding
    parts = {part for one in holding for part in one.parts}
    assert set(work.read) == (needed | parts) - holding
    assert len(holding) == (3 if restated < 64 else 2 if restated < 80 else 1)


def test_a_day_restated_outside_the_window_makes_nothing_again() -> None:
    store, needed, there = Store(), set(cover(START + 8 * DAY, START + 30 * DAY)), versions(0, 40)
    store.run(needed, there)
    assert building(store.run(needed, there | {START: "b", START + 31 * DAY: "b"})) == set()


def test_a_day_restated_where_only_a_shorter_window_is_needed_leaves_the_long_tile_for_the_night_that_needs_it() -> (
    None
):
    store, there = Store(), versions(0, 63)
    store.run({tile(0, 64)}, there)
    restated = there | {START + 60 * DAY: "b"}
    assert building(store.run(cover(START + 57 * DAY, START + 63 * DAY), restated)) == {tile(60, 1)}
    work = store.run({tile(0, 64)}, restated)
    assert building(work) == {tile(0, 64), tile(56, 8)}
    assert set(work.read) == {*tile(0, 64).parts, *tile(56, 8).parts} - {tile(56, 8)}


def test_a_day_that_comes_late_is_made_with_the_longer_tiles_that_were_made_without_it() -> None:
    store, needed = Store(), {tile(0, 8)}
    store.run(needed, {day: v for day, v in versions(0, 7).items() if day != START + 5 * DAY})
    assert tile(5, 1) not in store.kept
    assert building(store.run(needed, versions(0, 7))) == {tile(0, 8), tile(5, 1)}


def test_a_day_that_is_no_more_is_neither_read_nor_made_and_longer_tiles_are_made_without_it() -> None:
    store, needed = Store(), {tile(0, 8)}
    store.run(needed, versions(0, 7))
    work = store.run(needed, {day: v for day, v in versions(0, 7).items() if day != START + 5 * DAY})
    assert building(work) == {tile(0, 8)}
    assert set(work.read) == {tile(n, 1) for n in (0, 1, 2, 3, 4, 6, 7)}


def test_another_recipe_makes_everything_again() -> None:
    store, needed, there = Store(), set(cover(START, START + 80 * DAY)), versions(0, 80)
    first = store.run(needed, there)
    again = store.run(needed, there, "another")
    assert (again.read, building(again)) == ({}, building(first))


@pytest.mark.parametrize("there", [{}, versions(-5, -1), versions(81, 85)])
def test_days_the_source_does_not_have_make_no_tile(there: Versions) -> None:
    work = Store().run(cover(START, START + 80 * DAY), there)
    assert (work.read, building(work)) == ({}, set())


def test_a_tile_of_which_the_source_has_one_day_is_made_of_that_day() -> None:
    assert building(Store().run({tile(0, 64)}, versions(20, 20))) == {tile(0, 64), tile(16, 8), tile(20, 1)}


def test_only_tiles_of_which_the_source_has_a_day_are_looked_for() -> None:
    asked: list[set[Tile]] = []

    def find(tiles: set[Tile]) -> dict[Tile, Kept]:
        asked.append(tiles)
        return {}

    plan_tiles(cover(START, START + 80 * DAY), versions(20, 20), "recipe", find)
    assert set().union(*asked) == {tile(0, 64), tile(16, 8), tile(20, 1)}


offsets = st.integers(0, 150)
spans_of_days = st.tuples(offsets, st.integers(0, 90))
# What happens between runs: a day lands anew in some version (or goes, for None), or the declaration changes.
events = st.lists(
    st.one_of(st.tuples(offsets, st.sampled_from(["b", "c", None])), st.sampled_from(["r1", "r2"])), max_size=4
)
nights = st.lists(st.tuples(st.lists(spans_of_days, min_size=1, max_size=3), events), min_size=1, max_size=5)


@examples(max_examples=100)
@given(nights, st.sets(offsets))
def test_whatever_happens_between_runs_every_tile_holds_its_days_as_they_are_now_and_no_work_is_done_twice(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, str | None] | str]]], gaps: set[int]
) -> None:
    store, how = Store(), "r1"
    there = {START + n * DAY: "a" for n in range(250) if n not in gaps}
    for windows, happened in steps:
        for event in happened:
            if isinstance(event, str):
                how = event
            elif event[1] is None:
                there.pop(START + event[0] * DAY, None)
            else:
                there[START + event[0] * DAY] = event[1]
        needed = {one for first, more in windows for one in cover(START + first * DAY, START + (first + more) * DAY)}
        before = dict(store.kept)
        work = store.run(needed, there, how)
        assert store.seen == {one: frozenset((d, there[d]) for d in one.dates if d in there) for one in needed}
        # Nothing good is made again, and nothing is read or made that nobody needs.
        good = {one for one, kept in before.items() if kept.made_from == made_from(one, there, how)}
        assert not building(work) & good
        assert set(work.read) <= good
        used = needed | {part for one in building(work) for part in one.parts}
        assert set(work.read) | building(work) == {one for one in used if any(day in there for day in one.dates)}
        assert all(one.days == span for span, tiles in work.build.items() for one in tiles)
        again = plan_tiles(needed, there, how, store.find)
        assert building(again) == set()


# ---- what a tile was made from


def test_what_a_tile_was_made_from_follows_the_versions_of_its_days_and_the_recipe() -> None:
    there = versions(0, 9)
    told = made_from(tile(0, 8), there, "recipe")
    assert told == made_from(tile(0, 8), dict(reversed(there.items())), "recipe")
    assert told == made_from(tile(0, 8), there | {START + 8 * DAY: "b"}, "recipe")
    others = [
        made_from(tile(0, 8), there, "another"),
        *(made_from(tile(0, 8), there | {START + n * DAY: "b"}, "recipe") for n in range(8)),
        *(made_from(tile(0, 8), {d: v for d, v in there.items() if d != START + n * DAY}, "recipe") for n in range(8)),
    ]
    assert len({told, *others}) == 1 + len(others)


def test_a_tile_without_any_of_its_days_is_made_from_nothing() -> None:
    assert made_from(tile(0, 8), versions(8, 20), "recipe") is None
    assert made_from(tile(0, 1), {}, "recipe") is None


# ---- runs


@given(st.sampled_from(SPANS), st.sets(st.integers(0, 40)))
def test_runs_hold_every_tile_once_and_none_spans_a_tile_that_is_not_in_it(span: int, numbers: set[int]) -> None:
    tiles = {tile(n * span, span) for n in numbers}
    found = runs(tiles)
    assert [one for run in found for one in run] == sorted(tiles)
    for run in found:
        # Publishing a run replaces every first day from its first to its last.
        assert {run[0].start + n * DAY for n in range(0, (run[-1].start - run[0].start).days + 1, span)} == {
            one.start for one in run
        }
    # As few as can be: no run goes on where the next begins.
    assert all(one[-1].last + DAY < two[0].start for one, two in pairwise(found))


def test_no_tiles_are_no_runs() -> None:
    assert runs([]) == []


# ---- the recipe

DECLARED = """
    event_time: timestampadd(HOUR, 7, cast(source_date as timestamp_ntz))
    timezone: America/New_York
    derived:
      kind: {expression: "substring(machine, 1, 1)", type: string}"""
AGGREGATES = """
    machine_failures:
      source: failures
      by: [machine]
      agg: rate
      where: failed
      windows: [3d]
      default: 0.5
      description: How often it failed lately
    kind_last:
      source: failures
      by: [kind]
      agg: last
      value: cast(failed as int)
      where: machine is not null
      windows: [7d]
      description: What became of the last of its kind
    planned:
      source: plan
      by: []
      agg: count
      windows: [1d]
      description: Machines that run"""

Recipe = Callable[..., str]


@pytest.fixture
def recipe_of(models: Path) -> Recipe:
    """The recipe of the failures' tiles, after replacing texts that occur once in the definition."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    start, end = text.index("\n    machine_failures:"), text.index("\n\ntraining:")
    text = text[:start] + AGGREGATES + text[end:]
    text = text.replace("    available: {after: 24h}", f"    available: {{after: 24h}}{DECLARED}")
    # The observations have the same derived column, by which the aggregate is looked up.
    text = text.replace(
        "    available: {after: 1h}", "    available: {after: 1h}\n" + DECLARED[DECLARED.index("    derived") :]
    )

    def made(*changes: tuple[str, str]) -> str:
        now = text
        for old, new in changes:
            assert now.count(old) == 1, f"{old!r} occurs {now.count(old)} times"
            now = now.replace(old, new)
        file.write_text(now)
        return recipe(load_definition(models / "tiny"), "failures")

    return made


MATTERS = {
    "the aggregation": ("agg: rate\n", "agg: count\n"),
    "the value": ("value: cast(failed as int)", "value: cast(failed as int) + 1"),
    "a condition": ("where: machine is not null", "where: failed is not null"),
    "no condition": ("      where: machine is not null\n", ""),
    "the key": ("by: [machine]", "by: []"),
    "a longer key": ("by: [machine]", "by: [machine, kind]"),
    "the type": (
        "value: cast(failed as int)\n",
        "value: cast(failed as int)\n      type: category\n",
    ),
    "the aggregate's name": ("    machine_failures:", "    failures_of_machine:"),
    "one aggregate more": (
        "    planned:\n",
        "    rows: {source: failures, by: [], agg: count, windows: [1d], description: d}\n    planned:\n",
    ),
    "the event time": ("timestampadd(HOUR, 7,", "timestampadd(HOUR, 8,"),
    "no event time at all": (
        "    event_time: timestampadd(HOUR, 7, cast(source_date as timestamp_ntz))\n    timezone",
        "    event_time: source_date\n    timezone",
    ),
    "the time zone": ("timezone: America/New_York", "timezone: Asia/Tokyo"),
    "no time zone": ("    timezone: America/New_York\n", ""),
    "the availability": ("available: {after: 24h}", "available: {after: 25h}"),
}
# What is told to people, or chosen when a feature is made of tiles, or belongs to another source.
MATTERS_NOT = {
    "what it means": ("description: How often it failed lately", "description: Lately"),
    "the source's description": ("description: What became of them.", "description: Outcomes"),
    "the default": ("default: 0.5", "default: 0.25"),
    "no default": ("      default: 0.5\n", ""),
    "the windows": ("windows: [3d]", "windows: [1d, 90d]"),
    "the availability in other words": ("available: {after: 24h}", "available: {after: 1d}"),
    "when nights run": ('at: "06:00"', 'at: "07:00"'),
    "the schedule's time zone beside the source's own": ("timezone: UTC", "timezone: Europe/Paris"),
    "the aggregates of another source": ("agg: count", "agg: count\n      where: load > 0.5"),
    "when another source is there": ("available: {after: 1h}", "available: {after: 2h}"),
    "bounds that are checked": ("failed: {type: boolean}", "failed: {type: boolean, required: true}"),
    "how long a file may land again": ("available: {after: 24h}", "available: {after: 24h}\n    restates: 3d"),
    "a row feature": ("busy: {expression: load,", "busy: {expression: load * 2,"),
    "the estimator": ("{C: 1.0}", "{C: 2.0}"),
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS)
def test_the_recipe_changes_with_all_that_a_tile_holds(recipe_of: Recipe, change: tuple[str, str]) -> None:
    assert recipe_of() != recipe_of(change)


@pytest.mark.parametrize("change", MATTERS_NOT.values(), ids=MATTERS_NOT)
def test_the_recipe_does_not_change_with_anything_else(recipe_of: Recipe, change: tuple[str, str]) -> None:
    assert recipe_of() == recipe_of(change)


@pytest.mark.parametrize("part", ["expression", "type"])
def test_the_recipe_changes_with_a_derived_column(recipe_of: Recipe, models: Path, part: str) -> None:
    before = recipe_of()
    definition = load_definition(models / "tiny")
    source = definition.sources["failures"]
    other = {"expression": "substring(machine, 2, 1)", "type": "integer"}[part]
    derived = {"kind": source.derived["kind"].model_copy(update={part: other})}
    sources = {**definition.sources, "failures": source.model_copy(update={"derived": derived})}
    assert recipe(definition.model_copy(update={"sources": sources}), "failures") != before


def test_the_recipe_does_not_change_with_the_order_of_what_is_declared(recipe_of: Recipe, models: Path) -> None:
    """To move an aggregate or a column up the page is not to make years of tiles again."""
    recipe_of()
    definition = load_definition(models / "tiny")
    source, features = definition.sources["failures"], definition.features
    derived = {"other": source.derived["kind"].model_copy(update={"type": "integer"}), **source.derived}

    def ordered(turned: bool, again: bool) -> str:
        columns = dict(reversed(derived.items())) if turned else derived
        aggregates = dict(reversed(features.aggregates.items())) if again else features.aggregates
        sources = {**definition.sources, "failures": source.model_copy(update={"derived": columns})}
        made = {"sources": sources, "features": features.model_copy(update={"aggregates": aggregates})}
        return recipe(definition.model_copy(update=made), "failures")

    assert ordered(False, True) == ordered(False, False)
    assert ordered(True, False) == ordered(False, False)


def test_a_time_zone_that_is_told_is_the_same_as_one_that_is_taken_from_the_schedule(recipe_of: Recipe) -> None:
    untold = recipe_of(("    timezone: America/New_York\n", ""))
    assert untold == recipe_of(("    timezone: America/New_York\n", "    timezone: UTC\n"))


def test_without_a_time_zone_of_its_own_a_sources_tiles_follow_the_schedules(recipe_of: Recipe) -> None:
    untold = ("    timezone: America/New_York\n", "")
    assert recipe_of(untold) != recipe_of(untold, ("timezone: UTC", "timezone: Europe/Paris"))


@pytest.mark.parametrize(("name", "value"), [("LIMBS", (0, -26, -52)), ("SKETCH_BITS", 11)])
def test_the_recipe_changes_with_how_partials_are_kept(
    recipe_of: Recipe, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """Tiles of an older version of the code are not taken for tiles of this one."""
    before = recipe_of()
    for module in (partials, tiles_module):
        monkeypatch.setattr(module, name, value, raising=False)
    assert recipe_of() != before


def test_each_source_has_a_recipe_of_its_own(recipe_of: Recipe, models: Path) -> None:
    assert recipe_of() != recipe(load_definition(models / "tiny"), "plan")


def test_aggregates_that_share_a_key_are_one_group(flight_delay: ModelDefinition) -> None:
    groups = grouped(flight_delay, "weather")
    assert {by: list(found) for by, found in groups.items()} == {
        ("origin",): ["origin_rain", "origin_visibility", "origin_wind", "origin_temperature"]
    }
    assert set(grouped(flight_delay, "schedule")) == {("origin", "dep_hour"), ("dest",), ("tailnum",)}
    assert grouped(flight_delay, "planes") == {}


# ---- the table


def test_every_group_of_a_source_has_a_name_of_its_own(flight_delay: ModelDefinition) -> None:
    groups = grouped(flight_delay, "arrivals")
    assert len({group_name(by) for by in groups}) == len(groups)
    assert group_name(()) == OVERALL


def test_the_table_has_every_key_and_partial_once_beside_what_tells_tiles_apart(flight_delay: ModelDefinition) -> None:
    spec = tiles_table(flight_delay, "weather")
    assert spec.name == "tiles.weather"
    assert spec.partition_columns == ("model", "days", "source_date")
    sums = [f"sum{n}" for n in range(len(LIMBS))]
    partials = {
        "origin_rain": ["n", *sums],
        "origin_visibility": ["min"],
        "origin_wind": ["max"],
        "origin_temperature": ["n", *sums],
    }
    listed = [f"{name}__{part}" for name, parts in partials.items() for part in parts]
    assert list(spec.columns) == ["model", "days", "source_date", "by", "key_origin", *listed, "made_from"]
    assert {spec.columns[name] for name in listed if name.endswith("__n")} == {"integer"}


def test_a_derived_column_is_a_key_of_its_declared_type(flight_delay: ModelDefinition) -> None:
    assert tiles_table(flight_delay, "arrivals").columns["key_dep_hour"] == "integer"


@pytest.mark.parametrize("other", ["type: category\n      agg: last", "agg: min", "agg: mean", "agg: stddev"])
def test_an_aggregate_that_becomes_another_keeps_no_column_of_another_type(
    lake: Lake, models: Path, other: str
) -> None:
    """A table may gain columns, not change them: two models, or one that changed, share a source's table."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace("after: 24h}", "after: 24h}\n    event_time: cast(source_date as timestamp_ntz)")
    for agg in ("agg: last", other):
        file.write_text(
            text.replace("agg: rate\n      where", f"{agg}\n      value").replace("      default: 0.5\n", "")
        )
        lake.ensure(tiles_table(load_definition(models / "tiny"), "failures"))


ODD = """
      days: {type: integer}
      model: {type: string}
      by: {type: boolean}
      made_from: {type: date}"""


@pytest.fixture
def odd(models: Path) -> ModelDefinition:
    """A definition whose sources have columns named like those of the tiles' table."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text()
    for column in ("load: {type: number, required: true, min: 0, max: 1}", "failed: {type: boolean}"):
        text = text.replace(f"      {column}", f"      {column}{ODD}")
    text = text.replace("by: [machine]", "by: [days, model, by, made_from]").replace("default: 0.5\n", "default: 0.5\n")
    file.write_text(text)
    return load_definition(models / "tiny")


def test_a_source_may_have_columns_named_as_those_of_the_tiles(lake: Lake, odd: ModelDefinition) -> None:
    spec = tiles_table(odd, "failures")
    keys = {"key_days": "integer", "key_model": "string", "key_by": "boolean", "key_made_from": "date"}
    assert {name: kind for name, kind in spec.columns.items() if name.startswith("key_")} == keys
    assert (spec.columns["days"], spec.columns["model"], spec.columns["made_from"]) == ("integer", "string", "string")
    assert len(spec.schema.names) == len(set(spec.schema.names))
    row = {"key_days": 99, "key_model": "other", "key_by": True, "key_made_from": date(1999, 1, 1)}
    keep(lake, spec, "tiny", {tile(0, 8): "from"}, row)
    read, *_ = read_dates(lake, spec, EARLY, LATE).to_pylist()
    assert {name: read[name] for name in row} == row
    assert (read["model"], read["days"], read["made_from"]) == ("tiny", 8, "from")
    assert set(kept_tiles(lake, spec, "tiny", {tile(0, 8), tile(0, 1)})) == {tile(0, 8)}


# ---- tiles in a lake


def rows_of(spec: TableSpec, model: str, tiles: dict[Tile, str], row: dict[str, object]) -> pa.Table:
    listed = [
        {"model": model, "days": one.days, "source_date": one.start, "by": f"{n}", "made_from": made, **row}
        for one, made in tiles.items()
        for n in range(3)
    ]
    return pa.Table.from_pylist(listed, schema=spec.schema)


def keep(
    lake: Lake, spec: TableSpec, model: str, tiles: dict[Tile, str], row: dict[str, object] | None = None
) -> list[Staged]:
    """Stages and publishes tiles as a job does: run by run."""
    staged = []
    for span in SPANS:
        for run in runs(one for one in tiles if one.days == span):
            data = rows_of(spec, model, {one: tiles[one] for one in run}, row or {})
            split: dict[str, str | int] = {"model": model, "days": span}
            staged.append(stage_arrow(lake, spec, data, run[0].start, run[-1].start, {}, split))
            publish(lake, spec, staged[-1])
    return staged


def kept(lake: Lake, spec: TableSpec, model: str, tiles: Iterable[Tile]) -> dict[Tile, str]:
    return {one: found.made_from for one, found in kept_tiles(lake, spec, model, set(tiles)).items()}


@pytest.fixture
def spec(tiny: ModelDefinition) -> TableSpec:
    return tiles_table(tiny, "failures")


FROM = "0123456789abcdef"  # as long as what is written


def numbered(*tiles: Tile) -> dict[Tile, str]:
    return {one: f"{FROM[:-2]}{number:02d}" for number, one in enumerate(tiles)}


def test_nothing_is_kept_where_there_is_no_table_and_nothing_is_asked_of_it(lake: Lake, spec: TableSpec) -> None:
    assert kept_tiles(lake, spec, "tiny", {tile(0, 1)}) == {}
    lake.ensure(spec)
    assert kept_tiles(lake, spec, "tiny", {tile(0, 1)}) == {}
    assert kept_tiles(lake, spec, "tiny", set()) == {}


def test_exactly_the_tiles_asked_for_are_found_with_their_files_and_what_they_were_made_from(
    lake: Lake, spec: TableSpec
) -> None:
    tiles = numbered(*(tile(n, 1) for n in (0, 1, 2, 8)), tile(0, 8), tile(8, 8), tile(0, 64))
    keep(lake, spec, "tiny", tiles)
    # Tiles of three spans begin on the same day; none is taken for another.
    asked = {tile(0, 1), tile(2, 1), tile(0, 64), tile(8, 8), tile(3, 1), tile(16, 8)}
    found = kept_tiles(lake, spec, "tiny", asked)
    assert {one: kept.made_from for one, kept in found.items()} == {t: m for t, m in tiles.items() if t in asked}
    for one, there in found.items():
        [(file, size)] = there.files.items()
        assert size == Path(local_path(file)).stat().st_size
        read = pq.ParquetFile(local_path(file)).read().to_pylist()
        assert {(row["days"], row["source_date"], row["made_from"]) for row in read} == {
            (one.days, one.start, there.made_from)
        }
    assert len({file for there in found.values() for file in there.files}) == len(found)


def test_models_that_share_a_source_keep_tiles_of_their_own(lake: Lake, spec: TableSpec) -> None:
    mine, other = numbered(tile(0, 1), tile(0, 8)), {tile(0, 1): "f" * 16, tile(1, 1): "e" * 16}
    keep(lake, spec, "tiny", mine)
    keep(lake, spec, "other", other)
    everything = {*mine, *other}
    assert kept(lake, spec, "tiny", everything) == mine
    assert kept(lake, spec, "other", everything) == other
    assert kept(lake, spec, "none", everything) == {}


def test_models_with_other_aggregates_over_the_same_source_share_its_table(lake: Lake, edit: Callable) -> None:
    tiny = tiles_table(edit("owner: tests", "owner: others"), "failures")
    wide = tiles_table(
        edit("agg: rate\n      where: failed", "agg: mean\n      value: cast(failed as int)"), "failures"
    )
    assert set(tiny.columns) != set(wide.columns)
    keep(lake, tiny, "one", numbered(tile(0, 1)))
    keep(lake, wide, "two", {tile(0, 1): "f" * 16})
    keep(lake, tiny, "one", {tile(1, 1): "e" * 16})
    asked = {tile(0, 1), tile(1, 1)}
    assert kept(lake, tiny, "one", asked) == {**numbered(tile(0, 1)), tile(1, 1): "e" * 16}
    assert kept(lake, wide, "two", asked) == {tile(0, 1): "f" * 16}


def test_a_tile_that_was_replaced_is_found_as_it_is_now(lake: Lake, spec: TableSpec) -> None:
    tiles = numbered(*(tile(n, 1) for n in range(4)), tile(0, 8))
    keep(lake, spec, "tiny", tiles)
    before = kept_tiles(lake, spec, "tiny", set(tiles))
    keep(lake, spec, "tiny", {tile(1, 1): "f" * 16})
    after = kept_tiles(lake, spec, "tiny", set(tiles))
    assert after[tile(1, 1)].made_from == "f" * 16
    assert not after[tile(1, 1)].files.keys() & before[tile(1, 1)].files.keys()
    assert {one: found for one, found in after.items() if one != tile(1, 1)} == {
        one: found for one, found in before.items() if one != tile(1, 1)
    }


def test_tiles_between_those_that_are_made_again_stay(lake: Lake, spec: TableSpec) -> None:
    tiles = numbered(*(tile(8 * n, 8) for n in range(5)))
    keep(lake, spec, "tiny", tiles)
    again = {tile(0, 8): "f" * 16, tile(16, 8): "e" * 16, tile(24, 8): "d" * 16}
    assert len(keep(lake, spec, "tiny", again)) == 2
    assert kept(lake, spec, "tiny", tiles) == tiles | again


def test_a_tile_of_several_files_is_all_of_them(lake: Lake, spec: TableSpec) -> None:
    attempt = new_attempt(START, START)
    folder = staging_folder(lake.warehouse, spec.name, attempt)
    rows = rows_of(spec, "tiny", {tile(0, 8): FROM}, {})
    for number in range(2):
        file = Path(local_path(folder)) / f"_date={START}" / f"part-{number}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.slice(number), file)
    staged = seal(folder, spec.name, attempt, START, START, {}, {"model": "tiny", "days": 8})
    publish(lake, spec, staged)
    assert set(kept_tiles(lake, spec, "tiny", {tile(0, 8)})[tile(0, 8)].files) == set(staged.files)
    assert len(staged.files) == 2


def test_what_a_tile_was_made_from_is_known_behind_any_number_of_columns(lake: Lake, spec: TableSpec) -> None:
    """Iceberg keeps bounds of the first columns only, if it is not told otherwise."""
    columns = {name: kind for name, kind in spec.columns.items() if name != "made_from"}
    many = {f"load_{number}__n": "integer" for number in range(150)}
    wide = replace(spec, columns={**columns, **many, "made_from": "string"})
    keep(lake, wide, "tiny", numbered(tile(0, 1)), dict.fromkeys(many, 1))
    assert kept(lake, wide, "tiny", {tile(0, 1)}) == numbered(tile(0, 1))


def test_tiles_that_are_kept_are_not_made_again_and_those_of_a_restated_day_are(
    lake: Lake, tiny: ModelDefinition, spec: TableSpec
) -> None:
    needed, how = set(cover(START + 6 * DAY, START + 18 * DAY)), recipe(tiny, "failures")

    def run(there: Versions) -> set[Tile]:
        work = plan_tiles(needed, there, how, lambda tiles: kept_tiles(lake, spec, "tiny", tiles))
        made = {one: origin for tiles in work.build.values() for one, origin in tiles.items()}
        keep(lake, spec, "tiny", made)
        return set(made)

    there = versions(0, 20)
    assert run(there) == needed | set(tile(8, 8).parts)
    assert run(there) == set()
    assert run(there | {START + 9 * DAY: "b"}) == {tile(8, 8), tile(9, 1)}
    assert run(there | {START + 9 * DAY: "b"}) == set()
