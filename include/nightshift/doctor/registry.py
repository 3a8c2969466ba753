"""Whether MLflow has every version that the events know, and says the same about who is the champion."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TerminalError
from nightshift.project import Project
from nightshift.registry.lost_versions import require_database
from nightshift.service_errors import explain


def check_registry(examination: Examination) -> Iterator[NightshiftError]:
    """Broken definitions, lost versions, aliases and events that disagree, and packages that cannot be loaded."""
    require_database(examination.settings)
    for model in examination.models:
        examination.progress(f"examining {model}")
        try:
            project = Project(model, examination.settings)
            if examination.settings.has_registry:
                yield from _disagreements(project)
                yield from _damaged_packages(project, deep=examination.deep)
        except Exception as error:
            if (explained := explain(error)) is None:
                raise
            yield explained


def _disagreements(project: Project) -> Iterator[NightshiftError]:
    for disagreement in project.champions.disagreements():
        yield TerminalError(disagreement, where=project.definition.name, fix="score the next night")


def _damaged_packages(project: Project, *, deep: bool) -> Iterator[NightshiftError]:
    """The packages that do not have their digest: of the champion and the challenger, or of all versions."""
    registry = project.registry
    in_use = [version for version in (registry.champion(), registry.challenger()) if version]
    for version in registry.versions().values() if deep else in_use:
        try:
            registry.package_files(version.run_id, version.digest)
        except NightshiftError as error:
            yield TerminalError(str(error), where=f"{project.definition.name}, version {version.number}")
