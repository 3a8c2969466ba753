"""The rows of a date that a query on a database gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from nightshift.definition.source_places import DatabaseQuery
from nightshift.errors import NotYetAvailable, TransientError
from nightshift.lake.databases import Database


@dataclass(frozen=True)
class QueryPartition:
    """What a night reads of a source for a date: the rows of a query.

    Attributes:
        source: The source.
        day: The date.
        query: The query.
        zone: The time zone of the source's dates.
    """

    source: str
    day: date
    query: DatabaseQuery
    zone: str

    @property
    def uri(self) -> str:
        """What is read, as messages and staged sets name it."""
        return f"{self.source} on {self.query.connection} of {self.day}"

    def why_incomplete(self) -> str:
        """What is still missing, in words; empty if the date is complete. A database that is away says nothing yet."""
        try:
            complete = self.day in complete_dates(self.query, self.zone)
        except TransientError as error:
            return error.problem
        return "" if complete else "the date is not among those that `dates` lists"

    def tables(self) -> Iterator[pa.Table]:
        """The rows, in tables of bounded memory; at least one.

        Raises:
            NotYetAvailable: If the date is not complete.
            TerminalError, DataError, TransientError: As of `Database.rows`.
        """
        if reason := self.why_incomplete():
            raise NotYetAvailable(f"the date is not complete: {reason}", where=self.uri)
        return Database(self.query.connection, self.zone).rows(self.query.sql, self.day, self.uri)


def complete_dates(query: DatabaseQuery, zone: str) -> list[date]:
    """The dates that a query lists as complete, sorted.

    Raises:
        TerminalError: If the query does not give dates.
        TransientError: If the database does not answer.
    """
    return Database(query.connection, zone).dates(query.dates, f"`dates` of the {query_place(query)}")


def query_place(query: DatabaseQuery) -> str:
    """A query, for messages."""
    return f"query on {query.connection}"
