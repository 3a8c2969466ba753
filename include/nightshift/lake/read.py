"""Reading published tables: file lists for Spark, Arrow for everything else."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.table import Table

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.tables import TableSpec


def partitions(spec: TableSpec, first: date, last: date, split: dict[str, str] | None = None) -> BooleanExpression:
    """The partitions from `first` to `last`, of these constant partition values if given."""
    clauses = [f"{spec.date_column} >= '{first}'", f"{spec.date_column} <= '{last}'"]
    clauses += [f"{column} = '{value}'" for column, value in (split or {}).items()]
    return parse(" and ".join(clauses))


def snapshot_of(lake: Lake, name: str) -> int:
    """The id of a table's current snapshot; 0 while it has none."""
    snapshot = lake.table(name).current_snapshot()
    return snapshot.snapshot_id if snapshot else 0


def data_files(lake: Lake, spec: TableSpec, first: date, last: date, snapshot: int | None = None) -> list[str]:
    """The URIs of the files that hold the dates from `first` to `last`."""
    table = _at(lake, spec.name, snapshot)
    scan = table.scan(partitions(spec, first, last), snapshot_id=snapshot or None)
    return sorted(task.file.file_path for task in scan.plan_files())


def read_dates(
    lake: Lake,
    spec: TableSpec,
    first: date,
    last: date,
    *,
    columns: tuple[str, ...] = (),
    snapshot: int | None = None,
) -> pa.Table:
    """Published rows of the dates from `first` to `last`.

    Args:
        lake: The lake.
        spec: The table.
        first: The first date.
        last: The last date.
        columns: Only these columns; all of the specification's if empty.
        snapshot: At this snapshot; the newest if None.
    """
    names = columns or tuple(spec.columns)
    table = _at(lake, spec.name, snapshot)
    scan = table.scan(partitions(spec, first, last), selected_fields=names, snapshot_id=snapshot or None)
    rows = scan.to_arrow()
    return rows.select(list(names)).cast(pa.schema([spec.schema.field(name) for name in names]))


def published_dates(lake: Lake, spec: TableSpec) -> dict[date, int]:
    """How many rows each published date has; nothing if the table does not exist."""
    if not lake.has(spec.name):
        return {}
    rows: dict[date, int] = {}
    position = spec.partition_columns.index(spec.date_column)
    for task in lake.table(spec.name).scan(AlwaysTrue()).plan_files():
        value = task.file.partition[position]
        day = date.fromordinal(date(1970, 1, 1).toordinal() + value) if isinstance(value, int) else value
        rows[day] = rows.get(day, 0) + task.file.record_count
    return rows


def _at(lake: Lake, name: str, snapshot: int | None) -> Table:
    """A table that still has a snapshot."""
    table = lake.table(name)
    if snapshot and table.snapshot_by_id(snapshot) is None:
        raise TerminalError(
            f"snapshot {snapshot} is gone: maintenance expires snapshots",
            where=name,
            fix="run the night or training anew",
        )
    return table
