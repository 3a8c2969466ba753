"""Computes the features of a range of nights on Spark and stages them, with the tiles that are missing.

The job `spark_jobs/features.py` runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from math import ceil

from pyspark.sql import DataFrame, SparkSession

from nightshift.compute.batches import batch_by_rows, run_batches
from nightshift.compute.scan import FileScan, file_shares
from nightshift.compute.staging_writer import StagingWriter
from nightshift.definition.calendar import date_range, nights
from nightshift.definition.load import definition_hash
from nightshift.definition.model import ModelDefinition
from nightshift.definition.nights import require_night
from nightshift.definition.recipe import columns_behind
from nightshift.features.columns import observed_columns, tile_columns
from nightshift.features.compute import (
    TableTransform,
    compute_features,
    join_lookups,
    prepare_observations,
    write_day_tiles,
    write_landed_day_tiles,
    write_longer_tiles,
)
from nightshift.features.observations import observe, observed_dates
from nightshift.features.operands import Operands
from nightshift.features.plan import SPANS, FeaturePlan, Tile, plan_features
from nightshift.features.tiles import consecutive_tiles, plan_tiles, published_tiles, recipe
from nightshift.features.tiling import TileFile, TileWriter
from nightshift.features.windows import WindowInputs
from nightshift.lake.catalog import Lake
from nightshift.lake.damage import require_undamaged
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.read import Partition, data_files, published_partitions, snapshot_of
from nightshift.lake.readings import require_current_readings
from nightshift.lake.staging import seal, staging_folder
from nightshift.lake.tables import OBSERVED, Layer, features_table, raw_table, tiles_table
from nightshift.project import Project
from nightshift.registry.package import learned_features
from nightshift.registry.store import Version
from nightshift.registry.stored_definition import definition_of_version, require_computable
from nightshift.types import Staged

# Work is done in batches of so many rows, so that memory stays flat however long the range is.
OBSERVATIONS, EVENTS = 500_000, 5_000_000

TileFiles = dict[Tile, tuple[str, ...]]


@dataclass(frozen=True)
class RawTables:
    """The raw tables as they are when a job starts: every read sees these snapshots."""

    spark: SparkSession
    lake: Lake
    definition: ModelDefinition
    snapshots: dict[str, int]
    partitions: dict[str, dict[date, Partition]]

    @classmethod
    def open(
        cls, spark: SparkSession, lake: Lake, definition: ModelDefinition, snapshots: dict[str, int] | None = None
    ) -> RawTables:
        """The raw tables of a definition's sources at some snapshots; the newest if left out."""
        specs = {name: raw_table(definition, name) for name in definition.sources}
        snapshots = snapshots or {name: snapshot_of(lake, spec.name) for name, spec in specs.items()}
        partitions = {name: published_partitions(lake, spec, snapshots[name]) for name, spec in specs.items()}
        return cls(spark, lake, definition, snapshots, partitions)

    def scan(self, source: str, first: date, last: date, columns: Sequence[str] = ()) -> FileScan:
        """A scan of the rows of a source dated from `first` to `last`; see `rows`."""
        spec = raw_table(self.definition, source)
        files = data_files(self.lake, spec, first, last, self.snapshots[source])
        require_undamaged(files)
        return FileScan.of(spec, files, columns)

    def rows(self, source: str, first: date, last: date, columns: Sequence[str] = ()) -> DataFrame:
        """The rows of a source dated from `first` to `last`, with some of its columns; with all if none is named."""
        return self.scan(source, first, last, columns).frame(self.spark)

    def in_runs(self, source: str, days: Sequence[date], columns: Sequence[str]) -> FileScan:
        """A scan of the rows of some dates of a source, neighbouring dates in one task, a task a core."""
        spec, published = raw_table(self.definition, source), self.partitions[source]
        sizes = data_files(self.lake, spec, days[0], days[-1], self.snapshots[source])
        require_undamaged(sizes)
        size = ceil(len(days) / min(len(days), self.spark.sparkContext.defaultParallelism))
        runs = [days[start : start + size] for start in range(0, len(days), size)]
        files = [[file for day in run if day in published for file in published[day].files] for run in runs]
        shares = [file_shares({file: sizes[file] for file in run_files}) for run_files in files]
        return FileScan(spec.columns, tuple(chain(*shares))).only(columns)

    def count(self, source: str, first: date, last: date) -> int:
        """How many rows a source has from `first` to `last`."""
        published = self.partitions[source]
        return sum(published[day].rows for day in date_range(first, last) if day in published)

    def inputs(self) -> dict[str, str]:
        """The snapshots by table, as the inputs of a staged set."""
        return {Layer.RAW.table(name): str(snapshot) for name, snapshot in self.snapshots.items()}


