"""What a night computes features from, beside the observations themselves: look-ups and aggregates, by their keys.

Of published tables alone, without Spark: the rows of each look-up's version, and every window's features of every key
that its tiles have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from nightshift.definition.calendar import cutoff
from nightshift.definition.model import ModelDefinition
from nightshift.errors import NotYetAvailable
from nightshift.features.plan import Tile, VisibleTile, plan_features
from nightshift.features.tiles import plan_tiles, published_tiles, recipe
from nightshift.features.tiling import TileReader
from nightshift.features.windows import NIGHT, WindowInputs, observed_key, window_features
from nightshift.lake.catalog import Lake
from nightshift.lake.groups import Group, aggregate_groups
from nightshift.lake.parquet import read_files
from nightshift.lake.read import Partition, published_partitions, snapshot_of
from nightshift.lake.tables import Layer, raw_table, tiles_table
from nightshift.project import Project
from nightshift.registry.encoder import FEATURE_ARROW
from nightshift.serving.keyed_rows import KeyedRows
from nightshift.serving.observation_sql import ObservationSql


@dataclass(frozen=True)
class GroupFeatures:
    """The features of a group of aggregates.

    Attributes:
        by: The columns of its key.
        features: The features by key.
    """

    by: tuple[str, ...]
    features: KeyedRows


@dataclass(frozen=True)
class NightState:
    """What a night's features are computed from, beside its observations.

    Attributes:
        night: The score date.
        cutoff: What was available by then was used.
        snapshots: The snapshot of each raw table that it was read from.
        lookups: The rows of each look-up, as a column of structs, by key.
        groups: The features of each group of aggregates.
    """

    night: date
    cutoff: datetime
    snapshots: Mapping[str, int]
    lookups: Mapping[str, KeyedRows]
    groups: tuple[GroupFeatures, ...]


def load_state(project: Project, night: date, sql: ObservationSql) -> NightState:
    """The state of a night.

    Args:
        project: The model.
        night: The score date.
        sql: Computes the derived columns of the rows that are looked up.

    Raises:
        NotYetAvailable: If its features were never computed: its tiles are not there.
    """
    definition, lake = project.definition, project.lake
    snapshots = {name: snapshot_of(lake, Layer.RAW.table(name)) for name in _sources(definition)}
    partitions = {
        name: published_partitions(lake, raw_table(definition, name), number) for name, number in snapshots.items()
    }
    plan = plan_features(definition, night, night, partitions)
    lookups = {}
    for name, lookup in definition.features.lookups.items():
        rows = _version_rows(definition, lookup.source, plan.versions[lookup.source], partitions[lookup.source])
        rows = sql.with_derived(lookup.source, rows)
        columns = [rows[column].combine_chunks() for column in definition.sources[lookup.source].types]
        structs = pa.StructArray.from_arrays(columns, list(definition.sources[lookup.source].types))
        keys = [rows[column].combine_chunks() for column in lookup.key]
        lookups[name] = KeyedRows(keys, pa.table({name: structs}))
    groups: list[GroupFeatures] = []
    for source, visible in plan.windows.items():
        tiles, files = _published(lake, definition, source, visible, partitions[source])
        for group in aggregate_groups(definition, source):
            inputs = WindowInputs(tiles_table(definition, source), (group,), tiles, files)
            groups.append(GroupFeatures(group.by, _group_features(group, inputs, night)))
    named = {Layer.RAW.table(name): number for name, number in snapshots.items()}
    return NightState(night, cutoff(definition.schedule, night), named, lookups, tuple(groups))


def _sources(definition: ModelDefinition) -> list[str]:
    """The sources behind features, and that of the observations."""
    features = definition.features
    used = {lookup.source for lookup in features.lookups.values()}
    used |= {aggregate.source for aggregate in features.aggregates.values()}
    return sorted({definition.observations.source, *used})


def _version_rows(
    definition: ModelDefinition, source: str, versions: tuple[VisibleTile, ...], partitions: Mapping[date, Partition]
) -> pa.Table:
    """The rows of the version of a source that the night looks up; none if there is none yet."""
    files = [file for version in versions for file in partitions[version.tile.start].files]
    return read_files(files, raw_table(definition, source))


def _published(
    lake: Lake,
    definition: ModelDefinition,
    source: str,
    visible: tuple[VisibleTile, ...],
    partitions: Mapping[date, Partition],
) -> tuple[tuple[VisibleTile, ...], dict[Tile, tuple[str, ...]]]:
    """The published tiles that make the windows of a night, with their files: a longer tile, or its parts."""
    spec = tiles_table(definition, source)
    versions = {day: partition.version for day, partition in partitions.items()}
    plan = plan_tiles(
        {tile.tile for tile in visible},
        versions,
        recipe(definition, source),
        lambda tiles: published_tiles(lake, spec, definition.name, tiles),
    )
    files = {tile: tuple(uris) for tile, uris in plan.read.items()}
    missing = {tile for tiles in plan.build.values() for tile in tiles}

    def resolve(tile: VisibleTile) -> Iterator[VisibleTile]:
        if tile.tile not in missing:
            yield tile
        elif not tile.tile.parts:
            raise NotYetAvailable(
                f"the features of {tile.night} were never computed from the rows of {tile.tile.start}",
                where=spec.name,
                fix=f"nightshift build {definition.name}, or let the night run",
            )
        else:
            for part in tile.tile.parts:
                yield from resolve(VisibleTile(tile.night, part, tile.windows))

    return tuple(part for tile in visible for part in resolve(tile)), files


def _group_features(group: Group, inputs: WindowInputs, night: date) -> KeyedRows:
    """The features of every key of a group that the night's tiles have."""
    keys: list[pa.ChunkedArray] = []
    if group.by:
        tiles = sorted({visible.tile for visible in inputs.windows})
        stored = TileReader(inputs.spec, inputs.files).read(group, tiles).select(group.keys)
        distinct = stored.group_by(group.keys).aggregate([])
        keys = [distinct[name] for name in group.keys]
    count = len(keys[0]) if keys else 1
    if not count:
        types = {name: FEATURE_ARROW[a.type] for key, a in group.aggregates.items() for name in a.features(key)}
        return KeyedRows([key.combine_chunks() for key in keys], pa.schema(types).empty_table())
    observed = {NIGHT: pa.repeat(pa.scalar(night, pa.date32()), count)}
    observed |= {observed_key(column): key for column, key in zip(group.by, keys, strict=True)}
    features = dict(window_features(pa.table(observed), inputs))
    return KeyedRows([key.combine_chunks() for key in keys], pa.table(features))
