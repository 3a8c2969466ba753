"""Sources: dated external data sets, and how their files are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nightshift.definition.base import Name, StrictModel
from nightshift.definition.checks import (
    ColumnChecks,
    CustomExpectation,
    Freshness,
    Quarantine,
    Reference,
    Repeats,
    RowCount,
    RowRule,
)
from nightshift.definition.duration import Days, Duration
from nightshift.definition.schedule import TimeZone

ColumnType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]


class Column(ColumnChecks):
    """A column of a source, and what must hold of it."""

    type: ColumnType
    description: str = ""


class Availability(StrictModel):
    """When a partition of a source is there: this long after the midnight its date begins with."""

    after: Duration


class DerivedColumn(StrictModel):
    """A column computed from the landed columns of the same row, in Spark SQL."""

    expression: str
    type: ColumnType
    description: str = ""


class Source(StrictModel):
    """A dated external data set: one file per date in the landing folder."""

    description: str
    path: str = Field(description="Below the landing folder, with `{date}` where the ISO date stands.")
    cadence: Literal["daily", "irregular"] = Field(
        "daily", description="irregular: each file is a full version; a night uses the newest one available."
    )
    available: Availability
    timezone: TimeZone | None = Field(None, description="Of its dates and clock; the schedule's if left out.")
    event_time: str | None = Field(
        None, description="Spark SQL: when what a row tells happened, by the source's own clock."
    )
    restates: Days | None = Field(None, description="How long after its date a file may land again, corrected.")
    columns: dict[Name, Column] = Field(min_length=1)
    derived: dict[Name, DerivedColumn] = {}
    key: tuple[str, ...] = Field((), description="Columns that identify a row within its date.")
    rows: RowCount = RowCount()
    rules: dict[Name, RowRule] = {}
    references: dict[Name, Reference] = {}
    freshness: Freshness | None = None
    repeats: Repeats = Field("fail", description="Where a daily file is the same, byte for byte, as another date's.")
    expectations: tuple[CustomExpectation, ...] = ()
    quarantine: Quarantine = Quarantine()

    @property
    def landed(self) -> dict[str, str]:
        """Every column of its files, with its type."""
        return {name: str(column.type) for name, column in self.columns.items()}

    @property
    def types(self) -> dict[str, str]:
        """Every column an expression may use, landed or derived, with its type."""
        return self.landed | {name: str(column.type) for name, column in self.derived.items()}
