"""The world as it was at a night's cutoff: an installation of its own that holds what had arrived, and no more."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nightshift.definition.calendar import is_available
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.features.plan import Tile
from nightshift.features.tiles import runs
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import NO_SNAPSHOT, published_partitions
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import Layer, features_table, raw_table
from nightshift.settings import CatalogSettings, Settings
from nightshift.types import Staged


def world_settings(settings: Settings, folder: Path) -> Settings:
    """Settings of an installation in a folder, with nothing in it yet: no table, no landed file, no model."""
    return Settings(
        home=settings.home,
        models_folder=settings.models_path,
        var=folder,
        landing=str(folder / "landing"),
        warehouse=str(folder / "warehouse"),
        mlflow_uri=f"sqlite:///{folder / 'mlflow.db'}",
        mlflow_artifacts=str(folder / "mlflow"),
        catalog=CatalogSettings(name=settings.catalog.name),
        spark=settings.spark,
    )


def raw_snapshots(lake: Lake, definition: ModelDefinition, night: date) -> dict[str, int]:
    """The snapshots of the raw tables that a published night's features were made from.

    Raises:
        NotYetAvailable: If the night's features are not published.
        TerminalError: If they were made by a definition with other sources.
    """
    spec = features_table(definition)
    inputs = published_inputs(lake, spec, night)
    if later := [name for name in definition.sources if Layer.RAW.table(name) not in inputs]:
        raise TerminalError(
            f"{night} was made before the source '{later[0]}' was declared",
            where=spec.name,
            fix="check a later night, or build this one again",
        )
    return {name: int(inputs[Layer.RAW.table(name)]) for name in definition.sources}


def can_be_checked(lake: Lake, definition: ModelDefinition, night: date) -> bool:
    """Whether what a published night was made from is still known and there: maintenance expires snapshots."""
    try:
        made_from = raw_snapshots(lake, definition, night)
    except TerminalError:
        return False
    kept = {name: lake.table(raw_table(definition, name).name).metadata.snapshots for name in made_from}
    return all(
        snapshot in {NO_SNAPSHOT, *(one.snapshot_id for one in kept[name])} for name, snapshot in made_from.items()
    )


def reveal(world: Lake, lake: Lake, definition: ModelDefinition, night: date) -> None:
    """Makes the raw tables of a world show exactly what had arrived by a night's cutoff.

    The files are those the published features were made from, registered where they lie. A world is shown one
    night after the other, in the order of time.
    """
    for name, snapshot in raw_snapshots(lake, definition, night).items():
        spec, source = raw_table(definition, name), definition.sources[name]
        world.ensure(spec)
        known = published_partitions(world, spec)
        arrived = {
            day: there.files
            for day, there in published_partitions(lake, spec, snapshot).items()
            if is_available(definition.schedule, source, day, night) and known.get(day) != there
        }
        for run in runs(Tile(day, 1) for day in arrived):
            first, last = run[0].start, run[-1].last
            files = tuple(file for tile in run for file in arrived[tile.start])
            publish(world, spec, Staged(spec.name, f"{first}_{last}", "", files, 0, first, last))
