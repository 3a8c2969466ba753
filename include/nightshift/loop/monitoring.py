"""After a night was scored: how far it has drifted."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.errors import NotYetAvailable
from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table, scores_table
from nightshift.loop.workspace import Workspace
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.registry.store import Version


class Monitoring(Workspace):
    """What is measured of a scored night's features."""

    def measure_drift(self, night: date, run_id: str) -> Measurement:
        """Measures a night's drift against the reference of the version that scored it."""
        from nightshift.monitoring.drift import measure_drift

        rows = self._scored(night)
        version = self._version_of(night)
        learned = self.registry.reference(version)
        bounds = self.definition.monitoring.drift
        watched = bounds.features or tuple(self.definition.feature_types)
        # A version trained before a feature was declared has no reference for it.
        reference = {name: learned[name] for name in watched if name in learned}
        measured = measure_drift(reference, rows, bounds.psi, bounds.share, version.number)
        self.record("drift", night, measured, run_id)
        return measured[-1]

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
