"""How well nights were scored: estimated at once, measured once their labels are final, and what they were worth."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_labelled
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.read import Partition, fingerprint, published_partitions
from nightshift.lake.tables import TableSpec, raw_table, scores_table, shadow_table
from nightshift.loop.workspace import Workspace
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.monitoring.expectation import Expectation

LOOKBACK = timedelta(days=60)  # how long late labels are waited for
NOTHING = Partition((), 0)


class Outcomes(Workspace):
    """What became of scored nights."""

    def estimate_performance(self, night: date, run_id: str) -> list[Measurement]:
        """Estimates how well a night was scored, without its labels."""
        from nightshift.monitoring.estimate import estimate_performance

        rows = self.read(self._scores, night, night, columns=("score", "model_version"))
        version = _version(rows)
        expected, scores = self._expected(version), rows["score"].to_numpy()
        measured = estimate_performance(expected, scores, version, prediction=self.definition.prediction)
        self.record("estimate", night, measured, run_id)
        return measured

    def measure_outcomes(self, night: date, run_id: str) -> list[date]:
        """Measures every scored night whose labels are final by a night's cutoff, once for the same rows.

        So a night is measured that was missed, and measured again if its labels arrived late or were corrected, or if
        it was scored again. Labels that should be there and are not are known to be missing.

        Returns:
            The nights that were measured.
        """
        newest = newest_labelled(self.definition, night)
        within = newest - LOOKBACK, newest
        scored = published_partitions(self.lake, self._scores, within=within)
        labelled = published_partitions(self.lake, self._outcomes, within=within)
        known = self._measured_on(*within)
        done = []
        for day, partition in scored.items():
            made_from = fingerprint(partition.version, labelled.get(day, NOTHING).version)
            if known.get(day) != made_from:
                self._measure(day, made_from, run_id)
                done.append(day)
        return done

    def _measure(self, day: date, made_from: str, run_id: str) -> None:
        from nightshift.monitoring.outcomes import MADE_FROM, measure_outcomes, settle_labels

        key, prediction = self.definition.observations.key, self.definition.prediction
        rows = self.read(self._scores, day, day)
        labels, doubtful = settle_labels(self._labels(day), key)
        version = _version(rows)
        known = join_labels(rows, labels.select(["score_date", *key, "label"]), key)
        expected = self._expected(version)
        note = f"{doubtful} observations have two different labels and count as having none" if doubtful else ""
        measured = measure_outcomes(
            known, rows.num_rows, version, self.metrics, expected, prediction=prediction, note=note
        )
        if self.definition.monitoring.value is not None:
            self._measure_value(day, rows, labels, run_id)
        # Last: what it was measured on is known once everything is kept.
        measured.append(Measurement("night", MADE_FROM, detail=made_from, model_version=version))
        self.record("outcome", day, measured, run_id)

    def _measure_value(self, day: date, rows: pa.Table, labels: pa.Table, run_id: str) -> None:
        from nightshift.monitoring.value import CHAMPION, measure_value

        scored = {CHAMPION: (rows, _version(rows))}
        shadow = self.read(shadow_table(self.definition), day, day)
        for number in sorted(pc.unique(shadow["model_version"]).to_pylist()):
            scored[f"challenger {number}"] = shadow.filter(pc.equal(shadow["model_version"], number)), number
        observed = self.read(raw_table(self.definition, self.definition.observations.source), day, day)
        self.record("value", day, measure_value(self.definition, scored, labels, observed), run_id)

    def _labels(self, day: date) -> pa.Table:
        """A day's labels with the columns that the value looks at; no rows if they have not arrived."""
        from nightshift.monitoring.value import columns_of_value

        beside = columns_of_value(self.definition)
        if published_partitions(self.lake, self._outcomes, within=(day, day)):
            return read_labels(self.lake, self.definition, day, day, extra_columns=beside)
        key = ("score_date", *self.definition.observations.key)
        fields = [self._scores.schema.field(name) for name in key] + [pa.field("label", pa.float64())]
        fields += [self._outcomes.schema.field(name) for name in beside if name not in key]
        return pa.schema(fields).empty_table()

    def _measured_on(self, first: date, last: date) -> dict[date, str]:
        """What each night's outcome was measured on."""
        from nightshift.monitoring.outcomes import MADE_FROM

        rows = self.monitored(first, last, "outcome")
        return {row["score_date"]: row["detail"] for row in rows if row["statistic"] == MADE_FROM}

    def _expected(self, version: int | None) -> Expectation | None:
        """What a version's holdout lets expect; None of one that was trained before that was kept."""
        from nightshift.monitoring.expectation import Expectation

        told = self.registry.expectation(version) if version is not None else None
        return Expectation.from_json(told) if told else None

    @property
    def _scores(self) -> TableSpec:
        return scores_table(self.definition)

    @property
    def _outcomes(self) -> TableSpec:
        return raw_table(self.definition, self.definition.label.source)


def _version(rows: pa.Table) -> int | None:
    """The version that scored a night; of several, the newest."""
    newest = pc.max(rows["model_version"]).as_py()
    return None if newest is None else int(newest)
