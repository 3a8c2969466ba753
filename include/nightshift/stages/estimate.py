"""How well a night was scored, as far as that can be estimated before its labels arrive."""

from __future__ import annotations

from datetime import date

from nightshift.monitoring.estimate import estimate_performance as performance_of_scores
from nightshift.project import Progress, Project
from nightshift.registry.classes import read_scores
from nightshift.stages.decide import for_missed_nights
from nightshift.stages.outcomes import expected_performance
from nightshift.stages.scored import read_scored, require_scored
from nightshift.types import Measurement


def estimate(project: Project, night: date, run_id: str, progress: Progress = print) -> tuple[Measurement, ...]:
    """Estimates how well a night was scored, and earlier ones that were scored but not monitored.

    Returns:
        The night's measurements.

    Raises:
        TerminalError: If the night is not scored.
    """
    require_scored(project, night)
    for_missed_nights(project, night, lambda missed: estimate_performance(project, missed, run_id), progress)
    return estimate_performance(project, night, run_id)


def estimate_performance(project: Project, night: date, run_id: str) -> tuple[Measurement, ...]:
    """Estimates how well a night was scored, without its labels."""
    scored = read_scored(project, night)
    prediction = project.definition.prediction
    if scored.mismatch:
        names, reason = prediction.metrics.estimated, scored.mismatch
        measurements = [Measurement("night", name, None, None, 0, "unknown", reason, scored.version) for name in names]
    else:
        expected = expected_performance(project, scored.version)
        scores = read_scores(scored.read(with_key=False), scored.classes)
        measurements = performance_of_scores(expected, scores, scored.version, prediction=prediction)
    project.record("estimate", night, measurements, run_id)
    return tuple(measurements)
