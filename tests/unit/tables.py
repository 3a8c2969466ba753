"""Small tables for tests: rows by day in, rows by day out."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec
from nightshift.types import Staged

DAY = date(2024, 1, 1)
EARLY, LATE = date(2000, 1, 1), date(2100, 1, 1)

Rows = dict[date, list[tuple[str, float]]]


def day(number: int) -> date:
    """The n-th day of January 2024."""
    return date(2024, 1, number)


def arrow(spec: TableSpec, rows: Rows) -> pa.Table:
    """Rows by day as a table of `spec`, whose columns are a date, a name and a number."""
    names = list(spec.columns)
    listed = [dict(zip(names, (when, *row), strict=True)) for when, of_day in rows.items() for row in of_day]
    return pa.Table.from_pylist(listed, schema=spec.schema)


def stage(lake: Lake, spec: TableSpec, rows: Rows, first: date | None = None, last: date | None = None) -> Staged:
    """Stages rows by day; they cover the days named unless told otherwise."""
    return stage_arrow(lake, spec, arrow(spec, rows), first or min(rows), last or max(rows), {})


def publish_rows(lake: Lake, spec: TableSpec, rows: Rows, first: date | None = None, last: date | None = None) -> int:
    """Stages and publishes rows by day."""
    return publish(lake, spec, stage(lake, spec, rows, first, last))


def published_rows(lake: Lake, spec: TableSpec, snapshot: int | None = None) -> Rows:
    """What a reader sees, by day."""
    table = read_dates(lake, spec, EARLY, LATE, snapshot=snapshot)
    rows: Rows = {}
    for row in sorted(tuple(record.values()) for record in table.to_pylist()):
        rows.setdefault(row[0], []).append(row[1:])
    return rows
