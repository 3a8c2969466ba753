"""The tables of an installation: which models use each, what it contains, and dropping one that no model uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pyiceberg.table import Table

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files, remove
from nightshift.lake.read import partition_date
from nightshift.lake.staging import staging_folder
from nightshift.lake.tables import REGISTRY_EVENTS, Layer, split_identifier

SOURCE_LAYERS = frozenset((Layer.RAW, Layer.QUARANTINE, Layer.TILES))

UsedSources = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class TableEntry:
    """A table and its content.

    Attributes:
        table: The identifier.
        rows: The number of its rows.
        first: The first date of its rows; None without rows.
        last: The last date.
        size: The size of its files, in bytes.
        used_by: The models that use it.
        tags: The tags on its snapshots: the versions that are reproduced from them.
    """

    table: str
    rows: int
    first: date | None
    last: date | None
    size: int
    used_by: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def content(self) -> str:
        """The rows, as a phrase."""
        dates = f" of {self.first} to {self.last}" if self.first else ""
        return f"{self.rows:,} rows{dates}, {self.size / 1e6:,.1f} MB"


def list_tables(lake: Lake, used: UsedSources) -> list[TableEntry]:
    """Every table of the layers, sorted by identifier.

    Args:
        lake: The lake.
        used: The sources that each definition names, by model.
    """
    return [_entry(lake.table(name), name, users(name, used)) for name in lake.table_names()]


def users(table: str, used: UsedSources) -> tuple[str, ...]:
    """The models that use a table: those that name its source, the model that it belongs to, or all.

    Args:
        table: The identifier.
        used: The sources that each definition names, by model.
    """
    layer, name = split_identifier(table)
    if layer in SOURCE_LAYERS:
        return tuple(sorted(model for model, sources in used.items() if name in sources))
    if (layer, name) == (Layer.MONITORING, REGISTRY_EVENTS):
        return tuple(sorted(used)) or ("every model",)
    return (name,) if name in used else ()


def describe_table(lake: Lake, name: str) -> str:
    """The content of a table, as a phrase."""
    return _entry(lake.table(name), name, ()).content if lake.table_exists(name) else "files of a table that is gone"


def find_orphan(lake: Lake, table: str, used: UsedSources) -> TableEntry:
    """A table that no model uses.

    Raises:
        TerminalError: If there is no such table, or a model uses it.
    """
    names = lake.table_names()
    if table not in names:
        orphans = [name for name in sorted(names) if not users(name, used)]
        fix = "nightshift tables lists every table and who uses it"
        raise TerminalError("no such table", received=table, allowed=orphans or "no table is an orphan", fix=fix)
    if models := users(table, used):
        raise TerminalError(
            "a definition uses this table",
            where=table,
            received=", ".join(models),
            allowed="tables that no definition uses: nightshift tables --orphans",
            fix="remove the model's folder, or the source from its definition, first",
        )
    return _entry(lake.table(table), table, ())


def drop(lake: Lake, table: str) -> int:
    """Drops a table with all its files, those staged for it too.

    The catalog forgets the table first: whoever reads meanwhile gets an error, and not a part of the rows.

    Returns:
        The number of files removed.
    """
    with lake.lock(table):
        location = lake.table(table).location()
        lake.catalog.drop_table(table)
        files = [*list_files(staging_folder(lake.warehouse, table, "").rstrip("/")), *list_files(location)]
        for file in files:
            remove(file)
    return len(files)


def _entry(table: Table, name: str, used_by: tuple[str, ...]) -> TableEntry:
    files = [task.file for task in table.scan().plan_files()]
    place = len(table.spec().fields) - 1
    dates = sorted(day for file in files if (day := partition_date(file.partition[place])) is not None)
    tags = sorted(tag for tag in table.refs() if tag != "main")
    return TableEntry(
        name,
        sum(file.record_count for file in files),
        dates[0] if dates else None,
        dates[-1] if dates else None,
        sum(file.file_size_in_bytes for file in files),
        used_by,
        tuple(tags),
    )
