"""Tags on snapshots that maintenance must keep, because a model version is reproduced from them."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import retry_on_conflict
from nightshift.lake.read import NO_SNAPSHOT


def tag_snapshots(lake: Lake, snapshots: Mapping[str, int], tag: str) -> None:
    """Gives snapshots an Iceberg tag: maintenance does not expire them. Tagging them again changes nothing.

    Args:
        lake: The lake.
        snapshots: A snapshot of each table.
        tag: The name of the tag.

    Raises:
        TerminalError: If a snapshot has expired.
    """
    for table, snapshot in snapshots.items():
        if snapshot != NO_SNAPSHOT:
            retry_on_conflict()(_create_tag, lake, table, snapshot, tag)


def untag_snapshots(lake: Lake, snapshots: Mapping[str, int], tag: str) -> None:
    """Removes a tag: maintenance may expire the snapshots."""
    for table in snapshots:
        if lake.table_exists(table):
            remove_tag(lake, table, tag)


def remove_tag(lake: Lake, table: str, tag: str) -> None:
    """Removes a tag of one table, if it has it."""
    retry_on_conflict()(_remove_tag, lake, table, tag)


def _create_tag(lake: Lake, name: str, snapshot: int, tag: str) -> None:
    # Under the lock that maintenance takes: no snapshot expires between the check and its tag.
    with lake.lock(name):
        table = lake.table(name)
        if table.snapshot_by_id(snapshot) is None:
            raise TerminalError(
                f"snapshot {snapshot} is gone: maintenance expires snapshots", where=name, fix="run the training again"
            )
        if tag not in table.refs():
            with table.manage_snapshots() as change:
                change.create_tag(snapshot, tag)


def _remove_tag(lake: Lake, name: str, tag: str) -> None:
    with lake.lock(name):
        table = lake.table(name)
        if tag in table.refs():
            with table.manage_snapshots() as change:
                change.remove_tag(tag)
