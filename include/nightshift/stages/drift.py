"""How far a scored night has drifted from what its version learned."""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta

import pyarrow as pa

from nightshift.errors import NotYetAvailable, first_line
from nightshift.features.recorded_recipes import FEATURES_OF_VERSION
from nightshift.lake.read import read_dates
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import features_table, scores_table
from nightshift.monitoring.drift import ScoredNight
from nightshift.monitoring.drift import measure_drift as drift_of_night
from nightshift.monitoring.night_profile import PROFILE, SCORED_COLUMNS, NightProfile, Profiler
from nightshift.project import Progress, Project
from nightshift.registry.reference import PREDICTIONS, ModelReference
from nightshift.registry.store import Version
from nightshift.stages.baseline import drift_baseline, importance_of
from nightshift.stages.decide import for_missed_nights
from nightshift.stages.scored import require_scored
from nightshift.stages.served import measure_served
from nightshift.types import Measurement

log = logging.getLogger(__name__)


def drift(project: Project, night: date, run_id: str, progress: Progress = print) -> Measurement:
    """Measures the drift of a night, and of earlier ones that were scored but not monitored.

    So it does for the rows that the API kept on the day before, if it did: what fails there is said, and stops no
    night.

    Returns:
        The drift of the night's inputs, all features together.

    Raises:
        TerminalError: If the night is not scored.
    """
    require_scored(project, night)
    for_missed_nights(project, night, lambda missed: measure_drift(project, missed, run_id), progress)
    measurement = measure_drift(project, night, run_id)
    try:
        measure_served(project, night - timedelta(days=1), run_id)
    except NotYetAvailable:  # the API keeps no rows, or nobody asked
        pass
    except Exception as error:
        log.exception("the rows that the API kept were not measured")
        progress(f"the rows that the API kept were not measured: {first_line(error)}")
    return measurement


def measure_drift(project: Project, night: date, run_id: str) -> Measurement:
    """Measures a night's drift against the reference of the version that scored it.

    Returns:
        The drift of its inputs, all features together.
    """
    version = _version_of(project, night)
    reference, baseline = drift_baseline(project, version)
    profile = _profile(project, night, reference)
    importance = importance_of(project, version)
    scored = ScoredNight(night, profile, project.definition.watched_features, version.number, importance)
    measurements = drift_of_night(scored, baseline)
    project.record("drift", night, measurements, run_id)
    return next(measurement for measurement in measurements if measurement.statistic == "input_drift")


def profile_of(project: Project, night: date) -> tuple[ModelReference, NightProfile]:
    """The reference of the version that scored a night, and the night's profile over the reference's bins."""
    reference = project.registry.reference(_version_of(project, night))
    return reference, _profile(project, night, reference)


def scored_features(project: Project, night: date) -> pa.Table:
    """A published night's features, at the snapshot they were scored from.

    Raises:
        NotYetAvailable: If the night has no published scores.
    """
    spec = scores_table(project.definition)
    scores = read_dates(project.lake, spec, night, night, columns=("features_snapshot",))
    if scores.num_rows == 0:
        raise NotYetAvailable(f"{night} has no published scores", where=spec.name)
    snapshot = int(scores["features_snapshot"][0].as_py())
    return read_dates(project.lake, features_table(project.definition), night, night, snapshot=snapshot)


def _profile(project: Project, night: date, reference: ModelReference) -> NightProfile:
    """The profile made while a night was scored; made now, without slices, if there is none."""
    spec = scores_table(project.definition)
    inputs = published_inputs(project.lake, spec, night)
    if stored := inputs.get(PROFILE):
        return NightProfile.from_json(json.loads(stored))
    rows = scored_features(project, night)
    is_class_no_more = reference.predictions is not None and SCORED_COLUMNS[PREDICTIONS] not in spec.columns
    if FEATURES_OF_VERSION in inputs or is_class_no_more:  # not what was scored, or not all that it was scored as
        return NightProfile.empty(rows.num_rows)
    columns = tuple(name for name in SCORED_COLUMNS.values() if name in spec.columns)
    scores = read_dates(project.lake, spec, night, night, columns=columns)
    profiler = Profiler.of(reference)
    return profiler(rows, scores) if profiler else NightProfile.empty(rows.num_rows)


def _version_of(project: Project, night: date) -> Version:
    rows = read_dates(project.lake, scores_table(project.definition), night, night, columns=("model_version",))
    return project.registry.version(int(rows["model_version"][0].as_py()))
