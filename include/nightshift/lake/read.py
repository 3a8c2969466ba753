"""Reading published tables: file lists for Spark, Arrow for everything else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    LessThanOrEqual,
    Reference,
)
from pyiceberg.expressions.literals import literal
from pyiceberg.manifest import DataFile
from pyiceberg.table import DataScan, Table
from pyiceberg.table.snapshots import Snapshot

from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.damage import reading, require_undamaged
from nightshift.lake.key_shares import KeyShare
from nightshift.lake.parquet import read_files
from nightshift.lake.tables import TableSpec

# The snapshot id of a table that nothing has been published to.
NO_SNAPSHOT = 0
# The property of a snapshot that lists the dates of source files without rows, which no data file shows.
WITHOUT_ROWS = "nightshift.without-rows"


def partition_filter(
    spec: TableSpec, first: date, last: date, split: Mapping[str, str | int] = MappingProxyType({})
) -> BooleanExpression:
    """Selects the partitions from `first` to `last`, with the given values of the other partition columns."""
    day = Reference(spec.date_column)
    dates = GreaterThanOrEqual(term=day, value=literal(str(first))), LessThanOrEqual(term=day, value=literal(str(last)))
    return And(AlwaysTrue(), *dates, *(equal_to(column, value) for column, value in split.items()))


def equal_to(column: str, value: str | int) -> BooleanExpression:
    """Selects the rows whose column has a value."""
    return EqualTo(term=Reference(column), value=literal(value))


def partition_values(spec: TableSpec, file: DataFile) -> list[Any]:
    """The partition a data file belongs to: the values of the other partition columns, then its date."""
    *values, day = [file.partition[position] for position in range(len(spec.partition_columns))]
    return [*values, partition_date(day)]


def partition_date(value: Any) -> Any:
    """The value of a date column in a partition, which Iceberg stores as days since 1970; others as they are."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + value) if isinstance(value, int) else value


def snapshot_of(lake: Lake, name: str) -> int:
    """The id of a table's current snapshot; `NO_SNAPSHOT` while it has none."""
    snapshot = lake.table(name).current_snapshot()
    return snapshot.snapshot_id if snapshot else NO_SNAPSHOT


def data_files(
    lake: Lake,
    spec: TableSpec,
    first: date,
    last: date,
    snapshot: int | None = None,
    split: Mapping[str, str | int] = MappingProxyType({}),
) -> dict[str, int]:
    """The files that hold the dates from `first` to `last`, with their sizes in bytes."""
    if snapshot == NO_SNAPSHOT:
        return {}
    scan = _table_at(lake, spec.name, snapshot).scan(partition_filter(spec, first, last, split), snapshot_id=snapshot)
    return dict(sorted((task.file.file_path, task.file.file_size_in_bytes) for task in scan.plan_files()))


def read_dates(
    lake: Lake,
    spec: TableSpec,
    first: date,
    last: date,
    *,
    columns: tuple[str, ...] = (),
    snapshot: int | None = None,
    split: Mapping[str, str | int] = MappingProxyType({}),
    share: KeyShare | None = None,
) -> pa.Table:
    """Published rows of the dates from `first` to `last`.

    Args:
        lake: The lake.
        spec: The table.
        first: The first date.
        last: The last date.
        columns: The columns to read; all of the specification's if empty.
        snapshot: The snapshot to read; the newest if None.
        split: The values of the other partition columns; any if empty.
        share: The rows to read, by their key; all if None.
    """
    files = data_files(lake, spec, first, last, snapshot, split)
    require_undamaged(files)
    return read_files(list(files), spec, columns, share)


def read_rows(scan: DataScan) -> pa.Table:
    """The rows of a scan, in which PyIceberg names no file that it cannot read.

    Raises:
        DamagedFileError: If a file is missing or damaged.
    """

    files = {task.file.file_path: task.file.file_size_in_bytes for task in scan.plan_files()}
    require_undamaged(files)
    with reading(files):
        return scan.to_arrow()


def published_dates(lake: Lake, spec: TableSpec, within: tuple[date, date] | None = None) -> dict[date, int]:
    """The number of rows of each published date, within two dates if given; empty if the table does not exist."""
    return {day: partition.rows for day, partition in published_partitions(lake, spec, within=within).items()}


def allowed_dates(lake: Lake, spec: TableSpec) -> str:
    """The published dates of a table, as an error allows them whose date is none of them."""
    dates = published_dates(lake, spec)
    return f"a published date, {min(dates)} to {max(dates)}" if dates else "none is published yet"


@dataclass(frozen=True)
class Partition:
    """One published date of a table: its files and their number of rows."""

    files: tuple[str, ...]
    rows: int

    @property
    def version(self) -> str:
        """Identifies the rows: it changes with the files."""
        return fingerprint(*self.files)


def published_partitions(
    lake: Lake, spec: TableSpec, snapshot: int | None = None, within: tuple[date, date] | None = None
) -> dict[date, Partition]:
    """Every published date of a table; empty if the table does not exist.

    Args:
        lake: The lake.
        spec: The table.
        snapshot: The snapshot to read; the newest if None.
        within: The first and the last date to read, so that older dates cost nothing.
    """
    if snapshot == NO_SNAPSHOT:
        return {}
    try:
        table = _table_at(lake, spec.name, snapshot)
    except NotYetAvailable:
        return {}
    files_by_date: dict[date, list[DataFile]] = {}
    row_filter = partition_filter(spec, *within) if within else AlwaysTrue()
    for task in table.scan(row_filter, snapshot_id=snapshot).plan_files():
        files_by_date.setdefault(partition_values(spec, task.file)[-1], []).append(task.file)
    return {
        day: Partition(tuple(sorted(file.file_path for file in files)), sum(file.record_count for file in files))
        for day, files in sorted(files_by_date.items())
    }


def landed_partitions(
    lake: Lake, spec: TableSpec, snapshot: int | None = None, within: tuple[date, date] | None = None
) -> dict[date, Partition]:
    """The dates of a source whose files are published, with or without rows; see `published_partitions`."""
    partitions = published_partitions(lake, spec, snapshot, within)
    if snapshot == NO_SNAPSHOT or not lake.table_exists(spec.name):
        return partitions
    table = _table_at(lake, spec.name, snapshot)
    empty = dates_without_rows(table.snapshot_by_id(snapshot) if snapshot else table.current_snapshot())
    first, last = within or (date.min, date.max)
    return {day: Partition((), 0) for day in empty if first <= day <= last} | partitions


def dates_without_rows(snapshot: Snapshot | None) -> frozenset[date]:
    """The dates of a source whose files were published without rows, by a snapshot of its table."""
    listed = snapshot.summary.additional_properties.get(WITHOUT_ROWS, "") if snapshot and snapshot.summary else ""
    return frozenset(map(date.fromisoformat, filter(None, listed.split(","))))


def fingerprint(*parts: str) -> str:
    """Sixteen hexadecimal digits of a hash over all parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _table_at(lake: Lake, name: str, snapshot: int | None) -> Table:
    """A table, once the snapshot is known to exist in it."""
    table = lake.table(name)
    if snapshot and table.snapshot_by_id(snapshot) is None:
        raise TerminalError(
            f"snapshot {snapshot} is gone: maintenance expires snapshots",
            where=name,
            fix="run the night or the training again",
        )
    return table
