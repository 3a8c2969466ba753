"""A registered version is made again from its lineage: its definition as it was, its rows as they were."""

from __future__ import annotations

from dataclasses import dataclass

from nightshift.project import Progress, Project
from nightshift.registry.package import package_digest
from nightshift.registry.store import Version
from nightshift.registry.stored_definition import definition_of_version
from nightshift.stages.train import fit_model, lineage_of
from nightshift.training.lineage import Lineage


@dataclass(frozen=True)
class Reproduction:
    """A version and the model that its lineage gives now.

    Attributes:
        version: The version.
        digest: The digest of the model that was made now.
        differences: What differs between then and now, as sentences; empty if the digest is the same.
    """

    version: Version
    digest: str
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        return self.digest == self.version.digest


def reproduce(project: Project, number: int, progress: Progress = print) -> Reproduction:
    """Makes a registered version again.

    Raises:
        TerminalError: If there is no such version, it has no lineage, or what it was made from no longer exists.
    """
    version = project.registry.version(number)
    then = Lineage(**project.registry.lineage(version.run_id)[0])
    with definition_of_version(project.registry, version) as definition:
        fitted = fit_model(project, definition, then.split, then.snapshots, progress)
        now = lineage_of(project, definition, then.split, then.snapshots, then.as_of, then.reason, fitted)
    digest = package_digest(fitted.package.dump())
    differences = tuple(then.differences(now)) if digest != version.digest else ()
    return Reproduction(version, digest, differences)
