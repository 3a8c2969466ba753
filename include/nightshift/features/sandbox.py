"""A sandbox: an installation whose raw tables hold exactly what had arrived by a night's cutoff."""

from __future__ import annotations

import random
from datetime import date
from itertools import islice
from pathlib import Path

from nightshift.definition.calendar import is_available, only_nights
from nightshift.definition.model import ModelDefinition
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.features.plan import Tile
from nightshift.features.tiles import consecutive_tiles
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import NO_SNAPSHOT, published_dates, published_partitions
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import Layer, features_table, raw_table
from nightshift.settings import CatalogSettings, Settings, SparkSettings
from nightshift.types import Staged


def sandbox_settings(settings: Settings, folder: Path) -> Settings:
    """The settings of an empty installation in a folder: no table, no landed file, no model.

    Jobs run where the settings say, or on this machine if their drivers would not see the folder.
    """
    spark = settings.spark
    return Settings(
        home=settings.home,
        models_folder=settings.models_path,
        sources_folder=settings.sources_path,
        var=folder,
        landing=str(folder / "landing"),
        warehouse=str(folder / "warehouse"),
        mlflow_uri=f"sqlite:///{folder / 'mlflow.db'}",
        mlflow_artifacts=str(folder / "mlflow"),
        catalog=CatalogSettings(name=settings.catalog.name),
        spark=spark if spark.has_driver_here else SparkSettings(driver_memory=spark.driver_memory),
    )


def raw_snapshots(lake: Lake, definition: ModelDefinition, night: date) -> dict[str, int]:
    """The snapshots of the raw tables that a published night's features were computed from.

    Raises:
        NotYetAvailable: If the night's features are not published.
        TerminalError: If the definition has gained a source since.
    """
    spec = features_table(definition)
    inputs = published_inputs(lake, spec, night)
    if later := [name for name in definition.sources if Layer.RAW.table(name) not in inputs]:
        raise TerminalError(
            f"the features of {night} were computed before the source '{later[0]}' was declared",
            where=spec.name,
            fix="check a later night, or build this night again",
        )
    return {name: int(inputs[Layer.RAW.table(name)]) for name in definition.sources}


def has_raw_snapshots(lake: Lake, definition: ModelDefinition, night: date) -> bool:
    """Whether the raw snapshots of a published night still exist: maintenance expires snapshots."""
    try:
        snapshots = raw_snapshots(lake, definition, night)
    except TerminalError:
        return False
    tables = {name: lake.table(raw_table(definition, name).name) for name in snapshots}
    return all(
        snapshot == NO_SNAPSHOT or tables[name].snapshot_by_id(snapshot) is not None
        for name, snapshot in snapshots.items()
    )


def sample_nights(lake: Lake, definition: ModelDefinition, count: int, seed: int) -> list[date]:
    """Draws published nights at random among those whose raw snapshots still exist; sorted.

    Raises:
        NotYetAvailable: If there is no such night.
    """
    table = features_table(definition)
    published = only_nights(definition.schedule, published_dates(lake, table))
    if not published:
        raise NotYetAvailable("no features are published", where=table.name, fix="run or build some nights first")
    random.Random(seed).shuffle(published)
    drawn = list(islice((night for night in published if has_raw_snapshots(lake, definition, night)), count))
    if not drawn:
        raise NotYetAvailable(
            "the raw snapshots of every published night have expired",
            where=table.name,
            fix="run or build a night, then check that night",
        )
    return sorted(drawn)


def publish_arrived_rows(sandbox: Lake, lake: Lake, definition: ModelDefinition, night: date) -> None:
    """Publishes to the raw tables of a sandbox exactly the rows that had arrived by a night's cutoff.

    The files are those that the published features were computed from, registered in place. Nights are published to a
    sandbox in the order of time.
    """
    for name, snapshot in raw_snapshots(lake, definition, night).items():
        spec, source = raw_table(definition, name), definition.sources[name]
        sandbox.ensure(spec)
        published = published_partitions(sandbox, spec)
        arrived = {
            day: partition.files
            for day, partition in published_partitions(lake, spec, snapshot).items()
            if is_available(definition.schedule, source, day, night) and published.get(day) != partition
        }
        for run in consecutive_tiles(Tile(day, 1) for day in arrived):
            first, last = run[0].start, run[-1].last
            files = tuple(file for tile in run for file in arrived[tile.start])
            publish(sandbox, spec, Staged(spec.name, f"{first}_{last}", "", files, 0, first, last))
