"""Snapshots that maintenance never expires, because something was made from them that must be made again."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import retrying
from nightshift.lake.read import NOTHING_YET


def keep_snapshots(lake: Lake, snapshots: Mapping[str, int], name: str) -> None:
    """Gives snapshots a name, an Iceberg tag, for as long as it is needed. Naming them twice changes nothing.

    Args:
        lake: The lake.
        snapshots: A snapshot of each table.
        name: The name.

    Raises:
        TerminalError: If a snapshot is gone.
    """
    for table, snapshot in snapshots.items():
        if snapshot != NOTHING_YET:
            retrying()(_keep, lake, table, snapshot, name)


def release_snapshots(lake: Lake, snapshots: Mapping[str, int], name: str) -> None:
    """Takes a name away again: maintenance may expire the snapshots."""
    for table in snapshots:
        if lake.has(table):
            retrying()(_release, lake, table, name)


def _keep(lake: Lake, name: str, snapshot: int, tag: str) -> None:
    # Under the lock of maintenance: a snapshot that is seen is not expired before it has its name.
    with lake.lock(name):
        table = lake.table(name)
        if table.snapshot_by_id(snapshot) is None:
            what = f"snapshot {snapshot} is gone: maintenance expires snapshots"
            raise TerminalError(what, where=name, fix="train anew")
        if tag not in table.refs():
            with table.manage_snapshots() as change:
                change.create_tag(snapshot, tag)


def _release(lake: Lake, name: str, tag: str) -> None:
    with lake.lock(name):
        table = lake.table(name)
        if tag in table.refs():
            with table.manage_snapshots() as change:
                change.remove_tag(tag)
