"""The distributions of a table's columns by date: counts, means, spreads, and the mix of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from nightshift.lake.catalog import Lake
from nightshift.lake.damage import reading
from nightshift.lake.in_memory import database_cursor
from nightshift.lake.parquet import dataset_of
from nightshift.lake.read import published_partitions
from nightshift.lake.tables import TableSpec
from nightshift.quality.computed import quoted

MAX_VALUES = 1000  # distinct values that are counted
NUMBERS = ("integer", "number")
MIXED = ("string", "category", "boolean")


@dataclass(frozen=True)
class ColumnDistribution:
    """The distribution of a column on a date.

    Attributes:
        rows: The rows.
        missing: The number of rows without a value; NaN is missing.
        mean: The mean of the finite numbers.
        spread: Their sample standard deviation.
        distinct: The number of distinct values, of text and booleans.
        counts: The number of rows by value as text; empty if there are more distinct values than `MAX_VALUES`.
    """

    rows: int
    missing: int
    mean: float | None = None
    spread: float | None = None
    distinct: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """The share of each value among the rows with a value."""
        present = self.rows - self.missing
        return {value: count / present for value, count in self.counts.items()} if present else {}


def published_distributions(
    lake: Lake, spec: TableSpec, days: Sequence[date], columns: Sequence[str]
) -> dict[date, dict[str, ColumnDistribution]]:
    """The distributions of columns on published dates. Memory grows with the distinct values, not with the rows."""
    partitions = published_partitions(lake, spec)
    files = [file for day in days if day in partitions for file in partitions[day].files]
    if not files:
        return {}
    with reading(files):
        return column_distributions(dataset_of(files, spec.schema), spec, columns)


def column_distributions(
    rows: pa.Table | ds.Dataset, spec: TableSpec, columns: Sequence[str]
) -> dict[date, dict[str, ColumnDistribution]]:
    """The distributions of columns, by the date of the rows and by column."""
    connection = database_cursor(threads=1)
    connection.register("landed", rows)
    day = quoted(spec.date_column)
    measures = ", ".join(_measures(name, spec.columns[name]) for name in columns)
    distributions: dict[date, dict[str, ColumnDistribution]] = {}
    for source_date, count, *measured in connection.sql(
        f"select {day}, count(*), {measures} from landed group by 1"
    ).fetchall():
        measures_by_column = zip(columns, measured[::4], measured[1::4], measured[2::4], measured[3::4], strict=True)
        distributions[source_date] = {
            name: ColumnDistribution(count, count - present, mean, spread, distinct)
            for name, present, mean, spread, distinct in measures_by_column
        }
    for name in columns:
        if spec.columns[name] in MIXED and all(daily[name].distinct <= MAX_VALUES for daily in distributions.values()):
            _add_counts(distributions, connection, day, name)
    return distributions


def _measures(name: str, kind: str) -> str:
    column = quoted(name)
    if kind in NUMBERS:
        finite = f"filter (where isfinite({column}::double))"
        present = f"count({column}) filter (where not isnan({column}::double))"
        return f"{present}, avg({column}) {finite}, stddev_samp({column}) {finite}, 0"
    return f"count({column}), null, null, {f'count(distinct {column})' if kind in MIXED else '0'}"


def _add_counts(
    distributions: dict[date, dict[str, ColumnDistribution]], connection: duckdb.DuckDBPyConnection, day: str, name: str
) -> None:
    counts: dict[date, dict[str, int]] = {}
    query = f"select {day}, {quoted(name)}::varchar, count(*) from landed where {quoted(name)} is not null group by all"
    for source_date, value, count in connection.sql(query).fetchall():
        counts.setdefault(source_date, {})[value] = count
    for source_date, columns in distributions.items():
        columns[name] = replace(columns[name], counts=dict(sorted(counts.get(source_date, {}).items())))
