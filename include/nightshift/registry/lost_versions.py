"""Versions that the events know and MLflow does not: its database is away, new, or an older copy.

Nothing may be written then. What such a registry lacks looks as if somebody had removed it, and the number of a version
that is registered meanwhile has been another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nightshift.errors import TransientError
from nightshift.lake.catalog import Lake
from nightshift.lake.tables import registry_events_table
from nightshift.registry.database import SQLITE
from nightshift.registry.events import RegistryEvent
from nightshift.registry.store import Registry, Version
from nightshift.settings import Settings


def lost_versions(registry: Registry, events: Sequence[RegistryEvent]) -> dict[int, str]:
    """The versions of the events that the registry lost, by number, with the runs that trained them.

    A version is known by its run: one of the same number and of another run is another version. One that was deleted in
    MLflow is not lost as long as its run is there, deleted or not.
    """
    known = {event.to_version: event.mlflow_run for event in events if event.to_version and event.mlflow_run}
    forgotten = {event.mlflow_run for event in events if event.event == "forgotten"}
    versions = registry.versions()
    return {
        number: run_id
        for number, run_id in sorted(known.items())
        if run_id not in forgotten and _is_lost(registry, versions.get(number), run_id)
    }


def require_versions(registry: Registry, events: Sequence[RegistryEvent]) -> None:
    """Requires that the registry has every version that the events know.

    Raises:
        TransientError: If it lost some: the registry that has them may be back soon.
    """
    if lost := lost_versions(registry, events):
        raise TransientError(
            "the registry lacks versions that the events know: MLflow's database is another one or an older copy, and "
            "nothing is written",
            where=f"{registry.model} in {registry.client.address}",
            received=f"without version {', '.join(map(str, lost))}",
            fix=f"bring MLflow's database back; if they are lost for good: nightshift forget {registry.model}",
        )


def require_database(settings: Settings) -> None:
    """Requires MLflow's database where versions were registered before: MLflow would make an empty one.

    Raises:
        TransientError: If its file is missing.
    """
    file = Path(settings.tracking_uri.removeprefix(SQLITE))
    if not settings.tracking_uri.startswith(SQLITE) or file.exists() or not settings.has_catalog:
        return
    lake, events = Lake(settings), registry_events_table().name
    if lake.table_exists(events) and lake.table(events).current_snapshot() is not None:
        raise TransientError(
            "MLflow's database is missing, and events of versions that were registered in it are there",
            where=str(file),
            fix="bring the file back; if it is lost for good: nightshift forget <model>",
        )


def _is_lost(registry: Registry, version: Version | None, run_id: str) -> bool:
    return version.run_id != run_id if version else not registry.has_run(run_id)
