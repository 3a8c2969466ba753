"""After a night was scored: drift, outcomes, and whether to ask for a training."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nightshift.definition.calendar import newest_labelled
from nightshift.errors import NotYetAvailable
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.read import published_dates, read_dates
from nightshift.lake.staging import inputs_of
from nightshift.lake.tables import features_table, monitoring_table, raw_table, scores_table
from nightshift.loop.workspace import Workspace
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.monitoring.decide import Decision
    from nightshift.monitoring.night import NightProfile
    from nightshift.registry.store import Version

IMPORTANCE = "importance."  # how a version's metrics of its features begin
# How far back nights are looked at that monitoring missed, and how long late outcomes are waited for.
LOOKBACK, RESTATED = timedelta(days=60), timedelta(days=3)


class Monitoring(Workspace):
    """What is measured of a scored night, and decided."""

    def measure_drift(self, night: date, run_id: str) -> Measurement:
        """Measures a night's drift against the reference of the version that scored it.

        Returns:
            The drift of its inputs, all features together.
        """
        from nightshift.monitoring.drift import Night, measure_drift
        from nightshift.monitoring.reference import calibration

        version = self._version_of(night)
        reference = self.registry.reference(version)
        profile = self._profile(night, reference)
        watched = self.definition.monitoring.features or tuple(self.definition.feature_types)
        metrics = self.registry.metrics(version.run_id)
        importance = {
            name.removeprefix(IMPORTANCE): value for name, value in metrics.items() if name.startswith(IMPORTANCE)
        }
        found = calibration(reference, watched, self.definition.monitoring.false_alarms)
        measured = measure_drift(Night(night, profile, watched, version.number, importance), found)
        self.record("drift", night, measured, run_id)
        return next(one for one in measured if one.statistic == "input_drift")

    def measure_outcomes(self, night: date, run_id: str) -> list[date]:
        """Measures every scored night whose labels have become final by a night's cutoff.

        Nights that were not measured yet, and the newest few again, so that late outcomes count.
        """
        from nightshift.monitoring.outcomes import measure_outcomes

        newest = newest_labelled(self.definition, night)
        recent = newest - LOOKBACK, newest
        restated = self.definition.sources[self.definition.label.source].restates or RESTATED
        measured = {row["score_date"] for row in self.monitored(*recent) if row["monitor"] == "outcome"}
        scored = [
            day
            for day in published_dates(self.lake, scores_table(self.definition), recent)
            if day not in measured or day > newest - restated
        ]
        labelled = set(published_dates(self.lake, raw_table(self.definition, self.definition.label.source), recent))
        done = []
        for day in sorted(set(scored) & labelled):
            rows = read_dates(self.lake, scores_table(self.definition), day, day)
            labels = read_labels(self.lake, self.definition, day, day)
            known = join_labels(rows, labels, self.definition.observations.key)
            version = int(rows["model_version"][0].as_py())
            self.record("outcome", day, measure_outcomes(known, rows.num_rows, version), run_id)
            done.append(day)
        return done

    def decide(self, night: date, run_id: str) -> Decision:
        """Decides whether a night asks for a retrain, and keeps the decision."""
        from nightshift.monitoring.decide import NightDrift, decide

        policy = self.definition.monitoring.retrain
        kept = self.monitored(night - max(LOOKBACK, policy.cooldown), night)
        drift = [
            NightDrift(row["score_date"], row["verdict"] == "warn", row["model_version"], row["value"] or 0.0)
            for row in kept
            if row["monitor"] == "drift" and row["statistic"] == "input_drift"
        ]
        tonight = next((one for one in drift if one.night == night), None)
        if tonight is None:
            raise NotYetAvailable(f"drift of {night} is not measured yet", where=monitoring_table(self.definition).name)
        asked = [row["score_date"] for row in kept if row["monitor"] == "decision" and row["verdict"] == "request"]
        decision = decide(policy, tonight, drift, asked)
        row = Measurement(
            "night", "retrain", tonight.share, None, None, decision.action, decision.reason, tonight.version
        )
        self.record("decision", night, [row], run_id)
        return decision

    def _profile(self, night: date, reference: dict[str, Any]) -> NightProfile:
        """What was counted while a night was scored; counted now, without slices, if it was not."""
        from nightshift.monitoring.night import PROFILE, NightProfile, Profiler

        spec = scores_table(self.definition)
        if kept := inputs_of(self.lake, spec, night).get(PROFILE):
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
