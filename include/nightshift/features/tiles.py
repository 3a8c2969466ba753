"""Tiles: daily partial aggregates of a source, kept so that no night reads its whole window.

`tiles.<source>` holds, for each model, span and first day, a row per key with every partial of the model's
aggregates over that source. Each tile says what it was made from: the versions of its days in the raw table and
the aggregates' declaration. A tile that was made from anything else than what is there now is made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysFalse, And, BooleanExpression, EqualTo, In, Or
from pyiceberg.types import StringType

from nightshift.definition.calendar import zone_of
from nightshift.definition.model import ModelDefinition
from nightshift.features.partials import LIMBS
from nightshift.features.plan import SPANS, Tile
from nightshift.features.sketches import SKETCH_BITS
from nightshift.lake.catalog import Lake
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.read import fingerprint, partition_values
from nightshift.lake.tables import TableSpec

FORMAT = 3  # another number, other tiles: all are made anew


@dataclass(frozen=True)
class Kept:
    """A published tile: its files with their sizes in bytes, and what it was made from."""

    files: dict[str, int]
    made_from: str


@dataclass(frozen=True)
class TileWork:
    """What a run of the feature computation does about the tiles of one source.

    Attributes:
        read: The published tiles that are still good and that the run needs, with their files.
        build: The tiles to make, by span, each with what it is made from. Those of one day are made from raw
            rows, longer ones from their parts.
    """

    read: dict[Tile, dict[str, int]]
    build: dict[int, dict[Tile, str]]


def recipe(definition: ModelDefinition, source: str) -> str:
    """Identifies how the tiles of a source are made: another declaration, other tiles."""
    declared = definition.sources[source]
    told: list[object] = [
        FORMAT,
        LIMBS,
        SKETCH_BITS,
        declared.event_time,
        zone_of(definition.schedule, declared),
    ]
    told.append(declared.available.model_dump(mode="json"))
    told.append({name: [column.expression, column.type] for name, column in sorted(declared.derived.items())})
    for group in sorted(aggregate_groups(definition, source), key=lambda group: group.by):
        told += [
            [group.by, name, a.agg, a.type, a.value, a.where] for name, a in sorted(group.stored_aggregates.items())
        ]
    return fingerprint(json.dumps(told))


def made_from(tile: Tile, versions: Mapping[date, str], recipe: str) -> str | None:
    """What a tile is made from now; None if the source has none of its days."""
    days = [f"{day} {versions[day]}" for day in tile.dates if day in versions]
    return fingerprint(recipe, *days) if days else None


def plan_tiles(
    needed: Iterable[Tile],
    versions: Mapping[date, str],
    recipe: str,
    find_kept: Callable[[set[Tile]], Mapping[Tile, Kept]],
) -> TileWork:
    """Decides which of the needed tiles can be read and which must be made, and from what.

    Args:
        needed: The tiles that the nights of a run see.
        versions: The version of each day of the source's raw table.
        recipe: How tiles are made.
        find_kept: Gives those of some tiles that are published.
    """
    read: dict[Tile, dict[str, int]] = {}
    build: dict[int, dict[Tile, str]] = {}
    wanted = set(needed)
    for span in reversed(SPANS):  # long ones first: to make them may need shorter ones
        inputs = {tile: made_from(tile, versions, recipe) for tile in sorted(wanted) if tile.days == span}
        there = {tile: made for tile, made in inputs.items() if made is not None}
        kept = find_kept(set(there))
        good = {tile for tile, made in there.items() if tile in kept and kept[tile].made_from == made}
        read |= {tile: kept[tile].files for tile in sorted(good)}
        build[span] = {tile: made for tile, made in there.items() if tile not in good}
        wanted |= {part for tile in build[span] for part in tile.parts}
    return TileWork(read, build)


def kept_tiles(lake: Lake, spec: TableSpec, model: str, tiles: set[Tile]) -> dict[Tile, Kept]:
    """Those of some tiles that are published.

    What a tile was made from is read from the bounds of its column in Iceberg's own metadata: no file is opened.
    """
    if not tiles or not lake.table_exists(spec.name):
        return {}
    table = lake.table(spec.name)
    column = table.schema().find_field("made_from").field_id
    found: dict[Tile, Kept] = {}
    for task in table.scan(_where(model, tiles)).plan_files():
        _, days, start = partition_values(spec, task.file)
        tile = Tile(start, days)
        made = from_bytes(StringType(), task.file.lower_bounds[column])
        before = found[tile].files if tile in found else {}
        found[tile] = Kept({**before, task.file.file_path: task.file.file_size_in_bytes}, made)
    return found


def _where(model: str, tiles: set[Tile]) -> BooleanExpression:
    """Exactly the partitions of some tiles, so that Iceberg opens no other manifest."""
    found: BooleanExpression = AlwaysFalse()
    for span in {tile.days for tile in tiles}:
        starts = [tile.start.isoformat() for tile in tiles if tile.days == span]
        found = Or(found, And(EqualTo(term="days", value=span), In(term="source_date", literals=starts)))
    return And(EqualTo(term="model", value=model), found)


def runs(tiles: Iterable[Tile]) -> list[tuple[Tile, ...]]:
    """Tiles of one span as runs without a gap: what is between two runs is not replaced when they are published."""
    found: list[list[Tile]] = []
    for tile in sorted(tiles):
        if found and found[-1][-1].last + timedelta(days=1) == tile.start:
            found[-1].append(tile)
        else:
            found.append([tile])
    return [tuple(run) for run in found]
