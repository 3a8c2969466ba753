"""The landing folder: which of its files a night reads."""

from __future__ import annotations

from datetime import date, timedelta

from nightshift.definition.calendar import arriving_partitions, date_range, is_night
from nightshift.definition.model import ModelDefinition
from nightshift.lake.source_partitions import SourcePartition, landed_dates, source_partition, why_incomplete


def needed_files(definition: ModelDefinition, landing: str, night: date) -> list[SourcePartition]:
    """The files that a night waits for: of each daily source those that became available since the night before.

    A source that is read on the nights alone is not waited for on dates between them. Of a source of irregular
    cadence, the newest version that has landed; if none has, the file named after the schedule's start.
    """
    needed, schedule = [], definition.schedule
    for name, source in definition.sources.items():
        days = arriving_partitions(schedule, source, night)
        if source.cadence == "irregular":
            days = [max((d for d in landed_dates(landing, source) if d <= days[-1]), default=schedule.start)]
        else:
            days = [day for day in days if day >= schedule.start and _is_waited_for(definition, name, day, days[-1])]
        needed += [source_partition(landing, name, source, day) for day in days]
    return needed


def files_between(definition: ModelDefinition, landing: str, night: date) -> list[SourcePartition]:
    """The landed files of dates since the night before that a night does not wait for: no date stays unpublished."""
    needed, between = needed_files(definition, landing, night), list[SourcePartition]()
    for name, source in definition.sources.items():
        if source.cadence == "daily":
            days = arriving_partitions(definition.schedule, source, night)
            files = [source_partition(landing, name, source, day) for day in days if day >= definition.schedule.start]
            between += [file for file in files if file not in needed and not why_incomplete(file)]
    return between


def restated_files(definition: ModelDefinition, landing: str, night: date) -> list[SourcePartition]:
    """The landed files of earlier days that may have been corrected since the night before.

    They are those within `restates` of a day that became the newest since then.
    """
    restated = []
    for name, source in definition.sources.items():
        if source.restates is not None and source.cadence == "daily":
            since = arriving_partitions(definition.schedule, source, night)[0]
            first = max(since - source.restates, definition.schedule.start)
            files = [
                source_partition(landing, name, source, day) for day in date_range(first, since - timedelta(days=1))
            ]
            restated += [file for file in files if not why_incomplete(file)]
    return restated


def _is_waited_for(definition: ModelDefinition, name: str, day: date, newest: date) -> bool:
    """Whether a night waits for a date of a daily source, whose newest available date is given."""
    looked_up = any(lookup.source == name for lookup in definition.features.lookups.values())
    return (
        definition.is_read_between_nights(name) or is_night(definition.schedule, day) or (looked_up and day == newest)
    )
