"""Tiles: daily partial aggregates of a source, stored so that no night reads its whole window.

`tiles.<source>` holds, for each model, span and first day, a row per key with every partial of the model's
aggregates over that source. Each tile carries the fingerprint of its inputs: the versions of its days in the raw table
and the declaration of the aggregates. A tile whose fingerprint differs from the current one is built again.
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

FORMAT = 3  # of tiles; with another number all tiles are built again


@dataclass(frozen=True)
class PublishedTile:
    """A published tile: its files with their sizes in bytes, and the fingerprint of its inputs."""

    files: dict[str, int]
    fingerprint: str


@dataclass(frozen=True)
class TilePlan:
    """The tiles of one source that a run of the feature computation reads and builds.

    Attributes:
        read: The published tiles that the run needs and whose fingerprint is current, with their files.
        build: The tiles to build, by span, each with its fingerprint. Tiles of one day are built from raw rows, longer
            ones from their parts.
    """

    read: dict[Tile, dict[str, int]]
    build: dict[int, dict[Tile, str]]


def recipe(definition: ModelDefinition, source: str) -> str:
    """Identifies how the tiles of a source are computed: it changes with the declarations."""
    declared = definition.sources[source]
    ingredients: list[object] = [
        FORMAT,
        LIMBS,
        SKETCH_BITS,
        declared.event_time,
        zone_of(definition.schedule, declared),
        declared.available.model_dump(mode="json"),
        {name: [column.expression, column.type] for name, column in sorted(declared.derived.items())},
    ]
    for group in sorted(aggregate_groups(definition, source), key=lambda group: group.by):
        stored = sorted(group.stored_aggregates.items())
        ingredients += [[group.by, name, a.agg, a.type, a.value, a.where] for name, a in stored]
    return fingerprint(json.dumps(ingredients))


def tile_fingerprint(tile: Tile, versions: Mapping[date, str], recipe: str) -> str | None:
    """The fingerprint of a tile's inputs as they are now; None if the source has none of its days."""
    days = [f"{day} {versions[day]}" for day in tile.dates if day in versions]
    return fingerprint(recipe, *days) if days else None


def plan_tiles(
    needed: Iterable[Tile],
    versions: Mapping[date, str],
    recipe: str,
    find_published: Callable[[set[Tile]], Mapping[Tile, PublishedTile]],
) -> TilePlan:
    """Decides which of the needed tiles are read and which are built.

    Args:
        needed: The tiles in the windows of a run's nights.
        versions: The version of each day of the source's raw table.
        recipe: How tiles are computed.
        find_published: Returns those of the given tiles that are published.
    """
    read: dict[Tile, dict[str, int]] = {}
    build: dict[int, dict[Tile, str]] = {}
    pending = set(needed)
    for span in reversed(SPANS):  # long ones first: building them may need shorter ones
        tiles = sorted(tile for tile in pending if tile.days == span)
        fingerprints = {
            tile: value for tile in tiles if (value := tile_fingerprint(tile, versions, recipe)) is not None
        }
        published = find_published(set(fingerprints))
        current = {
            tile for tile, value in fingerprints.items() if tile in published and published[tile].fingerprint == value
        }
        read |= {tile: published[tile].files for tile in sorted(current)}
        build[span] = {tile: value for tile, value in fingerprints.items() if tile not in current}
        pending |= {part for tile in build[span] for part in tile.parts}
    return TilePlan(read, build)


def published_tiles(lake: Lake, spec: TableSpec, model: str, tiles: set[Tile]) -> dict[Tile, PublishedTile]:
    """Those of the given tiles that are published.

    The fingerprint of a tile is read from the bounds of its column in Iceberg's own metadata: no file is opened.
    """
    if not tiles or not lake.table_exists(spec.name):
        return {}
    table = lake.table(spec.name)
    column = table.schema().find_field("made_from").field_id
    published: dict[Tile, PublishedTile] = {}
    for task in table.scan(_partition_filter(model, tiles)).plan_files():
        _, days, start = partition_values(spec, task.file)
        tile = Tile(start, days)
        files = published[tile].files if tile in published else {}
        bound = from_bytes(StringType(), task.file.lower_bounds[column])
        published[tile] = PublishedTile({**files, task.file.file_path: task.file.file_size_in_bytes}, bound)
    return published


def _partition_filter(model: str, tiles: set[Tile]) -> BooleanExpression:
    """Exactly the partitions of some tiles, so that Iceberg opens no other manifest."""
    partitions: BooleanExpression = AlwaysFalse()
    for span in {tile.days for tile in tiles}:
        starts = [tile.start.isoformat() for tile in tiles if tile.days == span]
        partitions = Or(partitions, And(EqualTo(term="days", value=span), In(term="source_date", literals=starts)))
    return And(EqualTo(term="model", value=model), partitions)


def consecutive_tiles(tiles: Iterable[Tile]) -> list[tuple[Tile, ...]]:
    """Groups tiles of one span into runs without a gap: publishing a run replaces every date that it covers."""
    runs: list[list[Tile]] = []
    for tile in sorted(tiles):
        if runs and runs[-1][-1].last + timedelta(days=1) == tile.start:
            runs[-1].append(tile)
        else:
            runs.append([tile])
    return [tuple(run) for run in runs]
