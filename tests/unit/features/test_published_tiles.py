"""Tiles in a lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features.plan import SPANS, Tile, cover
from nightshift.features.tiles import consecutive_tiles, plan_tiles, published_tiles, recipe
from nightshift.lake.catalog import Lake
from nightshift.lake.files import as_uri, local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import new_attempt, seal, stage_arrow, staging_folder
from nightshift.lake.tables import TableSpec, tiles_table
from nightshift.types import Staged
from unit.features.spans import DAY, START, Versions, tile_at, versions
from unit.tables import EARLY, LATE


def rows_of(spec: TableSpec, model: str, tiles: dict[Tile, str], row: dict[str, object]) -> pa.Table:
    listed = [
        {
            "model": model,
            "days": tile.days,
            "source_date": tile.start,
            "by": f"{n}",
            "made_from": fingerprint,
            **row,
        }
        for tile, fingerprint in tiles.items()
        for n in range(3)
    ]
    return pa.Table.from_pylist(listed, schema=spec.schema)


def publish_tiles(
    lake: Lake, spec: TableSpec, model: str, tiles: dict[Tile, str], row: dict[str, object] | None = None
) -> list[Staged]:
    """Stages and publishes tiles as a job does: run by run."""
    staged = []
    for span in SPANS:
        for run in consecutive_tiles(tile for tile in tiles if tile.days == span):
            data = rows_of(spec, model, {tile: tiles[tile] for tile in run}, row or {})
            split: dict[str, str | int] = {"model": model, "days": span}
            staged.append(stage_arrow(lake, spec, data, run[0].start, run[-1].start, {}, split))
            publish(lake, spec, staged[-1])
    return staged


def published_fingerprints(lake: Lake, spec: TableSpec, model: str, tiles: Iterable[Tile]) -> dict[Tile, str]:
    return {tile: stored.fingerprint for tile, stored in published_tiles(lake, spec, model, set(tiles)).items()}


@pytest.fixture
def spec(tiny: ModelDefinition) -> TableSpec:
    return tiles_table(tiny, "failures")


FROM = "0123456789abcdef"  # as long as what is written


def numbered(*tiles: Tile) -> dict[Tile, str]:
    return {tile: f"{FROM[:-2]}{number:02d}" for number, tile in enumerate(tiles)}


def test_a_missing_table_has_no_published_tiles(lake: Lake, spec: TableSpec) -> None:
    assert published_tiles(lake, spec, "tiny", {tile_at(0, 1)}) == {}
    lake.ensure(spec)
    assert published_tiles(lake, spec, "tiny", {tile_at(0, 1)}) == {}
    assert published_tiles(lake, spec, "tiny", set()) == {}


def test_exactly_the_requested_tiles_are_returned_with_files_and_fingerprints(lake: Lake, spec: TableSpec) -> None:
    tiles = numbered(*(tile_at(n, 1) for n in (0, 1, 2, 8)), tile_at(0, 8), tile_at(8, 8), tile_at(0, 64))
    publish_tiles(lake, spec, "tiny", tiles)
    # Tiles of three spans begin on the same day; none is taken for another.
    requested = {tile_at(0, 1), tile_at(2, 1), tile_at(0, 64), tile_at(8, 8), tile_at(3, 1), tile_at(16, 8)}
    published = published_tiles(lake, spec, "tiny", requested)
    assert {tile: stored.fingerprint for tile, stored in published.items()} == {
        t: m for t, m in tiles.items() if t in requested
    }
    for tile, stored in published.items():
        [(file, size)] = stored.files.items()
        assert size == Path(local_path(file)).stat().st_size
        read = pq.ParquetFile(local_path(file)).read().to_pylist()
        assert {(row["days"], row["source_date"], row["made_from"]) for row in read} == {
            (tile.days, tile.start, stored.fingerprint)
        }
    assert len({file for stored in published.values() for file in stored.files}) == len(published)


def test_models_that_share_a_source_keep_tiles_of_their_own(lake: Lake, spec: TableSpec) -> None:
    mine, theirs = numbered(tile_at(0, 1), tile_at(0, 8)), {tile_at(0, 1): "f" * 16, tile_at(1, 1): "e" * 16}
    publish_tiles(lake, spec, "tiny", mine)
    publish_tiles(lake, spec, "other", theirs)
    everything = {*mine, *theirs}
    assert published_fingerprints(lake, spec, "tiny", everything) == mine
    assert published_fingerprints(lake, spec, "other", everything) == theirs
    assert published_fingerprints(lake, spec, "none", everything) == {}


def test_models_with_different_aggregates_over_a_source_share_its_table(lake: Lake, edit: Callable) -> None:
    tiny = tiles_table(edit("owner: tests", "owner: others"), "failures")
    wide = tiles_table(
        edit("agg: rate\n      where: failed", "agg: mean\n      value: cast(failed as int)"), "failures"
    )
    assert set(tiny.columns) != set(wide.columns)
    publish_tiles(lake, tiny, "one", numbered(tile_at(0, 1)))
    publish_tiles(lake, wide, "two", {tile_at(0, 1): "f" * 16})
    publish_tiles(lake, tiny, "one", {tile_at(1, 1): "e" * 16})
    requested = {tile_at(0, 1), tile_at(1, 1)}
    assert published_fingerprints(lake, tiny, "one", requested) == {**numbered(tile_at(0, 1)), tile_at(1, 1): "e" * 16}
    assert published_fingerprints(lake, wide, "two", requested) == {tile_at(0, 1): "f" * 16}


def test_a_replaced_tile_has_its_new_files_and_fingerprint(lake: Lake, spec: TableSpec) -> None:
    tiles = numbered(*(tile_at(n, 1) for n in range(4)), tile_at(0, 8))
    publish_tiles(lake, spec, "tiny", tiles)
    before = published_tiles(lake, spec, "tiny", set(tiles))
    publish_tiles(lake, spec, "tiny", {tile_at(1, 1): "f" * 16})
    after = published_tiles(lake, spec, "tiny", set(tiles))
    assert after[tile_at(1, 1)].fingerprint == "f" * 16
    assert not after[tile_at(1, 1)].files.keys() & before[tile_at(1, 1)].files.keys()
    assert {tile: stored for tile, stored in after.items() if tile != tile_at(1, 1)} == {
        tile: stored for tile, stored in before.items() if tile != tile_at(1, 1)
    }


def test_tiles_between_rebuilt_ones_stay(lake: Lake, spec: TableSpec) -> None:
    tiles = numbered(*(tile_at(8 * n, 8) for n in range(5)))
    publish_tiles(lake, spec, "tiny", tiles)
    again = {tile_at(0, 8): "f" * 16, tile_at(16, 8): "e" * 16, tile_at(24, 8): "d" * 16}
    assert len(publish_tiles(lake, spec, "tiny", again)) == 2
    assert published_fingerprints(lake, spec, "tiny", tiles) == tiles | again


def test_a_tile_of_several_files_is_all_of_them(lake: Lake, spec: TableSpec) -> None:
    attempt = new_attempt(START, START)
    folder = staging_folder(lake.warehouse, spec.name, attempt)
    rows = rows_of(spec, "tiny", {tile_at(0, 8): FROM}, {})
    row_counts = {}
    for number in range(2):
        file = Path(local_path(folder)) / f"_date={START}" / f"part-{number}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.slice(number), file)
        row_counts[as_uri(file)] = rows.num_rows - number
    split: dict[str, str | int] = {"model": "tiny", "days": 8}
    staged = seal(folder, spec.name, attempt, START, START, {}, split, row_counts=row_counts)
    publish(lake, spec, staged)
    assert set(published_tiles(lake, spec, "tiny", {tile_at(0, 8)})[tile_at(0, 8)].files) == set(staged.files)
    assert len(staged.files) == 2


def test_a_fingerprint_is_read_from_a_table_with_many_columns(lake: Lake, spec: TableSpec) -> None:
    """Iceberg keeps bounds of the first columns only, if it is not told otherwise."""
    columns = {name: kind for name, kind in spec.columns.items() if name != "made_from"}
    many = {f"load_{number}__n": "integer" for number in range(150)}
    wide = replace(spec, columns={**columns, **many, "made_from": "string"})
    publish_tiles(lake, wide, "tiny", numbered(tile_at(0, 1)), dict.fromkeys(many, 1))
    assert published_fingerprints(lake, wide, "tiny", {tile_at(0, 1)}) == numbered(tile_at(0, 1))


def test_published_tiles_are_not_rebuilt_except_for_a_restated_day(
    lake: Lake, tiny: ModelDefinition, spec: TableSpec
) -> None:
    needed, how = set(cover(START + 6 * DAY, START + 18 * DAY)), recipe(tiny, "failures")

    def run(day_versions: Versions) -> set[Tile]:
        work = plan_tiles(needed, day_versions, how, lambda tiles: published_tiles(lake, spec, "tiny", tiles))
        built = {tile: origin for tiles in work.build.values() for tile, origin in tiles.items()}
        publish_tiles(lake, spec, "tiny", built)
        return set(built)

    day_versions = versions(0, 20)
    assert run(day_versions) == needed | set(tile_at(8, 8).parts)
    assert run(day_versions) == set()
    assert run(day_versions | {START + 9 * DAY: "b"}) == {tile_at(8, 8), tile_at(9, 1)}
    assert run(day_versions | {START + 9 * DAY: "b"}) == set()


def test_the_metadata_store_bounds_of_identity_columns_only(lake: Lake, flight_delay: ModelDefinition) -> None:
    """Tiles have hundreds of columns, and a year has hundreds of tiles."""
    spec = tiles_table(flight_delay, "weather")
    assert spec.bounded == ("model", "days", "source_date", "made_from", "by")
    publish_tiles(lake, spec, "tiny", numbered(tile_at(0, 1)), {"key_origin": "JFK", "origin_wind__max": 2.0})
    [task] = lake.table(spec.name).scan().plan_files()
    names = {lake.table(spec.name).schema().find_field(number).name for number in task.file.lower_bounds}
    assert names == set(spec.bounded)


@pytest.mark.parametrize("aggregate", ["type: category\n      agg: last", "agg: min", "agg: mean", "agg: stddev"])
def test_an_aggregate_that_becomes_another_keeps_no_column_of_another_type(
    lake: Lake, models: Path, aggregate: str
) -> None:
    """A table may gain columns, not change them: two models, or one that changed, share a source's table."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace("after: 24h}", "after: 24h}\n    event_time: cast(source_date as timestamp_ntz)")
    for agg in ("agg: last", aggregate):
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
    publish_tiles(lake, spec, "tiny", {tile_at(0, 8): "from"}, row)
    read, *_ = read_dates(lake, spec, EARLY, LATE).to_pylist()
    assert {name: read[name] for name in row} == row
    assert (read["model"], read["days"], read["made_from"]) == ("tiny", 8, "from")
    assert set(published_tiles(lake, spec, "tiny", {tile_at(0, 8), tile_at(0, 1)})) == {tile_at(0, 8)}
