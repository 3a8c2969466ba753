"""After a night was scored: how far it has drifted."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.errors import NotYetAvailable
from nightshift.lake.read import read_dates
from nightshift.lake.staging import published_inputs
from nightshift.lake.tables import features_table, scores_table
from nightshift.loop.workspace import Workspace
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.monitoring.night_profile import NightProfile
    from nightshift.monitoring.reference import DriftBaseline
    from nightshift.registry.reference import ModelReference
    from nightshift.registry.store import Version

IMPORTANCE = "importance."  # how a version's metrics of its features begin


class Monitoring(Workspace):
    """What is measured of a scored night's features."""

    def measure_drift(self, night: date, run_id: str) -> Measurement:
        """Measures a night's drift against the reference of the version that scored it.

        Returns:
            The drift of its inputs, all features together.
        """
        from nightshift.monitoring.drift import ScoredNight, measure_drift

        version = self._version_of(night)
        reference, baseline = self.drift_baseline(version)
        profile = self._profile(night, reference)
        metrics = self.registry.metrics(version.run_id)
        importance = {
            name.removeprefix(IMPORTANCE): value for name, value in metrics.items() if name.startswith(IMPORTANCE)
        }
        measured = measure_drift(ScoredNight(night, profile, self._watched, version.number, importance), baseline)
        self.record("drift", night, measured, run_id)
        return next(one for one in measured if one.statistic == "input_drift")

    def drift_baseline(self, version: Version) -> tuple[ModelReference, DriftBaseline | None]:
        """The reference of a version, and its thresholds for the declared rate of false alarms."""
        from nightshift.monitoring.reference import drift_baseline

        reference = self.registry.reference(version)
        return reference, drift_baseline(reference, self._watched, self.definition.monitoring.false_alarms)

    @property
    def _watched(self) -> tuple[str, ...]:
        return self.definition.monitoring.features or tuple(self.definition.feature_types)

    def profiled(self, night: date) -> tuple[ModelReference, NightProfile]:
        """The reference of the version that scored a night, and what was counted of the night over its bins."""
        reference = self.registry.reference(self._version_of(night))
        return reference, self._profile(night, reference)

    def _profile(self, night: date, reference: ModelReference) -> NightProfile:
        """What was counted while a night was scored; counted now, without slices, if it was not."""
        from nightshift.monitoring.night_profile import PROFILE, NightProfile, Profiler

        spec = scores_table(self.definition)
        if kept := published_inputs(self.lake, spec, night).get(PROFILE):
            return NightProfile.from_json(json.loads(kept))
        rows = self._scored(night)
        scores = read_dates(self.lake, spec, night, night, columns=("score",))["score"]
        profiler = Profiler.of(reference)
        return profiler(rows, scores) if profiler else NightProfile.empty(rows.num_rows)

    def _scored(self, night: date) -> pa.Table:
        """A published night's features, at the snapshot they were scored from."""
        scores = read_dates(self.lake, scores_table(self.definition), night, night, columns=("features_snapshot",))
        if scores.num_rows == 0:
            raise NotYetAvailable(f"{night} has no published scores", where=scores_table(self.definition).name)
        snapshot = int(scores["features_snapshot"][0].as_py())
        return read_dates(self.lake, features_table(self.definition), night, night, snapshot=snapshot)

    def _version_of(self, night: date) -> Version:
        rows = read_dates(self.lake, scores_table(self.definition), night, night, columns=("model_version",))
        return self.registry.version(int(rows["model_version"][0].as_py()))