def stage_features(raw: RawTables, first: date, last: date, attempt: str) -> list[Staged]:
    """Stages the features of the nights from `first` to `last`, and the tiles they need that are not published.

    Returns:
        The staged sets; the features are the last one.
    """
    plan = plan_features(raw.definition, first, last, raw.partitions)
    tiles = run_batches("tiles", list(plan.windows), lambda source: _stage_tiles(raw, source, plan, attempt))
    files = {source: of_source for source, (_, of_source) in zip(plan.windows, tiles, strict=True)}
    counts = _observations(raw, plan)
    inputs = raw.inputs() | {"definition": definition_hash(raw.definition)}
    inputs |= {OBSERVED: str(sum(counts.values()))}
    staging = StagingWriter(raw.lake, features_table(raw.definition), attempt, inputs)
    batches = batch_by_rows(
        nights(raw.definition.schedule, first, last), OBSERVATIONS, lambda night: counts.get(night, 0)
    )
    run_batches(
        "features", batches, lambda batch: staging.write(*_features(raw, plan.of_nights(batch[0], batch[-1]), files))
    )
    return [*chain(*(staged for staged, _ in tiles)), staging.seal(first, last)]


def stage_published_features(
    project: Project, spark: SparkSession, first: date, last: date, attempt: str
) -> list[Staged]:
    """Stages the features of nights that are to be published, see `stage_features`.

    Raises:
        TerminalError: If rows behind them were read by another declaration than the current one, or no date is a night.
    """
    definition = project.definition
    if not any(nights(definition.schedule, first, last)):
        require_night(definition, first)
    require_current_readings(project.lake, definition, columns_behind(definition.recipes.values()))
    return stage_features(RawTables.open(spark, project.lake, definition), first, last, attempt)


def stage_features_of_version(
    project: Project, spark: SparkSession, version: Version, first: date, last: date, attempt: str
) -> Staged:
    """Stages the features of nights as the definition computes them that a version was trained by.

    They are for this version's scores only and are never published: the feature table has those of the current
    definition.

    Raises:
        TerminalError: If data that they are computed from no longer lands, or lands by another declaration.
    """
    learned = learned_features(project.registry.package_files(version.run_id, version.digest))
    with definition_of_version(project.registry, version) as definition:
        require_computable(version, definition, learned, project.definition)
        columns = columns_behind(definition.recipes[name] for name in learned)
        require_current_readings(project.lake, project.definition, columns)
        # Which dates are nights may have changed since; what of them is known by then has not.
        schedule = definition.schedule.on_dates_of(project.definition.schedule)
        raw = RawTables.open(spark, project.lake, definition.model_copy(update={"schedule": schedule}))
        return stage_features(raw, first, last, f"{attempt}-version-{version.number}")[-1]


def _observations(raw: RawTables, plan: FeaturePlan) -> dict[date, int]:
    """How many observations each night of a plan has."""
    if raw.definition.has_daily_observations:
        source = raw.definition.observations.source
        score_dates = nights(raw.definition.schedule, plan.first, plan.last)
        return {night: raw.count(source, night, night) for night in score_dates}
    counts = _observed(raw, plan, key_only=True).groupBy("score_date").count().collect()
    return {row["score_date"]: row["count"] for row in counts}


def _features(raw: RawTables, plan: FeaturePlan, files: dict[str, TileFiles]) -> tuple[DataFrame, TableTransform]:
    prepared = prepare_observations(raw.definition, _observed(raw, plan))
    return compute_features(
        raw.definition, prepared, [_window_inputs(raw.definition, plan, name, files[name]) for name in plan.windows]
    )


