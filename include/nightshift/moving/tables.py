"""Tables under a new catalog: their newest metadata are registered there, and their rows compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.table import Table

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.sql import run_sql
from nightshift.moving.files import Places

Digest = tuple[int, str]


@dataclass(frozen=True)
class TableComparison:
    """A table in both installations.

    Attributes:
        table: Its identifier.
        rows: The number of its rows.
        snapshots: The number of its snapshots.
        is_equal: Whether rows, snapshots and tags are the same in both.
    """

    table: str
    rows: int
    snapshots: int
    is_equal: bool


def plan_tables(old: Lake, new: Lake, places: Places) -> dict[str, str]:
    """Where the newest metadata of every table of a lake are to be in another, by the table's identifier.

    Raises:
        TerminalError: If the other lake has a table of that name with other metadata.
    """
    plan = {}
    for namespace in old.catalog.list_namespaces():
        for identifier in old.catalog.list_tables(namespace):
            name = ".".join(identifier)
            plan[name] = places.moved(old.table(name).metadata_location)
            if new.table_exists(name) and (present := new.table(name).metadata_location) != plan[name]:
                raise TerminalError(
                    "the new catalog has another table of this name",
                    where=name,
                    received=present,
                    allowed=plan[name],
                    fix="move into a catalog without tables",
                )
    return dict(sorted(plan.items()))


def register_tables(new: Lake, plan: Mapping[str, str]) -> None:
    """Registers tables in a catalog by their metadata, which are there already.

    Args:
        new: The lake.
        plan: The addresses of the metadata, by the tables' identifiers.
    """
    for name, location in plan.items():
        with suppress(NamespaceAlreadyExistsError):
            new.catalog.create_namespace(name.split(".")[0])
        if not new.table_exists(name):
            new.catalog.register_table(name, location)


def compare_tables(old: Lake, new: Lake, names: Iterable[str]) -> list[TableComparison]:
    """Compares tables by a digest of all rows, and by the identifiers of their snapshots and tags."""
    return [_compare(old.table(name), new.table(name), _digest(old, name), _digest(new, name), name) for name in names]


def _compare(old: Table, new: Table, old_digest: Digest, new_digest: Digest, name: str) -> TableComparison:
    snapshots = [{snapshot.snapshot_id for snapshot in table.metadata.snapshots} for table in (old, new)]
    tags = [{tag: reference.snapshot_id for tag, reference in table.refs().items()} for table in (old, new)]
    is_equal = old_digest == new_digest and snapshots[0] == snapshots[1] and tags[0] == tags[1]
    return TableComparison(name, old_digest[0], len(snapshots[0]), is_equal)


def _digest(lake: Lake, name: str) -> Digest:
    """The number of rows and a sum of their hashes, which their order does not change."""
    [(rows, total)] = run_sql(lake, f"select count(*), coalesce(sum(hash(t)), 0)::varchar from {name} t")[1]
    return rows, total
