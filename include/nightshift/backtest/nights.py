"""Nights of a history under one model: its scores, what they came to, and what the loop would have measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nightshift.backtest.models import BacktestModel, Models, model_name
from nightshift.backtest.results import ResultFolder
from nightshift.backtest.walk import GateVerdict
from nightshift.definition.gate import AgainstChampion, Gate
from nightshift.definition.metrics import Metric
from nightshift.definition.model import ModelDefinition
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.read import fingerprint
from nightshift.lake.tables import features_table, raw_table
from nightshift.monitoring.drift import ScoredNight, measure_drift
from nightshift.monitoring.estimate import estimate_performance
from nightshift.monitoring.evidence import NightEvidence, gather_evidence
from nightshift.monitoring.night_profile import NightProfile, Profiler
from nightshift.monitoring.outcomes import measure_outcomes, settle_labels
from nightshift.monitoring.value import CHAMPION, NAIVE, sum_values, value_columns
from nightshift.project import Project
from nightshift.registry.classes import label_values, read_scores, settle_classes
from nightshift.stages.outcomes import observed_rows
from nightshift.training.bootstrap import Vector
from nightshift.training.dataset import read_labelled
from nightshift.training.gate import judge
from nightshift.training.results import Holdout
from nightshift.types import Measurement

SCORES = "scores"
NIGHT_SUBJECTS = ("night", "reference")
AUDITS_OF_DATA = ("quality.raw", "quality.features")  # those of scores are of the versions that made them
SEED = 0  # of the resamples of nights
VERSION = 1  # of the one model whose measurements are gathered


@dataclass(frozen=True)
class NightResult:
    """What a model's scores of a night came to.

    Attributes:
        rows: How many rows were scored.
        metrics: Each metric on the labelled rows that is defined.
        value: The value of the decisions; None if none is declared.
        naive: The value of the naive policy.
    """

    rows: int
    metrics: Mapping[str, float]
    value: float | None
    naive: float | None


@dataclass(frozen=True)
class ObservedNight:
    """A night's rows and labels.

    Attributes:
        rows: Key and features.
        labels: The labels that count, with the columns that the value needs.
        labelled: The rows that have a label, with `label`.
    """

    rows: pa.Table
    labels: pa.Table
    labelled: pa.Table


class Nights:
    """Scores and measures the nights of a history, once for each model.

    Args:
        project: The model.
        snapshots: The snapshot of each table.
        results: The folder of the backtest.
    """

    def __init__(self, project: Project, snapshots: Mapping[str, int], results: ResultFolder) -> None:
        self.project, self.snapshots, self.results = project, snapshots, results
        self.models = Models(project, snapshots, results)
        self.observed = lru_cache(maxsize=8)(self._observed)

    def measure(self, definition: ModelDefinition, model: date, night: date) -> NightResult | None:
        """What a model's scores of a night came to; None if the night has no rows."""
        name = model_name(definition, model)

        def compute() -> dict[str, Any]:
            observed, trained = self.observed(night), self.models.load(name)
            if observed.rows.num_rows == 0:
                return {"rows": 0, "metrics": {}, "value": None, "naive": None}
            classes = trained.package.classes
            scored = _with_scores(observed.rows, trained)
            labelled = settle_classes(_with_scores(observed.labelled, trained), classes)
            sink = pa.BufferOutputStream()
            pq.write_table(labelled.select(["label", *labelled.column_names[observed.labelled.num_columns :]]), sink)
            self.results.write(f"{SCORES}/{name}/{night}.parquet", sink.getvalue().to_pybytes())
            metrics = self._metrics(definition, labelled, trained)
            return {"rows": scored.num_rows, "metrics": metrics, **self._values(definition, night, scored)}

        facts = self.results.find_or_compute(f"nights/{name}/{night}", compute)
        return NightResult(facts["rows"], facts["metrics"], facts["value"], facts["naive"]) if facts["rows"] else None

    def scores(self, definition: ModelDefinition, model: date, night: date) -> pa.Table:
        """The labelled rows of a measured night, in the order of their key: `label` and the columns of a score."""
        file = self.results.folder / SCORES / model_name(definition, model) / f"{night}.parquet"
        return pq.read_table(file)

    def evidence(self, definition: ModelDefinition, model: date, night: date) -> NightEvidence:
        """What the loop would have measured of a night that a model has scored."""
        name = model_name(definition, model)

        def compute() -> dict[str, Any]:
            return {"rows": self._measured_rows(definition, name, night)}

        stored = self.results.find_or_compute(f"evidence/{name}/{night}", compute)["rows"]
        [evidence] = gather_evidence([row | {"score_date": night} for row in stored], {VERSION: model})
        return evidence

    def judge(self, definition: ModelDefinition, challenger: date, champion: date) -> GateVerdict:
        """The gate's verdict of a trained model against a champion; without the rules about the stored artifact."""
        names = model_name(definition, challenger), model_name(definition, champion)
        rules = fingerprint(definition.gate.model_dump_json())

        def compute() -> dict[str, Any]:
            trained, replaced = self.models.load_judged(names[0]), self.models.load(names[1])
            days = trained.lineage.split.holdout, trained.lineage.split.last
            if replaced.lineage.split.fitted >= days[0]:  # it has learned from the holdout
                replaced = self.models.load_judged(names[1])
            most = definition.training.max_holdout_rows
            rows = settle_classes(
                read_labelled(self.project.lake, definition, *days, self.snapshots, most), trained.package.classes
            )
            scores = trained.package.score(rows), replaced.package.score(rows)
            holdout = _holdout(definition, definition.gate, rows, *scores, trained, replaced)
            report = judge(definition.gate, holdout, None, definition.training.seed)
            return {"passed": report.passed, "summary": report.summary()}

        facts = self.results.find_or_compute(f"gates/{names[0]}/{names[1]}-{rules}", compute)
        return GateVerdict(facts["passed"], facts["summary"])

    def compare(
        self, definition: ModelDefinition, gate: Gate, challenger: date, champion: date, nights: Sequence[date]
    ) -> GateVerdict:
        """The verdict of nights that two models score; not sure (None) where they do not suffice for one."""
        report = judge(gate, self._compared(definition, gate, challenger, champion, nights), None, SEED)
        decided = bool(report.metrics) and report.difference is not None
        return GateVerdict(report.passed if decided else None, report.summary())

    def gain(
        self, definition: ModelDefinition, metric: Metric, challenger: date, champion: date, nights: Sequence[date]
    ) -> float | None:
        """By how much a model was better than another on some nights in a metric; None if they cannot be compared."""
        dates = str(nights[0]), str(nights[-1])
        pair = model_name(definition, challenger), model_name(definition, champion)

        def compute() -> dict[str, Any]:
            rule = AgainstChampion(metric=metric, rule="superior")
            gate = Gate(against_champion=rule, baseline=False, leak=None, rows=1)
            report = judge(gate, self._compared(definition, gate, challenger, champion, nights), None, SEED)
            return {"gain": report.difference.value if report.metrics and report.difference else None}

        name = "-".join((metric, *dates))
        gain: float | None = self.results.find_or_compute(f"gains/{pair[0]}/{pair[1]}/{name}", compute)["gain"]
        return gain

    def _compared(
        self, definition: ModelDefinition, gate: Gate, challenger: date, champion: date, nights: Sequence[date]
    ) -> Holdout:
        """The labelled rows of some nights with the scores of two models."""
        trained, replaced = (self.models.load(model_name(definition, model)) for model in (challenger, champion))
        labelled = pa.concat_tables(self.observed(night).labelled for night in nights)
        rows = settle_classes(labelled, trained.package.classes)
        scores = trained.package.score(rows), replaced.package.score(rows)
        return _holdout(definition, gate, rows, *scores, trained, replaced)

    def _observed(self, night: date) -> ObservedNight:
        definition, lake = self.project.definition, self.project.lake
        spec = features_table(definition)
        rows = self.project.read(spec, night, night, snapshot=self.snapshots[spec.name])
        key, outcomes = definition.observations.key, raw_table(definition, definition.label.source).name
        labels, _ = settle_labels(
            read_labels(
                lake,
                definition,
                rows.select(["score_date", *key]),
                self.snapshots[outcomes],
                extra_columns=value_columns(definition),
                dates=(night, night),
            ),
            key,
        )
        return ObservedNight(rows, labels, join_labels(rows, labels.select(["score_date", *key, "label"]), key))

    def _metrics(self, definition: ModelDefinition, labelled: pa.Table, trained: BacktestModel) -> dict[str, float]:
        if labelled.num_rows == 0:
            return {}
        classes = trained.package.classes
        project = self.project.with_definition(definition)
        values = project.metrics(label_values(labelled, classes).astype(float), read_scores(labelled, classes))
        return {name: value for name, value in values.items() if value == value}  # without NaN, which JSON lacks

    def _values(self, definition: ModelDefinition, night: date, scored: pa.Table) -> dict[str, float | None]:
        if definition.monitoring.value is None:
            return {"value": None, "naive": None}
        observed = observed_rows(self.project, scored, night)
        totals = sum_values(definition, {CHAMPION: scored}, self.observed(night).labels, observed)
        return {"value": totals[CHAMPION].value, "naive": totals[NAIVE].value}

    def _measured_rows(self, definition: ModelDefinition, name: str, night: date) -> list[dict[str, Any]]:
        """The rows of `monitoring.<model>` that a decision about a night rests on."""
        observed, trained = self.observed(night), self.models.load(name)
        classes, prediction = trained.package.classes, definition.prediction
        scored = _with_scores(observed.rows, trained)
        labelled = settle_classes(_with_scores(observed.labelled, trained), classes)
        measured = {
            "drift": self._drift(definition, name, night, scored),
            "estimate": estimate_performance(
                trained.expectation, read_scores(scored, classes), VERSION, prediction=prediction
            ),
            "outcome": measure_outcomes(
                labelled,
                scored.num_rows,
                VERSION,
                self.project.with_definition(definition).metrics,
                trained.expectation,
                prediction=prediction,
                classes=classes,
            ),
        }
        rows = [
            {"monitor": monitor, **vars(measurement)}
            for monitor, measurements in measured.items()
            for measurement in measurements
            if measurement.subject in NIGHT_SUBJECTS
        ]
        audits = (row for row in self.project.monitored(night, night) if row["monitor"] in AUDITS_OF_DATA)
        return rows + [{"monitor": row["monitor"], "verdict": row["verdict"]} for row in audits]

    def _drift(self, definition: ModelDefinition, name: str, night: date, scored: pa.Table) -> list[Measurement]:
        profiler = Profiler.of(self.models.load(name).package.reference)
        profile = profiler(scored, scored) if profiler else NightProfile.empty(scored.num_rows)
        importance = self.models.importance(definition, name)
        drifted = ScoredNight(night, profile, definition.watched_features, VERSION, importance)
        return measure_drift(drifted, self.models.drift_baseline(definition, name))


def _with_scores(rows: pa.Table, trained: BacktestModel) -> pa.Table:
    """Rows with the columns of a score."""
    for name, column in trained.package.scored_columns(trained.package.score(rows)).items():
        rows = rows.append_column(name, column)
    return rows


def _holdout(
    definition: ModelDefinition,
    gate: Gate,
    rows: pa.Table,
    scores: Vector,
    champion_scores: Vector,
    trained: BacktestModel,
    replaced: BacktestModel,
) -> Holdout:
    return Holdout.of(
        rows,
        scores,
        champion_scores,
        trained.lineage.baseline,
        gate.slices.columns if gate.slices else (),
        prediction=definition.prediction,
        classes=trained.package.classes,
        champion_classes=replaced.package.classes,
    )
