"""Rows to tiles to features, in one process, against plain Python over the rows themselves."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from algebra import (
    DAYS,
    FIRST,
    Event,
    Observed,
    check,
    define,
    operands,
    single_days,
    some_events,
    tile_plan_for,
    window_inputs,
)
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.features import feature_name
from nightshift.definition.model import ModelDefinition
from nightshift.features import plan
from nightshift.features.plan import Tile
from nightshift.features.tiling import TileWriter
from nightshift.features.windows import window_features
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.tables import tiles_table
from unit.examples import examples

pytestmark = pytest.mark.slow

Row = dict[str, Any]
Files = dict[Tile, tuple[str, ...]]

NIGHTS = [FIRST + timedelta(days=days) for days in (DAYS - 2, DAYS - 1, DAYS + 40)]
KEYS = [(k, j) for k in ("a", "b", "seen nowhere", None) for j in (0, 1, 7, None)]
everyone = [Observed(night, k, j) for night in NIGHTS for k, j in KEYS]
some_observed = st.lists(st.sampled_from(everyone), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return define(tmp_path_factory.mktemp("models"))


def tiles_of(definition: ModelDefinition, events: list[Event], nights: Iterable[date], folder: str) -> Files:
    """The files of every tile that some nights see, as a job makes them."""
    spec, groups = tiles_table(definition, "events"), aggregate_groups(definition, "events")
    writer = TileWriter(definition.name, spec, groups, Path(folder).as_uri())
    tile_plan = tile_plan_for(definition, events, nights)
    columns = {name: name for group in groups for name in group.stored_aggregates}
    landed = [event for event in events if event.visible and Tile(event.date, 1) in tile_plan.build[1]]
    rows = operands(definition, landed)
    files: Files = {}
    for span in plan.SPANS:
        if span == plan.SPANS[0]:
            written = list(writer.write_days(rows, columns, tile_plan.build[span]))
        else:
            parts = {
                tile: {part: files[part] for part in tile.parts if part in files} for tile in tile_plan.build[span]
            }
            written = [
                tile_file
                for tile, fingerprint in tile_plan.build[span].items()
                for tile_file in writer.write_longer(tile, fingerprint, parts[tile])
            ]
        for tile_file in written:
            files[tile_file.tile] = (*files.get(tile_file.tile, ()), tile_file.file)
    return files


def read(definition: ModelDefinition, observed: list[Observed], files: Files) -> list[Row]:
    """The features of some observations, in their order."""
    table = pa.table(
        {
            "score_date": pa.array([observation.night for observation in observed], pa.date32()),
            "_k": pa.array([observation.k for observation in observed], pa.string()),
            "_j": pa.array([observation.j for observation in observed], pa.int64()),
        }
    )
    inputs = window_inputs(definition, {observation.night for observation in observed}, files)
    return pa.table(dict(window_features(table, inputs))).to_pylist()


def features(definition: ModelDefinition, events: list[Event], observed: list[Observed]) -> list[Row]:
    with TemporaryDirectory() as folder:
        files = tiles_of(definition, events, {observation.night for observation in observed}, folder)
        return read(definition, observed, files)


def bits(rows: Iterable[Row]) -> list[str]:
    """Texts that are equal if every double is, bit for bit."""
    return [repr(sorted(row.items())) for row in rows]


@examples(max_examples=16)
@given(some_events(), st.permutations(everyone))
def test_features_from_tiles_are_those_of_the_rows_themselves(
    definition: ModelDefinition, events: list[Event], observed: list[Observed]
) -> None:
    rows = features(definition, events, observed[:20])
    for observation, row in zip(observed, rows, strict=False):
        check(definition, events, observation, row, defaults=False)


@examples(max_examples=8)
@given(some_events(400, 20, 60))
def test_a_window_of_a_year_covers_the_days_of_a_year(definition: ModelDefinition, events: list[Event]) -> None:
    observed = [Observed(FIRST + timedelta(days=days), "a", 1) for days in (366, 400, 401)]
    for observation, row in zip(observed, features(definition, events, observed), strict=True):
        check(definition, events, observation, row, defaults=False)


@examples(max_examples=8)
@given(some_events(), st.lists(st.sampled_from(everyone), min_size=1), st.randoms(use_true_random=False))
def test_features_do_not_depend_on_how_days_are_grouped_or_rows_ordered(
    definition: ModelDefinition, events: list[Event], observed: list[Observed], chance: random.Random
) -> None:
    from_tiles = features(definition, events, observed)
    with pytest.MonkeyPatch.context() as patch:
        single_days(patch)
        single = features(definition, chance.sample(events, len(events)), observed)
    assert bits(single) == bits(from_tiles)


@examples(max_examples=8)
@given(some_events(), st.permutations(everyone))
def test_nights_at_once_are_each_night_alone_and_observations_may_come_in_any_order(
    definition: ModelDefinition, events: list[Event], observed: list[Observed]
) -> None:
    with TemporaryDirectory() as folder:
        files = tiles_of(definition, events, NIGHTS, folder)
        together = dict(zip(observed, bits(read(definition, observed, files)), strict=True))
    for night in NIGHTS:
        mine = [observation for observation in everyone if observation.night == night]
        assert bits(features(definition, events, mine)) == [together[observation] for observation in mine]


@examples(max_examples=6)
@given(some_events(least=20))
def test_repeated_observations_have_the_features_of_each_alone(
    definition: ModelDefinition, events: list[Event]
) -> None:
    first, second = Observed(NIGHTS[0], "a", 1), Observed(NIGHTS[1], None, 0)
    with TemporaryDirectory() as folder:
        files = tiles_of(definition, events, NIGHTS, folder)
        alone = [*bits(read(definition, [first], files)), *bits(read(definition, [second], files))]
        assert bits(read(definition, [first, second, first, first], files)) == [*alone, alone[0], alone[0]]


@pytest.fixture
def few_events() -> list[Event]:
    """An event a day of the first eighty, of two keys in turn."""
    return [Event(day, "ab"[day % 2], day % 2, float(day), "x", day) for day in range(DAYS)]


def test_every_feature_is_returned_once_with_its_type(definition: ModelDefinition, few_events: list[Event]) -> None:
    [row] = features(definition, few_events, [Observed(NIGHTS[0], "b", 1)])
    aggregates = definition.features.aggregates.items()
    assert sorted(row) == sorted(feature_name(n, w.days) for n, a in aggregates for w in a.windows)
    texts = {name for name, value in row.items() if isinstance(value, str)}
    assert texts == {name for name, kind in definition.feature_types.items() if kind == "category"}
    assert all(isinstance(value, float | str) or value is None for value in row.values())


@pytest.mark.parametrize("observation", [Observed(NIGHTS[0], None, 1), Observed(NIGHTS[0], "seen nowhere", 7)])
def test_a_key_that_is_null_or_in_no_tile_has_the_features_of_all_rows_only(
    definition: ModelDefinition, few_events: list[Event], observation: Observed
) -> None:
    [row] = features(definition, few_events, [observation])
    assert {name for name, value in row.items() if value is not None} == {n for n in row if n.startswith("all_")} - {
        "all_spread_1d"  # of a single row
    }
    assert row["all_n_10d"] == 10


def test_a_night_without_tiles_has_no_features_next_to_a_night_with_tiles(
    definition: ModelDefinition, few_events: list[Event]
) -> None:
    before, covered = Observed(FIRST, "a", 0), Observed(NIGHTS[0], "a", 0)
    absent, present = features(definition, few_events, [before, covered])
    assert set(absent.values()) == {None}
    assert present["n_70d"] == 35
    assert read(definition, [before], {}) == [absent]


def test_a_tile_that_is_missing_is_a_gap_in_the_windows_that_hold_it(
    definition: ModelDefinition, few_events: list[Event], tmp_path: Path
) -> None:
    night = NIGHTS[0]
    files = tiles_of(definition, few_events, [night], str(tmp_path))
    observation = Observed(night, "a", 0)
    [complete] = read(definition, [observation], files)
    lacking = {tile: names for tile, names in files.items() if night - timedelta(days=2) not in tile.dates}
    [row] = read(definition, [observation], lacking)
    assert len(files) - len(lacking) == len([tile for tile in files if night - timedelta(days=2) in tile.dates]) > 0
    assert complete["all_n_1d"] == row["all_n_1d"] == 1
    assert (complete["all_n_10d"], row["all_n_10d"]) == (10, 10 - max(t.days for t in set(files) - set(lacking)))
