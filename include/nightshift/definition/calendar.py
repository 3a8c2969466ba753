"""The calendar of nights: which dates they are, their cutoffs, and the partitions that are available before them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from nightshift.definition.cron import date_after, date_before, is_weekly, named_dates
from nightshift.definition.schedule import Schedule
from nightshift.definition.source import Source
from nightshift.errors import TerminalError

if TYPE_CHECKING:
    from nightshift.definition.model import ModelDefinition

YEARS = timedelta(days=4 * 366)  # in which every date comes that a cron can name, 29 February among them


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
    return datetime.combine(night, schedule.time_of_day, ZoneInfo(schedule.timezone))


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
    return newest_partition_at(schedule, source, cutoff(schedule, night))


def newest_partition_at(schedule: Schedule, source: Source, instant: datetime) -> date:
    """The newest date of a source that is available at an instant."""
    # Two days more than its own delay, because the source's clock may be most of a day ahead.
    partition = instant.date() - timedelta(days=source.available.after.days - 2)
    # Compared as instants, as by `is_available`.
    while available_at(schedule, source, partition).astimezone(UTC) > instant.astimezone(UTC):
        partition -= timedelta(days=1)
    return partition


def newest_available(definition: ModelDefinition, source: str, night: date, dates: Iterable[date]) -> date | None:
    """The newest version of an irregular source, of those of some dates, that is available at a night's cutoff."""
    newest = newest_partition(definition.schedule, definition.sources[source], night)
    return max((day for day in dates if day <= newest), default=None)


def arriving_partitions(schedule: Schedule, source: Source, night: date) -> list[date]:
    """The dates of a daily source that become available after the cutoff of the night before, up to a night's.

    The newest date is one of them, even if it was available already.
    """
    newest = newest_partition(schedule, source, night)
    before = newest_partition(schedule, source, previous_night(schedule, night))
    return list(date_range(min(before + timedelta(days=1), newest), newest))


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
    return newest_night(definition.schedule, _newest_final(definition, night))


def _newest_final(definition: ModelDefinition, night: date) -> date:
    """The newest date, be it a score date or not, whose outcomes are final at the cutoff of a night."""
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


def final_from(definition: ModelDefinition, night: date) -> date:
    """The first date, be it a score date or not, at whose cutoff the outcomes of a score date are final."""
    later = night
    while newest_labelled(definition, later) < night:
        later += timedelta(days=1)
    return later


def date_range(first: date, last: date) -> Iterator[date]:
    """Every date from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def nights(schedule: Schedule, first: date, last: date) -> Iterator[date]:
    """The score dates from `first` to `last`, both included: every date, or those that the schedule's cron names.

    The schedule's own start and end are not looked at: see `require_night`.
    """
    return named_dates(schedule.cron, first, last) if schedule.cron else date_range(first, last)


def only_nights(schedule: Schedule, dates: Iterable[date]) -> list[date]:
    """Those of some dates that are score dates, ascending: a table may have nights of an earlier schedule."""
    ordered = sorted(dates)
    if schedule.cron is None or not ordered:
        return ordered
    named = set(nights(schedule, ordered[0], ordered[-1]))
    return [day for day in ordered if day in named]


def is_night(schedule: Schedule, day: date) -> bool:
    """Whether a date is a score date."""
    return any(True for _ in nights(schedule, day, day))


def next_night(schedule: Schedule, day: date) -> date:
    """The first score date after a date."""
    night = date_after(schedule.cron, day) if schedule.cron else day + timedelta(days=1)
    assert night is not None, "a cron that names no date is refused with the definition"
    return night


def previous_night(schedule: Schedule, day: date, count: int = 1) -> date:
    """The last score date before a date; or the one that is so many score dates before it.

    Args:
        schedule: The schedule.
        day: The date, which need not be a score date.
        count: How many score dates to go back.
    """
    if schedule.cron is None:
        return day - timedelta(days=count)
    for _ in range(count):
        night = date_before(schedule.cron, day)
        if night is None:
            break
        day = night
    return day


def newest_night(schedule: Schedule, day: date) -> date:
    """The newest score date up to a date, itself included."""
    return previous_night(schedule, day + timedelta(days=1))


def fewest_nights(schedule: Schedule, span: timedelta) -> int:
    """The fewest score dates that so many days up to a score date have, in the first years of a schedule."""
    if schedule.cron is None:
        return span.days
    begin = schedule.start
    named = list(nights(schedule, begin - span, begin + YEARS))
    counts = (index + 1 - bisect_right(named, night - span) for index, night in enumerate(named) if night >= begin)
    return min(counts, default=0)


def weekdays_compare(schedule: Schedule) -> bool:
    """Whether nights are compared with those of their own weekday; otherwise with the nights just before them.

    A week's Mondays are like each other, and so are the nights of a schedule of every date. The first of one month is
    like that of another, whatever weekday it is.
    """
    return schedule.cron is None or is_weekly(schedule.cron)


def neighbouring(dates: Iterable[date], schedule: Schedule | None = None) -> list[tuple[date, date]]:
    """Spans of neighbouring dates: their first and last ones. With a schedule, of neighbouring score dates."""
    spans: list[tuple[date, date]] = []
    for day in sorted(dates):
        before = previous_night(schedule, day) if schedule else day - timedelta(days=1)
        if spans and spans[-1][1] >= before:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def spans_in_words(dates: Iterable[date], schedule: Schedule | None = None) -> str:
    """Dates for people, neighbouring ones as a span: `2024-01-01 to 2024-01-03, 2024-01-05`."""
    spans = neighbouring(dates, schedule)
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
