"""Which files a night still waits for."""

from __future__ import annotations

from datetime import date

from nightshift.definition.nights import require_night
from nightshift.lake.landed_parts import LandingFile
from nightshift.lake.landing import needed_files
from nightshift.lake.source_partitions import SourcePartition, missing_partitions, why_incomplete
from nightshift.project import Project


def files_not_landed(project: Project, night: date) -> tuple[SourcePartition, ...]:
    """The files that a night needs and that have not landed.

    Raises:
        TerminalError: If the date is not a night of the model.
    """
    require_night(project.definition, night)
    return tuple(missing_partitions(needed_files(project.definition, project.settings.landing_uri, night)))


def describe_missing(file: SourcePartition) -> str:
    """What has not landed, with what is still missing if more than a file shows that it is complete."""
    is_plain = isinstance(file, LandingFile) and not file.needs_sign
    return file.uri if is_plain else f"{file.uri} ({why_incomplete(file)})"
