"""Which files a night still waits for."""

from __future__ import annotations

from datetime import date

from nightshift.lake.landing import LandingFile, missing_files, needed_files
from nightshift.project import Project


def files_not_landed(project: Project, night: date) -> tuple[LandingFile, ...]:
    """The files that a night needs and that have not landed."""
    return tuple(missing_files(needed_files(project.definition, project.settings.landing_uri, night)))
