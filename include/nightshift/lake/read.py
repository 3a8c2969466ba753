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

# The snapshot of a table that nothing was published to.
NOTHING_YET = 0


def partitions(spec: TableSpec, first: date, last: date, split: dict[str, str] | None = None) -> BooleanExpression:
    """The partitions from `first` to `last`, of these constant partition values if given."""
    clauses = [f"{spec.date_column} >= '{first}'", f"{spec.date_column} <= '{last}'"]
    clauses += [f"{column} = '{value}'" for column, value in (split or {}).items()]
    return parse(" and ".join(clauses))


def snapshot_of(lake: Lake, name: str) -> int:
    """The id of a table's current snapshot; `NOTHING_YET` while it has none."""
    snapshot = lake.table(name).current_snapshot()
    return snapshot.snapshot_id if snapshot else NOTHING_YET


def data_files(lake: Lake, spec: TableSpec, first: date, last: date, snapshot: int | None = None) -> list[str]:
    """The URIs of the files that hold the dates from `first` to `last`."""
    if snapshot == NOTHING_YET:
        return []
    scan = _at(lake, spec.name, snapshot).scan(partitions(spec, first, last), snapshot_id=snapshot)
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
    schema = pa.schema([spec.schema.field(name) for name in names])
    if snapshot == NOTHING_YET:
        return schema.empty_table()
    scan = _at(lake, spec.name, snapshot).scan(partitions(spec, first, last), snapshot_id=snapshot)
    known = set(scan.projection().column_names)
    # With the date, so that rows are counted even if none of the columns is known.
    rows = scan.select(*{spec.date_column, *known.intersection(names)}).to_arrow()
    # A column declared after these rows were published, or after the snapshot, is null in them.
    for field in schema:
        if field.name not in known:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(list(names)).cast(schema)


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
