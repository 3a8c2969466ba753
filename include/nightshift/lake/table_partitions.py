"""The rows of a date of an Iceberg table that others write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import (
    BadRequestError,
    ForbiddenError,
    NoSuchNamespaceError,
    NoSuchTableError,
    NotInstalledError,
    OAuthError,
    RESTError,
    UnauthorizedError,
)
from pyiceberg.expressions import And, BooleanExpression, EqualTo, GreaterThanOrEqual, LessThan, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.partitioning import PartitionField
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import DateType, StringType, TimestamptzType
from sqlalchemy.exc import OperationalError

from nightshift.definition.duration import format_duration
from nightshift.definition.source_places import IcebergTable
from nightshift.errors import DataError, NotConfiguredError, NotYetAvailable, TerminalError, TransientError, first_line
from nightshift.lake.files import exists
from nightshift.lake.landed_parts import seconds_unsettled
from nightshift.service_errors import explain

# What a catalog answers that it will answer again.
REFUSED = (BadRequestError, ForbiddenError, OAuthError, UnauthorizedError)


@dataclass(frozen=True)
class TablePartition:
    """What a night reads of a source for a date: the rows of a table.

    Attributes:
        source: The source.
        day: The date.
        table: The table.
        zone: The time zone of the source's dates.
        marker: The file that shows that the date is complete; empty if there is none.
        settled: How long no commit may have changed the date; None if something else shows that it is complete.
    """

    source: str
    day: date
    table: IcebergTable
    zone: str
    marker: str = ""
    settled: timedelta | None = None

    @property
    def uri(self) -> str:
        """What is read, as messages and staged sets name it."""
        return f"{table_place(self.table)} of {self.day}"

    def why_incomplete(self) -> str:
        """What is still missing, in words; empty if the date is complete. A catalog that is away says nothing yet."""
        try:
            return self._why_incomplete(_load(self.table))
        except TransientError as error:
            return error.problem

    def tables(self) -> Iterator[pa.Table]:
        """The rows of one snapshot, of a data file after the other; at least one table.

        Raises:
            NotYetAvailable: If the date is not complete.
            TerminalError: If the table is not there, or not partitioned by date.
            DataError: If a data file cannot be read.
            TransientError: If the catalog does not answer.
        """
        table = _load(self.table)
        if reason := self._why_incomplete(table):
            raise NotYetAvailable(f"the date is not complete: {reason}", where=self.uri)
        scan = table.scan(row_filter=_of_day(table, self.table, self.zone, self.day))
        schema = schema_to_pyarrow(scan.projection(), include_field_ids=False)
        yield schema.empty_table()
        for task in scan.plan_files():
            read = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
            try:
                for batch in read.to_record_batches([task]):
                    yield pa.Table.from_batches([batch]).cast(schema)
            except (OSError, pa.ArrowException) as error:
                if answer := explain(error):
                    raise answer from None
                problem = f"a data file cannot be read: {first_line(error)}"
                fix = "mend the table where it is written"
                raise DataError(problem, where=f"{self.uri}: {task.file.file_path}", fix=fix) from None

    def _why_incomplete(self, table: Table) -> str:
        """What is still missing in a table that is open."""
        if self.marker:
            return "" if exists(self.marker) else f"{self.marker} has not landed"
        changed = _changes(table, self.table, self.zone)
        if self.day not in changed:
            return "it has no rows yet"
        seconds = seconds_unsettled(changed[self.day], self.settled) if self.settled is not None else None
        if self.settled is None or seconds is None:
            return ""
        return f"it was written {seconds} s ago; complete when it was not for {format_duration(self.settled)}"


def table_place(table: IcebergTable) -> str:
    """A table of a source, for messages."""
    return f"table {table.catalog}.{table.name}"


def table_dates(table: IcebergTable, zone: str, settled: timedelta | None) -> list[date]:
    """The dates that have rows and have settled, sorted.

    Raises:
        TerminalError: If the table is not there, or not partitioned by date.
        TransientError: If the catalog does not answer.
    """
    changes = _changes(_load(table), table, zone)
    return sorted(
        day for day, changed in changes.items() if settled is None or seconds_unsettled(changed, settled) is None
    )


def _load(place: IcebergTable) -> Table:
    try:
        return load_catalog(place.catalog).load_table(place.name)
    except (NoSuchTableError, NoSuchNamespaceError):
        fix = "correct its name, or the configuration of the catalog"
        raise TerminalError("there is no such table", where=table_place(place), fix=fix) from None
    except REFUSED as error:
        fix = "allow this login to read the table, or correct the configuration of the catalog"
        raise TerminalError(f"the catalog answered: {first_line(error)}", where=table_place(place), fix=fix) from None
    except (RESTError, OSError, OperationalError) as error:
        fix = "start it, or correct its configuration; then run this again"
        problem = f"the catalog does not answer: {first_line(error)}"
        raise TransientError(problem, where=table_place(place), fix=fix) from None
    except (ValueError, NotInstalledError) as error:
        fix = f"set PYICEBERG_CATALOG__{place.catalog.upper()}__URI, or correct the catalog in .pyiceberg.yaml"
        problem = f"the catalog cannot be opened: {first_line(error)}"
        raise NotConfiguredError(problem, where=table_place(place), fix=fix) from None


def _partition_field(table: Table, place: IcebergTable, zone: str) -> PartitionField:
    """The field by which the table is partitioned by date.

    Raises:
        TerminalError: If it is not, or by days of another zone than the source's.
    """
    names = {field.field_id: field.name for field in table.schema().fields}
    for field in table.spec().fields:
        kind = table.schema().find_type(field.source_id)
        by_identity = isinstance(field.transform, IdentityTransform) and isinstance(kind, DateType | StringType)
        if names.get(field.source_id) != place.date:
            continue
        if isinstance(field.transform, DayTransform) and zone not in {"UTC", "Etc/UTC"}:
            fix = "write `timezone: UTC`, and `available` by its clock"
            raise TerminalError("its days are those of UTC", where=table_place(place), received=zone, fix=fix)
        if by_identity or isinstance(field.transform, DayTransform):
            return field
    fields = [f"{field.transform}({names.get(field.source_id)})" for field in table.spec().fields]
    raise TerminalError(
        f"the table is not partitioned by the date in '{place.date}'",
        where=table_place(place),
        received=", ".join(fields) or "no partitions",
        allowed="identity of a date or of a text, or day of a time",
        fix="name the column in `table.date`, or partition the table by it",
    )


def _of_day(table: Table, place: IcebergTable, zone: str, day: date) -> BooleanExpression:
    """The rows of a date."""
    field, column = _partition_field(table, place, zone), Reference(place.date)
    if isinstance(field.transform, IdentityTransform):
        return EqualTo(term=column, value=literal(day.isoformat()))
    offset = "+00:00" if isinstance(table.schema().find_type(field.source_id), TimestamptzType) else ""
    begin, end = (literal(f"{part.isoformat()}T00:00:00{offset}") for part in (day, day + timedelta(days=1)))
    return And(GreaterThanOrEqual(term=column, value=begin), LessThan(term=column, value=end))


def _changes(table: Table, place: IcebergTable, zone: str) -> dict[date, datetime]:
    """The dates that have rows, and when each was last changed; long ago if its snapshot has expired."""
    field = _partition_field(table, place, zone)
    if table.current_snapshot() is None:
        return {}
    changes = dict[date, datetime]()
    rows = table.inspect.partitions().select(["partition", "record_count", "last_updated_at"]).to_pylist()
    for row in rows:
        day = _as_date((row["partition"] or {}).get(field.name))
        if day and row["record_count"]:
            changed = row["last_updated_at"] or datetime.min
            changes[day] = max(changed.replace(tzinfo=UTC), changes.get(day, datetime.min.replace(tzinfo=UTC)))
    return changes


def _as_date(value: object) -> date | None:
    """The date of a partition; None if its text is none, or the partition is of an earlier specification."""
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        return None
