"""The calendar of nights: cutoffs, and the partitions that are available before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from nightshift.definition.schedule import Schedule
from nightshift.definition.source import Source
from nightshift.errors import TerminalError

if TYPE_CHECKING:
    from nightshift.definition.model import ModelDefinition


def parse_night(text: str | None) -> date:
    """Reads a score date.

    Raises:
        TerminalError: If it is missing or not an ISO date.
    """
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise TerminalError(
            "the score date is missing or not a date",
            received=text,
            allowed="an ISO date such as 2013-07-04",
            fix="trigger the DAG with the score date as its partition key",
        ) from None


def cutoff(schedule: Schedule, night: date) -> datetime:
    """The instant before which data must have been available to be used for a score date."""
    return datetime.combine(night, time.fromisoformat(schedule.at), ZoneInfo(schedule.timezone))


def zone_of(schedule: Schedule, source: Source) -> str:
    """The time zone of a source's dates and of its clock."""
    return source.timezone or schedule.timezone


def available_at(schedule: Schedule, source: Source, partition: date) -> datetime:
    """The instant from which a partition of a source can be used, by the source's clock."""
    midnight = datetime.combine(partition, time(), ZoneInfo(zone_of(schedule, source)))
    # Wall-clock arithmetic on purpose: "06:00 the day after" stays 06:00 when the clocks change.
    return midnight + source.available.after


def is_available(schedule: Schedule, source: Source, partition: date, night: date) -> bool:
    """Whether a partition of a source can be used at the cutoff of a night."""
    # Compared as instants: Python compares times of one zone by their clock, which skips and repeats hours.
    return available_at(schedule, source, partition).astimezone(UTC) <= cutoff(schedule, night).astimezone(UTC)


def newest_partition(schedule: Schedule, source: Source, night: date) -> date:
    """The newest date of a daily source that is available at the cutoff of a night."""
    # Two days more than its own delay, because the source's clock may be most of a day ahead.
    partition = night - timedelta(days=source.available.after.days - 2)
    while not is_available(schedule, source, partition, night):
        partition -= timedelta(days=1)
    return partition


def newest_available(definition: ModelDefinition, source: str, night: date, dates: Iterable[date]) -> date | None:
    """The newest version of an irregular source, of those of some dates, that is available at a night's cutoff."""
    newest = newest_partition(definition.schedule, definition.sources[source], night)
    return max((day for day in dates if day <= newest), default=None)


def label_span(definition: ModelDefinition, night: date) -> tuple[datetime, datetime]:
    """The instants at which the window of a score date's label begins and, exclusively, ends.

    Days are those of the clock: one has 23 or 25 hours when it changes.
    """
    window = definition.label.window
    assert window is not None
    return cutoff(definition.schedule, night + window.from_), cutoff(definition.schedule, night + window.to)


def label_dates(definition: ModelDefinition, night: date) -> tuple[date, date]:
    """The first and the last date of the label source's files that have a score date's outcomes."""
    if definition.label.window is None:
        return night, night
    zone = ZoneInfo(zone_of(definition.schedule, definition.sources[definition.label.source]))
    begin, end = (instant.astimezone(zone) for instant in label_span(definition, night))
    # No event happens at the end itself. By the clock: the last day of a window to midnight is the day before.
    last = end.date() - timedelta(days=1) if end.time() == time() else end.date()
    return begin.date(), last


def newest_labelled(definition: ModelDefinition, night: date) -> date:
    """The newest score date whose outcomes are final at the cutoff of a night."""
    source, window = definition.sources[definition.label.source], definition.label.window
    newest = newest_partition(definition.schedule, source, night)
    if window is None:
        return newest
    if source.restates is not None:  # files within so many days of the newest one may land again
        newest -= source.restates + timedelta(days=1)
    labelled = newest - window.to + timedelta(days=2)
    while label_dates(definition, labelled)[1] > newest:
        labelled -= timedelta(days=1)
    return labelled


def nights(first: date, last: date) -> Iterator[date]:
    """Every date from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def neighbouring(dates: Iterable[date]) -> list[tuple[date, date]]:
    """Spans of neighbouring dates: their first and last ones."""
    spans: list[tuple[date, date]] = []
    for day in sorted(dates):
        if spans and day - spans[-1][1] == timedelta(days=1):
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def spans_in_words(dates: Iterable[date]) -> str:
    """Dates for people, neighbouring ones as a span: `2024-01-01 to 2024-01-03, 2024-01-05`."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in neighbouring(dates))
