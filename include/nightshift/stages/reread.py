"""Published dates of sources whose reading has changed since: their landed files are read again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from nightshift.definition.calendar import date_range, neighbouring, spans_in_words
from nightshift.errors import DataError, NightshiftError, NotYetAvailable, TerminalError
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.landed_rows import LandedRows, seal_rows
from nightshift.lake.parquet import joined_tables
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates
from nightshift.lake.readings import OutdatedReadings, outdated_readings
from nightshift.lake.source_partitions import SourcePartition, missing_partitions, source_partition
from nightshift.lake.staging import Attempt, published_inputs, stage_arrow
from nightshift.lake.tables import READINGS, TableSpec, raw_table
from nightshift.project import Project
from nightshift.types import Measurement

READ = "read"  # the statistic of what was read again, and of what was not


@dataclass(frozen=True)
class Reread:
    """What was done about published dates that were read otherwise.

    Attributes:
        locations: The staged sets of the dates that were read again.
        measurements: What was read again, and what stays as it was read; each says why.
    """

    locations: tuple[str, ...]
    measurements: tuple[Measurement, ...]

    def __add__(self, later: Reread) -> Reread:
        return Reread(self.locations + later.locations, self.measurements + later.measurements)


def reread(project: Project, due: Collection[SourcePartition] = ()) -> Reread:
    """Stages the landed files of all published dates that were read otherwise than the definition says now.

    A file that cannot be read so was written for the earlier declaration: its rows stay as they were read, and count as
    read by the current one.

    Args:
        project: The model.
        due: The files that are read in any case.

    Raises:
        TerminalError: If the file of a date is gone whose columns were read otherwise.
    """
    result = Reread((), ())
    for outdated in outdated_readings(project.lake, project.definition):
        source = project.definition.sources[outdated.source]
        files = [
            source_partition(project.settings.landing_uri, outdated.source, source, day) for day in outdated.changes
        ]
        result += _reread_source(project, outdated, [file for file in files if file not in due])
    return result


def _reread_source(project: Project, outdated: OutdatedReadings, files: Sequence[SourcePartition]) -> Reread:
    absent = missing_partitions(list(files))
    _check_absent(project, outdated, [file.day for file in absent])
    landed = {file.day: file for file in files if file not in absent}
    result = Reread((), tuple(_retain(project, file, "it is no longer in the landing folder") for file in absent))
    for first, last in neighbouring(landed):
        result += _stage_neighbours(project, [landed[day] for day in date_range(first, last)], outdated)
    return result


def _check_absent(project: Project, outdated: OutdatedReadings, absent: list[date]) -> None:
    """Refuses dates that cannot be read again and whose columns mean something else than those of other dates."""
    if changed := {day: outdated.changes[day] for day in absent if outdated.changes[day].changed}:
        raise TerminalError(
            f"{OutdatedReadings(outdated.source, changed)}, and can no longer be read again",
            where=project.settings.landing_uri,
            received=f"no file of {spans_in_words(changed)}",
            fix="land them again, declare the columns as before, or declare the new files as a source of another name",
        )


@dataclass
class _Run:
    """Neighbouring dates that can be read, which are staged together.

    Attributes:
        attempt: Where they are written.
        landed: Their rows.
        files: The written files with their numbers of rows.
    """

    attempt: Attempt
    landed: list[LandedRows] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)

    def add(self, landed: LandedRows) -> None:
        self.files |= self.attempt.write(joined_tables(landed))
        self.landed.append(landed)


def _stage_neighbours(project: Project, files: Sequence[SourcePartition], outdated: OutdatedReadings) -> Reread:
    """Stages neighbouring dates, a set for each run of them that can be read."""
    spec = raw_table(project.definition, outdated.source)
    lookups = LandedLookups(project.definition, project.settings.landing_uri)
    runs, measurements = [_Run(_attempt(project, spec, files))], list[Measurement]()
    for file in files:
        try:
            runs[-1].add(LandedRows(project.definition, file, lookups))
        except (DataError, NotYetAvailable) as error:
            _check_retainable(outdated, file, error)
            measurements.append(_retain(project, file, error.problem))
            runs.append(_Run(_attempt(project, spec, files)))
    staged_sets = []
    for run in runs:
        if run.landed:
            days = [landed.day for landed in run.landed]
            staged = seal_rows(run.attempt, run.files, run.landed, days[0], days[-1])
            staged_sets.append(staged)
            change = OutdatedReadings(outdated.source, {day: outdated.changes[day] for day in days}).change
            detail = f"was of {change}: read again"
            measurements.append(Measurement(f"{spec.name} of {staged.dates}", READ, detail=detail))
    return Reread(tuple(staged.location for staged in staged_sets), tuple(measurements))


def _attempt(project: Project, spec: TableSpec, files: Sequence[SourcePartition]) -> Attempt:
    return Attempt(project.lake, spec, files[0].day, files[-1].day)


def _check_retainable(outdated: OutdatedReadings, file: SourcePartition, error: NightshiftError) -> None:
    """Refuses to retain a date whose columns mean something else, if a version that it looks up is gone."""
    if isinstance(error, NotYetAvailable) and outdated.changes[file.day].changed:
        raise TerminalError(
            f"{outdated}, and can no longer be read again: {error.problem}",
            where=file.uri,
            received=error.received,
            allowed=error.allowed,
            fix="land that version again, or declare the columns as before",
        ) from None


def _retain(project: Project, file: SourcePartition, reason: str) -> Measurement:
    """Publishes the rows of a date as they are, as read by the current declaration: they passed their audit."""
    spec = raw_table(project.definition, file.source)
    inputs = {name: text for name, text in published_inputs(project.lake, spec, file.day).items() if name != READINGS}
    rows = read_dates(project.lake, spec, file.day, file.day)
    publish(project.lake, spec, stage_arrow(project.lake, spec, rows, file.day, file.day, inputs))
    name = file.uri.rsplit("/", 1)[-1]
    return Measurement(f"{spec.name} of {file.day}", READ, detail=f"stays as it was read before: {name}: {reason}")
