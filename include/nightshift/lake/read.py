"""Reading published tables: file lists for Spark, Arrow for everything else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.parquet import read_files
from nightshift.lake.tables import TableSpec

# The snapshot of a table that nothing was published to.
NO_SNAPSHOT = 0


def partition_filter(
    spec: TableSpec, first: date, last: date, split: Mapping[str, str | int] = MappingProxyType({})
) -> BooleanExpression:
    """The partitions from `first` to `last`, of these constant partition values if given."""
    clauses = [f"{spec.date_column} >= '{first}'", f"{spec.date_column} <= '{last}'"]
    clauses += [f"{column} = {value!r}" for column, value in split.items()]
    return parse(" and ".join(clauses))


def partition_values(spec: TableSpec, file: DataFile) -> list[Any]:
    """The partition a data file belongs to: the values of the other partition columns, then its date."""
    *values, day = [file.partition[position] for position in range(len(spec.partition_columns))]
    return [*values, date.fromordinal(date(1970, 1, 1).toordinal() + day) if isinstance(day, int) else day]


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
    scan = _at(lake, spec.name, snapshot).scan(partition_filter(spec, first, last, split), snapshot_id=snapshot)
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
) -> pa.Table:
    """Published rows of the dates from `first` to `last`.

    Args:
        lake: The lake.
        spec: The table.
        first: The first date.
        last: The last date.
        columns: Only these columns; all of the specification's if empty.
        snapshot: At this snapshot; the newest if None.
        split: Only the partitions with these constant values.
    """
    return read_files(list(data_files(lake, spec, first, last, snapshot, split)), spec, columns)


def published_dates(lake: Lake, spec: TableSpec, within: tuple[date, date] | None = None) -> dict[date, int]:
    """How many rows each published date has, of those within two dates if given; nothing if there is no table."""
    return {day: partition.rows for day, partition in published_partitions(lake, spec, within=within).items()}


@dataclass(frozen=True)
class Partition:
    """One published date of a table: its files, and how many rows they hold."""

    files: tuple[str, ...]
    rows: int

    @property
    def version(self) -> str:
        """What identifies the rows: other files, another version."""
        return fingerprint(*self.files)


def published_partitions(
    lake: Lake, spec: TableSpec, snapshot: int | None = None, within: tuple[date, date] | None = None
) -> dict[date, Partition]:
    """Every published date at a snapshot, the newest if None; nothing if the table does not exist.

    Args:
        lake: The lake.
        spec: The table.
        snapshot: At this snapshot; the newest if None.
        within: Only from the first to the last of these dates, so that older ones cost nothing.
    """
    if snapshot == NO_SNAPSHOT:
        return {}
    try:
        table = _at(lake, spec.name, snapshot)
    except NotYetAvailable:
        return {}
    found: dict[date, list[DataFile]] = {}
    where = partition_filter(spec, *within) if within else AlwaysTrue()
    for task in table.scan(where, snapshot_id=snapshot).plan_files():
        found.setdefault(partition_values(spec, task.file)[-1], []).append(task.file)
    return {
        day: Partition(tuple(sorted(file.file_path for file in files)), sum(file.record_count for file in files))
        for day, files in sorted(found.items())
    }


def fingerprint(*parts: str) -> str:
    """Sixteen hexadecimal digits that differ where any part differs."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


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
