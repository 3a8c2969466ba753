"""What the drift of a version's rows is compared with."""

from __future__ import annotations

from nightshift.monitoring.reference import DriftBaseline
from nightshift.monitoring.reference import drift_baseline as baseline_of_reference
from nightshift.project import Project
from nightshift.registry.reference import ModelReference
from nightshift.registry.store import Version

IMPORTANCE = "importance."  # how the names of a version's metrics of its features begin


def importance_of(project: Project, version: Version) -> dict[str, float]:
    """The importance of each feature for a version, by name."""
    metrics = project.registry.metrics(version.run_id)
    return {name.removeprefix(IMPORTANCE): value for name, value in metrics.items() if name.startswith(IMPORTANCE)}


def drift_baseline(project: Project, version: Version) -> tuple[ModelReference, DriftBaseline | None]:
    """The reference of a version, and its thresholds for the declared rate of false alarms."""
    definition, reference = project.definition, project.registry.reference(version)
    baseline = baseline_of_reference(reference, definition.watched_features, definition.monitoring.false_alarms)
    return reference, baseline
