"""Keeps the lake small: snapshots, and files that no snapshot needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pyiceberg.table import Table

from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files, open_fs
from nightshift.lake.staging import JOBS, MANIFEST, staging_folder

KEEP_SNAPSHOTS = 100
KEEP_FOR = timedelta(days=7)
# Younger files may belong to a run that is still going.
GUARD = timedelta(hours=24)


def maintain(lake: Lake, say: Callable[[str], None], *, now: datetime | None = None) -> dict[str, dict[str, int]]:
    """Maintains every table.

    Args:
        lake: The lake.
        say: Takes a line of progress a table.
        now: What ages are measured against; the wall clock by default, since it is about files' real age.

    Returns:
        Per table: snapshots expired, files removed.
    """
    now = now or datetime.now(UTC)
    done = {}
    for namespace in lake.catalog.list_namespaces():
        for identifier in lake.catalog.list_tables(namespace):
            name = ".".join(identifier)
            with lake.lock(name):
                expired = _expire(lake.table(name), now)
            removed = _remove_orphans(lake, name, now)
            done[name] = {"snapshots": expired, "files": removed}
            say(f"{name}: {expired} snapshots expired, {removed} files removed")
    _remove(_older(staging_folder(lake.warehouse, JOBS, "").rstrip("/"), now - GUARD))
    return done


def _expire(table: Table, now: datetime) -> int:
    """Expires old snapshots, never the newest hundred of the main line and never one that has a name."""
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    keep = {reference.snapshot_id for reference in table.refs().values()}
    current = table.metadata.current_snapshot_id
    for _ in range(KEEP_SNAPSHOTS):
        if current is None or current not in by_id:
            break
        keep.add(current)
        current = by_id[current].parent_snapshot_id
    limit = (now - KEEP_FOR).timestamp() * 1000
    old = [s.snapshot_id for s in by_id.values() if s.snapshot_id not in keep and s.timestamp_ms < limit]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return len(old)


def _remove_orphans(lake: Lake, name: str, now: datetime) -> int:
    """Removes data and metadata files that no snapshot reaches and that no running task can be writing.

    The disk is listed before the table is loaded: a commit in between only makes more files reachable.
    """
    location = lake.table(name).location()
    staged = staging_folder(lake.warehouse, name, "")
    candidates = _older(staged.rstrip("/"), now - GUARD) + _older(location + "/metadata", now - GUARD)
    needed = _reachable(lake.table(name))
    # A published set keeps its manifest: it says what the rows were made from, and lets it be published again.
    needed |= {
        f"{staged}{uri.removeprefix(staged).split('/')[0]}/{MANIFEST}" for uri in needed if uri.startswith(staged)
    }
    return _remove([uri for uri in candidates if uri not in needed])


def _remove(files: list[str]) -> int:
    for uri in files:
        system, path = open_fs(uri)
        system.delete_file(path)
    return len(files)


def _older(folder: str, limit: datetime) -> list[str]:
    found = []
    for uri in list_files(folder):
        system, path = open_fs(uri)
        modified = system.get_file_info(path).mtime
        if modified is not None and modified < limit:
            found.append(uri)
    return found


def _reachable(table: Table) -> set[str]:
    """Every file that any snapshot of a table needs."""
    needed = {table.metadata_location} | {entry.metadata_file for entry in table.metadata.metadata_log}
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            needed.update(entry.data_file.file_path for entry in entries)
    return needed | seen
