"""What was left behind: old snapshots, files and folders of dead attempts, trainings that were killed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from nightshift.compute.scratch import remove_scratch
from nightshift.lake.catalog import Lake
from nightshift.lake.maintenance import MIN_ORPHAN_AGE, maintain_tables
from nightshift.lake.tags import remove_tag
from nightshift.project import Progress
from nightshift.registry.abandoned import end_abandoned_runs, is_over
from nightshift.registry.client import Client
from nightshift.registry.database import open_client
from nightshift.settings import Settings
from nightshift.stages.train import parse_snapshot_tag


@dataclass(frozen=True)
class Maintenance:
    """What was removed.

    Attributes:
        tables: For each table, the number of snapshots expired and of files removed.
        runs: The MLflow runs of killed trainings, which were running by MLflow and are ended.
        tags: The number of snapshot tags of trainings that left no model.
        scratch: The number of temporary folders and files that killed processes left on this machine.
    """

    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    tags: int = 0
    scratch: int = 0


def maintain(settings: Settings, progress: Progress, *, now: datetime | None = None) -> Maintenance:
    """Maintains an installation: whatever is younger than three days may belong to a task that is still running.

    Args:
        settings: The installation.
        progress: Takes a line for each table, and for each kind of leftover.
        now: The instant that ages are measured against; the wall clock by default, since files have a real age.
    """
    now = now or datetime.now(UTC)
    lake, before = Lake(settings), now - MIN_ORPHAN_AGE
    runs: tuple[str, ...] = ()
    tags = 0
    if settings.has_registry:
        client = open_client(settings)
        runs = tuple(end_abandoned_runs(client, before))
        tags = _remove_tags(lake, client)
        progress(f"MLflow: {len(runs)} runs of killed trainings ended, {tags} of their snapshot tags removed")
    tables = maintain_tables(lake, progress, now=now)
    scratch = remove_scratch(settings, before)
    progress(f"this machine: {scratch} temporary folders of killed processes removed")
    return Maintenance(tables, runs, tags, scratch)


def _remove_tags(lake: Lake, client: Client) -> int:
    """Removes the tags of trainings that ended without a model; so their snapshots can expire."""
    removed = 0
    over: dict[str, bool] = {}
    for name in lake.table_names():
        for tag in lake.table(name).refs():
            if (run_id := parse_snapshot_tag(tag)) is None:
                continue
            if run_id not in over:
                over[run_id] = is_over(client, run_id)
            if over[run_id]:
                remove_tag(lake, name, tag)
                removed += 1
    return removed
