"""The landed files of nights that have not run, or have failed: without them a later night would miss days of data.

After an outage nights run in any order, several at once, or never. Each publishes what it reads itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from nightshift.definition.calendar import arriving_partitions, date_range
from nightshift.definition.model import ModelDefinition
from nightshift.features.observations import observed_dates
from nightshift.features.plan import plan_features
from nightshift.lake.read import landed_partitions
from nightshift.lake.source_partitions import SourcePartition, landed_dates, source_partition, why_incomplete
from nightshift.lake.tables import Layer, raw_table, split_identifier
from nightshift.project import Project
from nightshift.types import Measurement, Staged

# How far back the dates since the newest published one are looked for that no window reads, such as those of labels.
# What is missing after a longer outage is a history to build.
LOOK_BACK = timedelta(days=31)
LEFT_OUT = "left out"
FEW = 8  # dates, which are asked for one by one instead of listing all that landed


def overdue_files(project: Project, night: date) -> Iterator[SourcePartition]:
    """The landed files dated before those that a night waits for, of dates that are not published.

    They are the dates that its windows read and those since the newest published one. A date that an earlier night has
    tried in vain is not tried again: it waits for its own night.

    Args:
        project: The model.
        night: The score date.
    """
    definition, landing = project.definition, project.settings.landing_uri
    reads, unpublished = _first_dates_read(definition, night), dict[str, list[date]]()
    for name, source in definition.sources.items():
        if source.cadence != "daily":
            continue
        due = arriving_partitions(definition.schedule, source, night)[0]
        days = _unpublished_dates(project, name, min(reads.get(name, due), due), due)
        if len(days) > FEW:
            days = sorted(set(days) & set(landed_dates(landing, source)))
        if days:
            unpublished[name] = days
    if not unpublished:
        return
    before = project.monitored(min(days[0] for days in unpublished.values()), night - timedelta(days=1))
    tried = {row["subject"] for row in before if row["statistic"] == LEFT_OUT}
    for name, days in unpublished.items():
        untried = (day for day in days if subject(name, day) not in tried)
        files = (source_partition(landing, name, definition.sources[name], day) for day in untried)
        yield from (file for file in files if not why_incomplete(file))


def is_overdue(project: Project, staged: Staged, night: date) -> bool:
    """Whether a staged set is of a date before those that a night waits for, which is not published."""
    layer, name = split_identifier(staged.table)
    if layer != Layer.RAW:
        return False
    source = project.definition.sources[name]
    if source.cadence != "daily" or staged.last >= arriving_partitions(project.definition.schedule, source, night)[0]:
        return False
    spec = raw_table(project.definition, name)
    return not landed_partitions(project.lake, spec, within=(staged.first, staged.last))


def leave_out(source: str, day: date, why: str) -> Measurement:
    """What is recorded about an overdue file that cannot be published."""
    detail = f"left out until its own night runs: {why}"
    return Measurement(subject(source, day), LEFT_OUT, verdict="warn", detail=detail)


def subject(source: str, day: date) -> str:
    """What is recorded about a date of a source."""
    return f"{Layer.RAW.table(source)} of {day}"


def _first_dates_read(definition: ModelDefinition, night: date) -> dict[str, date]:
    """The first date of each source that the features of a night are made of."""
    plan = plan_features(definition, night, night, dict.fromkeys(definition.sources, ()))
    first = {name: min((tile.start for tile in plan.tiles(name)), default=night) for name in plan.windows}
    observed = definition.observations.source
    first[observed] = min(first.get(observed, night), observed_dates(definition, night, night)[0])
    return first


def _unpublished_dates(project: Project, name: str, read: date, due: date) -> list[date]:
    """The dates before one that is due, read or after the newest published one, that are not published."""
    start = project.definition.schedule.start
    first = max(min(read, due - LOOK_BACK), start)
    before_due = due - timedelta(days=1)
    if first > before_due:
        return []
    published = landed_partitions(project.lake, raw_table(project.definition, name), within=(first, before_due))
    since = max(published, default=before_due)
    return [day for day in date_range(first, before_due) if day not in published and (day >= read or day > since)]
