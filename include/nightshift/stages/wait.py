"""Which files a night still waits for."""

from __future__ import annotations

from datetime import date

from nightshift.definition.nights import require_night
from nightshift.lake.landing import LandingFile, missing_files, needed_files
from nightshift.project import Project


def files_not_landed(project: Project, night: date) -> tuple[LandingFile, ...]:
    """The files that a night needs and that have not landed.

    Raises:
        TerminalError: If the date is not a night of the model.
    """
    require_night(project.definition, night)
    return tuple(missing_files(needed_files(project.definition, project.settings.landing_uri, night)))
