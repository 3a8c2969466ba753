"""Landing files to staging, as declared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa

from nightshift.definition.calendar import newest_available
from nightshift.definition.nights import require_night
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.landed_files import digest_of
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.landed_rows import LandedRows, stage_rows
from nightshift.lake.landing import files_between, needed_files, restated_files
from nightshift.lake.read import landed_partitions
from nightshift.lake.source_partitions import SourcePartition, landed_dates, source_partition
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import raw_table
from nightshift.project import Progress, Project
from nightshift.stages.overdue import leave_out, overdue_files, subject
from nightshift.stages.reread import reread
from nightshift.types import Measurement

MONITOR = "ingest"


def ingest(project: Project, night: date, run_id: str = "by hand", progress: Progress = print) -> tuple[str, ...]:
    """Stages the files a night needs, and those that landed late or again, corrected, since they were due.

    The latter are recorded in `monitoring`: what is computed of their dates from now on has other rows than before. So
    are published dates that are read again, because the definition reads their files otherwise now, and files of nights
    that have not run, which are left out if they cannot be read. Files of dates between this night and the one before
    are staged even if nothing waits for them.

    Returns:
        The locations of the staged sets.

    Raises:
        TerminalError: If the date is not a night of the model.
    """
    require_night(project.definition, night)
    landing = project.settings.landing_uri
    files = [
        *needed_files(project.definition, landing, night),
        *files_between(project.definition, landing, night),
    ]
    changes = {file: _change(project, file) for file in restated_files(project.definition, landing, night)}
    restated = {file: change for file, change in changes.items() if change}
    due = (*files, *restated)
    lookups = LandedLookups(project.definition, landing)
    staged = tuple(
        stage_files(project, file.source, [file], file.day, file.day, lookups, progress=progress) for file in due
    )
    overdue = [file for file in overdue_files(project, night) if file not in due]
    tried = [_stage_overdue(project, file, lookups) for file in overdue]
    again = reread(project, (*due, *overdue))
    measurements = [
        Measurement(subject(file.source, file.day), "landed", detail=change) for file, change in restated.items()
    ]
    measurements += [*(measurement for _, measurement in tried), *again.measurements]
    for measurement in measurements:
        progress(f"{measurement.subject}: {measurement.detail}")
    if measurements:
        project.record(MONITOR, night, measurements, run_id)
    return (*staged, *(location for location, _ in tried if location), *again.locations)


def describe_changes(project: Project, first: date, last: date) -> list[str]:
    """What nights from `first` to `last` found to have landed late or again, and what they read again, a line each."""
    rows = project.monitored(first, last, MONITOR)
    return [f"{row['score_date']}: {row['subject']}: {row['detail']}" for row in rows]


def ingest_history(project: Project, first: date, last: date) -> tuple[str, ...]:
    """Stages every landed file dated from `first` to `last`, a set a source.

    Of an irregular source also the version that the first date looks up, unless it is published.

    Returns:
        The locations of the staged sets.
    """
    landing = project.settings.landing_uri
    locations: list[str] = []
    for name, source in project.definition.sources.items():
        begin = first if source.cadence == "daily" else _first_version(project, name, first)
        days = [day for day in landed_dates(landing, source) if begin <= day <= last]
        files = [source_partition(landing, name, source, day) for day in days]
        if files:
            lookups = LandedLookups(project.definition, landing)
            locations.append(stage_files(project, name, files, days[0], days[-1], lookups))
    return tuple(locations)


def _first_version(project: Project, name: str, first: date) -> date:
    """The date of the version of an irregular source that a date looks up; that date itself if it is published."""
    definition = project.definition
    versions = landed_dates(project.settings.landing_uri, definition.sources[name])
    version = newest_available(definition, name, first, versions) or first
    within = (version, first - timedelta(days=1))
    is_published = version < first and landed_partitions(project.lake, raw_table(definition, name), within=within)
    return first if is_published else min(version, first)


def stage_files(
    project: Project,
    name: str,
    files: Sequence[SourcePartition],
    first: date,
    last: date,
    lookups: LandedLookups,
    published: Sequence[pa.Table] = (),
    progress: Progress = lambda line: None,
) -> str:
    """Stages landed files of a source.

    Args:
        project: The model.
        name: The source.
        files: Its files.
        first: The first date that they cover.
        last: The last date that they cover.
        lookups: The look-ups of the definition's sources, whose versions are read once.
        published: Rows of other dates, which were published elsewhere.
        progress: Takes a line of progress.

    Returns:
        The location of the staged set.
    """
    landed = [LandedRows(project.definition, file, lookups, progress) for file in files]
    return stage_rows(project.lake, raw_table(project.definition, name), landed, first, last, published).location


def _stage_overdue(project: Project, file: SourcePartition, lookups: LandedLookups) -> tuple[str | None, Measurement]:
    """Stages a file of a night that has not run: the location of its set, if it can be read, and what is recorded."""
    try:
        location = stage_files(project, file.source, [file], file.day, file.day, lookups)
    except TerminalError as error:
        return None, leave_out(file.source, file.day, str(error))
    detail = f"{file.uri.rsplit('/', 1)[-1]} is read for a night that has not run, or has failed"
    return location, Measurement(subject(file.source, file.day), "landed", detail=detail)


def _change(project: Project, file: SourcePartition) -> str:
    """How a landed file differs from the one published for its date; empty if it is the same."""
    spec = raw_table(project.definition, file.source)
    name = file.uri.rsplit("/", 1)[-1]
    try:
        published = published_inputs(project.lake, spec, file.day)
    except NotYetAvailable:
        return f"{name} landed late; nights before did without it"
    except TerminalError:  # its manifest is gone, with what else may have been in the folder
        return f"{name} is read again: what its published rows were read from is no longer recorded"
    if published.get(file.uri) == digest_of(file, project.definition.sources[file.source]):
        return ""
    return f"{name} landed again, corrected; nights that are published stay as they are"
