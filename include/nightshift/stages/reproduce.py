"""A registered version is made again from its lineage: its definition as it was, its rows as they were."""

from __future__ import annotations

from dataclasses import dataclass

from nightshift.lake.tables import raw_table
from nightshift.project import Progress, Project
from nightshift.registry.package import package_digest
from nightshift.registry.store import Version
from nightshift.registry.stored_definition import definition_of_version
from nightshift.stages.refit import refit_model
from nightshift.stages.train import FittedModel, fit_model, lineage_of
from nightshift.training.lineage import Lineage


@dataclass(frozen=True)
class Reproduction:
    """A version and the model that its lineage gives now.

    Attributes:
        version: The version.
        digest: The digest of the model that was made now.
        differences: What differs between then and now, as sentences; empty if model and labels are the same.
        labels: How many labels were computed again, from what, and whether they are those of then, as a sentence.
    """

    version: Version
    digest: str
    differences: tuple[str, ...]
    labels: str

    @property
    def identical(self) -> bool:
        return self.digest == self.version.digest and not self.differences


def reproduce(project: Project, number: int, progress: Progress = print) -> Reproduction:
    """Makes a registered version again.

    Raises:
        TerminalError: If there is no such version, it has no lineage, or what it was made from no longer exists.
    """
    version = project.registry.version(number)
    then = Lineage(**project.registry.lineage(version.run_id)[0])
    with definition_of_version(project.registry, version) as definition:
        fitted, now = _fit_again(project.with_definition(definition), then, progress)
        table = raw_table(definition, definition.label.source).name
    digest = package_digest(fitted.package.dump())
    relabelled = bool(then.labels) and then.labels != now.labels
    differences = tuple(then.differences(now)) if digest != version.digest or relabelled else ()
    outcome = "different" if relabelled else "identical" if then.labels else "not recorded then"
    labels = (
        f"{fitted.rows.num_rows + fitted.holdout.num_rows:,} labels from {table} at snapshot {then.snapshots[table]}"
    )
    return Reproduction(version, digest, differences, f"{labels}: {outcome}")


def _fit_again(project: Project, then: Lineage, progress: Progress) -> tuple[FittedModel, Lineage]:
    """The model of a lineage; of one that was fitted again after its gate, the model that was judged before it."""
    judged = Lineage(**project.registry.lineage(then.refit_of)[0]) if then.refit_of else then
    definition, dates, snapshots = project.definition, judged.split, judged.snapshots
    fitted = fit_model(project, definition, dates, snapshots, progress)
    lineage = lineage_of(project, definition, dates, snapshots, judged.as_of, judged.reason, fitted)
    if not then.refit_of:
        return fitted, lineage
    refitted = refit_model(project, definition, fitted.package, lineage, then.refit_of, progress)
    return refitted.fitted, refitted.lineage
