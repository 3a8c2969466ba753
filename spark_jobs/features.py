"""Computes the features of a model for a range of nights and stages them, with the tiles that were missing.

spark-submit spark_jobs/features.py --model flight_delay --from 2013-07-04 --attempt by-hand
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from math import ceil

from pyspark.sql import DataFrame, SparkSession

from job import Staging, Step, announce, progress, read_table, run, start_session
from nightshift.definition.calendar import nights
from nightshift.definition.load import definition_hash, find_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features.compute import (
    TableTransform,
    compute_features,
    observations,
    prepare_observations,
    write_day_tiles,
    write_longer_tiles,
)
from nightshift.features.plan import SPANS, FeaturePlan, Tile, plan_features
from nightshift.features.tiles import consecutive_tiles, plan_tiles, published_tiles, recipe
from nightshift.features.tiling import TileFile, TileWriter
from nightshift.features.windows import WindowInputs
from nightshift.lake.catalog import Lake
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.read import Partition, published_partitions, snapshot_of
from nightshift.lake.staging import seal, staging_folder
from nightshift.lake.tables import Layer, features_table, raw_table, tiles_table
from nightshift.settings import get_settings
from nightshift.spark_submit import READY
from nightshift.types import Staged

# Work is done in bites of so many rows, so that memory stays flat however long the range is.
OBSERVATIONS, EVENTS = 250_000, 5_000_000

TileFiles = dict[Tile, tuple[str, ...]]


@dataclass(frozen=True)
class Raw:
    """The raw tables as they are when a job starts: every read sees these snapshots."""

    spark: SparkSession
    lake: Lake
    definition: ModelDefinition
    snapshots: dict[str, int]
    partitions: dict[str, dict[date, Partition]]

    @classmethod
    def open(
        cls, spark: SparkSession, lake: Lake, definition: ModelDefinition, snapshots: dict[str, int] | None = None
    ) -> Raw:
        """The raw tables at some snapshots; the newest if left out."""
        specs = {name: raw_table(definition, name) for name in definition.sources}
        snapshots = snapshots or {name: snapshot_of(lake, spec.name) for name, spec in specs.items()}
        partitions = {name: published_partitions(lake, spec, snapshots[name]) for name, spec in specs.items()}
        return cls(spark, lake, definition, snapshots, partitions)

    def rows(self, source: str, first: date, last: date) -> DataFrame:
        """The rows of a source dated from `first` to `last`."""
        spec = raw_table(self.definition, source)
        return read_table(self.spark, self.lake, spec, first, last, self.snapshots[source])

    def in_runs(self, source: str, first: date, last: date) -> DataFrame:
        """The rows of a source dated from `first` to `last`, neighbouring dates in one task, a task a core."""
        days = list(nights(first, last))
        size = ceil(len(days) / min(len(days), self.spark.sparkContext.defaultParallelism))
        parts = [self.rows(source, days[start], days[start : start + size][-1]) for start in range(0, len(days), size)]
        return reduce(DataFrame.union, parts)

    def count(self, source: str, first: date, last: date) -> int:
        """How many rows a source has from `first` to `last`."""
        there = self.partitions[source]
        return sum(there[day].rows for day in nights(first, last) if day in there)

    def inputs(self) -> dict[str, str]:
        return {Layer.RAW.table(name): str(snapshot) for name, snapshot in self.snapshots.items()}


def stage_features(raw: Raw, first: date, last: date, attempt: str) -> list[Staged]:
    """Stages the tiles that the nights from `first` to `last` need and that are not kept, and their features.

    Returns:
        The staged sets; the features last.
    """
    plan = plan_features(raw.definition, first, last, raw.partitions)
    staged: list[Staged] = []
    files: dict[str, TileFiles] = {}
    for source in plan.windows:
        made, files[source] = _stage_tiles(raw, source, plan, attempt)
        staged += made
    inputs = raw.inputs() | {"definition": definition_hash(raw.definition)}
    out = Staging(raw.lake, features_table(raw.definition), attempt, inputs)
    observed = raw.definition.observations.source
    for bite in progress("features", _bites(nights(first, last), OBSERVATIONS, lambda d: raw.count(observed, d, d))):
        seen = plan_features(raw.definition, bite[0], bite[-1], raw.partitions)
        out.write(*_features(raw, seen, files))
    return [*staged, out.seal(first, last)]


def _features(raw: Raw, plan: FeaturePlan, files: dict[str, TileFiles]) -> tuple[DataFrame, TableTransform]:
    definition, observed = raw.definition, raw.definition.observations.source
    rows = {observed: raw.in_runs(observed, plan.first, plan.last)}
    for source, versions in plan.versions.items():
        dates = [seen.tile.start for seen in versions] or [plan.first]
        rows[source] = raw.rows(source, min(dates), max(dates))
    prepared = prepare_observations(definition, observations(definition, rows, plan.versions))
    return compute_features(definition, prepared, [_seen(definition, plan, name, files[name]) for name in plan.windows])


def _seen(definition: ModelDefinition, plan: FeaturePlan, source: str, files: TileFiles) -> WindowInputs:
    needed = {tile: files[tile] for tile in plan.tiles(source) if tile in files}
    return WindowInputs(
        tiles_table(definition, source), aggregate_groups(definition, source), plan.windows[source], needed
    )


def _stage_tiles(raw: Raw, source: str, plan: FeaturePlan, attempt: str) -> tuple[list[Staged], TileFiles]:
    """Makes what is missing of a source's tiles, short ones first.

    Returns:
        The staged sets, and the files of every tile there is now.
    """
    definition, spec = raw.definition, tiles_table(raw.definition, source)
    work = plan_tiles(
        plan.tiles(source),
        {day: partition.version for day, partition in raw.partitions[source].items()},
        recipe(definition, source),
        lambda tiles: published_tiles(raw.lake, spec, definition.name, tiles),
    )
    staged: list[Staged] = []
    files = {tile: tuple(made) for tile, made in work.read.items()}
    for span in SPANS:
        for tiles in consecutive_tiles(work.build[span]):
            run_attempt = f"{attempt}-{span}d-{tiles[0].start}"
            writer = TileWriter(
                definition.name,
                spec,
                aggregate_groups(definition, source),
                staging_folder(raw.lake.warehouse, spec.name, run_attempt),
            )
            written: list[TileFile] = []
            bites = _bites(tiles, EVENTS, lambda tile: raw.count(source, tile.start, tile.last))
            for bite in progress(f"tiles.{source} of {span} days", bites):
                fingerprints = {tile: work.build[span][tile] for tile in bite}
                written += _make_tiles(raw, source, fingerprints, files, writer)
            for one in written:
                files[one.tile] = (*files.get(one.tile, ()), one.file)
            split: dict[str, str | int] = {"model": definition.name, "days": span}
            rows = {one.file: one.rows for one in written}
            staged.append(
                seal(writer.folder, spec.name, run_attempt, tiles[0].start, tiles[-1].start, raw.inputs(), split, rows)
            )
    return staged, files


def _make_tiles(
    raw: Raw, source: str, fingerprints: dict[Tile, str], files: TileFiles, writer: TileWriter
) -> list[TileFile]:
    """Tiles of one span: single days from raw rows, longer ones from the files of their parts."""
    tiles = list(fingerprints)
    if tiles[0].days == SPANS[0]:
        rows = raw.rows(source, tiles[0].start, tiles[-1].last)
        return write_day_tiles(raw.definition, source, rows, fingerprints, writer)
    shorter = {part: files[part] for tile in tiles for part in tile.parts if part in files}
    return write_longer_tiles(raw.spark, fingerprints, shorter, writer)


def _bites(steps: Iterable[Step], most: int, rows: Callable[[Step], int]) -> list[list[Step]]:
    """Groups neighbours that hold at most so many rows together; a step that holds more is alone."""
    bites: list[list[Step]] = []
    room = 0
    for step in steps:
        held = rows(step)
        if not bites or held > room:
            bites.append([])
            room = most
        bites[-1].append(step)
        room -= held
    return bites


def main() -> None:
    parser = argparse.ArgumentParser(description="Computes and stages the features of a range of nights.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first score date")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last score date; default: the first")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folders")
    arguments = parser.parse_args()
    starting = start_session(f"{arguments.model}.features {arguments.first}")
    settings = get_settings()
    definition, lake = find_definition(settings.models_path, arguments.model), Lake(settings)
    spark = starting.result()
    print(READY, flush=True)
    raw = Raw.open(spark, lake, definition)
    announce(stage_features(raw, arguments.first, arguments.last or arguments.first, arguments.attempt))


if __name__ == "__main__":
    run(main)