def _observed(raw: RawTables, plan: FeaturePlan, *, key_only: bool = False) -> DataFrame:
    """The observations of a plan's nights with their look-ups, with the columns that features or only counts need."""
    columns = observed_columns(raw.definition, key_only=key_only)
    definition, source = raw.definition, raw.definition.observations.source
    versions = plan.versions.get(source, ())
    days = list(date_range(*observed_dates(definition, plan.first, plan.last, versions)))
    if definition.has_observation_files:
        days = list(nights(definition.schedule, plan.first, plan.last))
    runs = raw.in_runs(source, days, columns[source])
    observed = observe(definition, runs.frame(raw.spark), plan.first, plan.last, versions)
    looked_up = {}
    for name in {lookup.source for lookup in definition.features.lookups.values()}:
        days = [version.tile.start for version in plan.versions[name]] or [plan.first]
        looked_up[name] = raw.rows(name, min(days), max(days), columns[name])
    return join_lookups(definition, observed, looked_up, plan.versions)


def _window_inputs(definition: ModelDefinition, plan: FeaturePlan, source: str, files: TileFiles) -> WindowInputs:
    needed = {tile: files[tile] for tile in plan.tiles(source) if tile in files}
    return WindowInputs(
        tiles_table(definition, source), aggregate_groups(definition, source), plan.windows[source], needed
    )


def _stage_tiles(raw: RawTables, source: str, plan: FeaturePlan, attempt: str) -> tuple[list[Staged], TileFiles]:
    """Builds the tiles of a source that are not published, short ones first.

    Returns:
        The staged sets, and the files of every tile, published or staged.
    """
    definition, spec = raw.definition, tiles_table(raw.definition, source)
    tile_plan = plan_tiles(
        plan.tiles(source),
        {day: partition.version for day, partition in raw.partitions[source].items()},
        recipe(definition, source),
        lambda tiles: published_tiles(raw.lake, spec, definition.name, tiles),
    )
    staged: list[Staged] = []
    files = {tile: tuple(uris) for tile, uris in tile_plan.read.items()}
    for span in SPANS:
        for tiles in consecutive_tiles(tile_plan.build[span]):
            run_attempt = f"{attempt}-{span}d-{tiles[0].start}"
            writer = TileWriter(
                definition.name,
                spec,
                aggregate_groups(definition, source),
                staging_folder(raw.lake.warehouse, spec.name, run_attempt),
            )
            batches = batch_by_rows(tiles, EVENTS, lambda tile: raw.count(source, tile.start, tile.last))

            def build(batch: Sequence[Tile], span: int = span, writer: TileWriter = writer) -> list[TileFile]:
                fingerprints = {tile: tile_plan.build[span][tile] for tile in batch}
                return _build_tiles(raw, source, fingerprints, files, writer)

            tile_files = list(chain(*run_batches(f"tiles.{source} of {span} days", batches, build)))
            for tile_file in tile_files:
                files[tile_file.tile] = (*files.get(tile_file.tile, ()), tile_file.file)
            split: dict[str, str | int] = {"model": definition.name, "days": span}
            rows = {tile_file.file: tile_file.rows for tile_file in tile_files}
            first, last = tiles[0].start, tiles[-1].start
            staged.append(
                seal(writer.folder, spec.name, run_attempt, first, last, raw.inputs(), split, row_counts=rows)
            )
    return staged, files


def _build_tiles(
    raw: RawTables, source: str, fingerprints: dict[Tile, str], files: TileFiles, writer: TileWriter
) -> list[TileFile]:
    """Builds tiles of one span: single days from raw rows, longer tiles from the files of their parts."""
    tiles = list(fingerprints)
    if tiles[0].days == SPANS[0]:
        scan = raw.in_runs(source, [tile.start for tile in tiles], tile_columns(raw.definition, source))
        operands = Operands.of(writer.groups)
        if operands.are_landed(raw.definition.sources[source], writer.groups):
            return write_landed_day_tiles(raw.spark, scan, operands, fingerprints, writer)
        return write_day_tiles(raw.definition, source, scan.frame(raw.spark), fingerprints, writer)
    shorter = {part: files[part] for tile in tiles for part in tile.parts if part in files}
    return write_longer_tiles(raw.spark, fingerprints, shorter, writer)
