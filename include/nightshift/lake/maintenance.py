"""Maintenance of the lake: expires old snapshots and removes files that no snapshot needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pyiceberg.table import Table

from nightshift.lake.catalog import Lake
from nightshift.lake.damage import MANIFEST
from nightshift.lake.files import files_older_than, remove, remove_empty_folders
from nightshift.lake.staging import JOBS, staging_folder

MIN_SNAPSHOTS = 100
MIN_SNAPSHOT_AGE = timedelta(days=7)
# Younger files may belong to a task that is still running.
MIN_ORPHAN_AGE = timedelta(days=3)  # a weekend without a scheduler may lie between the tasks of a run


def maintain_tables(
    lake: Lake, progress: Callable[[str], None], *, now: datetime | None = None
) -> dict[str, dict[str, int]]:
    """Maintains every table.

    Args:
        lake: The lake.
        progress: Receives a line for each table.
        now: The instant that ages are measured against; the wall clock by default, since files have a real age.

    Returns:
        For each table, the number of snapshots expired and of files removed.
    """
    now = now or datetime.now(UTC)
    counts = {}
    for name in lake.table_names():
        with lake.lock(name), lake.writing():
            expired = _expire(lake.table(name), now)
        removed = _remove_orphans(lake, name, now)
        counts[name] = {"snapshots": expired, "files": removed}
        progress(f"{name}: {expired} snapshots expired, {removed} files removed")
    _remove(files_older_than(staging_folder(lake.warehouse, JOBS, "").rstrip("/"), now - MIN_ORPHAN_AGE))
    remove_empty_folders(f"{lake.warehouse}/staged", now - MIN_ORPHAN_AGE)
    return counts


def _expire(table: Table, now: datetime) -> int:
    """Expires old snapshots, but none of the newest hundred of the main branch and none with a tag."""
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    keep = {reference.snapshot_id for reference in table.refs().values()}
    current = table.metadata.current_snapshot_id
    for _ in range(MIN_SNAPSHOTS):
        if current is None or current not in by_id:
            break
        keep.add(current)
        current = by_id[current].parent_snapshot_id
    limit = (now - MIN_SNAPSHOT_AGE).timestamp() * 1000
    old = [s.snapshot_id for s in by_id.values() if s.snapshot_id not in keep and s.timestamp_ms < limit]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return len(old)


def _remove_orphans(lake: Lake, name: str, now: datetime) -> int:
    """Removes data and metadata files that no snapshot references and that are too old to be part of a running task.

    Ages are the clock's, which may be wrong: nothing is published between the look at the table and the removal.
    """
    staged, limit = staging_folder(lake.warehouse, name, ""), now - MIN_ORPHAN_AGE
    candidates = files_older_than(staged.rstrip("/"), limit)
    candidates += files_older_than(lake.table(name).location() + "/metadata", limit)
    with lake.lock(name):
        needed = _reachable(lake.table(name))
        # A published set keeps its manifest: it names the inputs of the rows, and the set can be published again.
        needed |= {
            f"{staged}{uri.removeprefix(staged).split('/')[0]}/{MANIFEST}" for uri in needed if uri.startswith(staged)
        }
        return _remove([uri for uri in candidates if uri not in needed])


def _remove(files: list[str]) -> int:
    for uri in files:
        remove(uri)
    return len(files)


def _reachable(table: Table) -> set[str]:
    """Every file that a snapshot of a table references."""
    needed = {table.metadata_location} | {entry.metadata_file for entry in table.metadata.metadata_log}
    manifests: set[str] = set()
    for snapshot in table.metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in manifests:
                continue
            manifests.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            needed.update(entry.data_file.file_path for entry in entries)
    return needed | manifests
