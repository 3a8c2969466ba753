"""Which files a night still waits for."""

from __future__ import annotations

from datetime import date

from nightshift.definition.nights import require_night
from nightshift.lake.landed_parts import LandingFile, missing_files, why_incomplete
from nightshift.lake.landing import needed_files
from nightshift.project import Project


def files_not_landed(project: Project, night: date) -> tuple[LandingFile, ...]:
    """The files that a night needs and that have not landed.

    Raises:
        TerminalError: If the date is not a night of the model.
    """
    require_night(project.definition, night)
    return tuple(missing_files(needed_files(project.definition, project.settings.landing_uri, night)))


def describe_missing(file: LandingFile) -> str:
    """A file that has not landed, with what is still missing if more than the file shows that it is complete."""
    return f"{file.uri} ({why_incomplete(file)})" if file.needs_sign else file.uri
