"""What a night reads of a source for a date, wherever its rows are: files, a database, an Iceberg table.

To add a place, declare it in `nightshift.definition.source_places`, write its partition, and name it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from nightshift.definition.source import Completeness, Source
from nightshift.lake.files import as_uri, exists
from nightshift.lake.landed_parts import (
    DAY,
    LandingFile,
    address_of_date,
    date_of_landing_file,
    landed_file_dates,
    landing_file,
    why_file_incomplete,
)
from nightshift.lake.query_partitions import QueryPartition, complete_dates, query_place
from nightshift.lake.table_partitions import TablePartition, table_dates, table_place

LOOK_UP = "look-up "  # with which the names of looked-up versions begin among the inputs of a set
# How the inputs of a staged set name what was read of a query or of a table.
OTHER_PARTITION = re.compile(f"(?!{LOOK_UP}).* of ({DAY})")

SourcePartition = LandingFile | QueryPartition | TablePartition


def source_partition(landing: str, name: str, source: Source, day: date) -> SourcePartition:
    """What is read of a source for a date, whether or not it is there.

    Args:
        landing: The address of the landing folder.
        name: The source.
        source: Its declaration.
        day: The date.
    """
    if source.query:
        return QueryPartition(name, day, source.query, _zone(source))
    if source.table:
        complete = source.complete or Completeness()
        marker = address_of_date(landing, complete.marker, day)
        return TablePartition(name, day, source.table, _zone(source), marker, complete.settled)
    return landing_file(landing, name, source, day)


def landed_dates(landing: str, source: Source) -> list[date]:
    """The dates of a source that are there completely, sorted.

    Raises:
        TerminalError: If what tells them is wrong.
        TransientError: If it does not answer.
    """
    if source.query:
        return complete_dates(source.query, _zone(source))
    if source.table:
        complete = source.complete or Completeness()
        days = table_dates(source.table, _zone(source), complete.settled)
        if complete.marker is None:
            return days
        return [day for day in days if exists(address_of_date(landing, complete.marker, day))]
    return landed_file_dates(landing, source)


def place_of(landing: str, source: Source) -> str:
    """Where the rows of a source are, for messages."""
    if source.query:
        return query_place(source.query)
    return table_place(source.table) if source.table else f"{as_uri(landing)}/{source.path}"


def why_incomplete(partition: SourcePartition) -> str:
    """What is still missing of a date, in words; empty if it is complete."""
    return why_file_incomplete(partition) if isinstance(partition, LandingFile) else partition.why_incomplete()


def missing_partitions(partitions: Iterable[SourcePartition]) -> list[SourcePartition]:
    """Those that are not there, or not completely."""
    return [partition for partition in partitions if why_incomplete(partition)]


def date_of_input(source: Source, uri: str) -> date | None:
    """The date of what was read; None if it belongs to another source or is an unfinished upload."""
    if source.path:
        return date_of_landing_file(source, uri)
    match = OTHER_PARTITION.fullmatch(uri)
    return date.fromisoformat(match[1]) if match else None


def is_partition(name: str) -> bool:
    """Whether an input of a staged set is a file, or what was read of a query or of a table."""
    return "://" in name or bool(OTHER_PARTITION.fullmatch(name))


def _zone(source: Source) -> str:
    """The zone of the dates of a query or of a table, for which it is required."""
    return source.timezone or "UTC"
