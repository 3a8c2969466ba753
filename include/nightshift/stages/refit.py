"""A model that passed its gate is fitted again with the rows of its holdout, the newest ones, before it is registered.

Its parameters, its iterations and all that rests on rows it had not learned from stay those of the model that was
judged: the gate's verdict, the performance to expect, the threshold of its decision and the scores to compare with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.load import definition_files
from nightshift.definition.model import ModelDefinition
from nightshift.lake.tags import untag_snapshots
from nightshift.monitoring.drift import ScoredNight, measure_drift
from nightshift.monitoring.night_profile import Profiler
from nightshift.monitoring.reference import DriftBaseline, drift_baseline, with_thresholds
from nightshift.project import Progress, Project
from nightshift.registry.estimators import iterations
from nightshift.registry.package import ModelPackage
from nightshift.registry.store import GATE, GATE_SUMMARY, REFIT_OF
from nightshift.registry.stored_definition import definition_of_run
from nightshift.stages.gate import GATE_PAGE
from nightshift.stages.train import (
    FittedModel,
    StoredModel,
    expected_performance_of,
    lineage_of,
    reference_of,
    rows_of_classes,
    snapshot_tag,
    training_run,
)
from nightshift.training.dataset import read_observed
from nightshift.training.fit import fit
from nightshift.training.lineage import Lineage
from nightshift.training.methods import METHODS
from nightshift.training.unmet import with_unmet_values_filled
from nightshift.types import Measurement

SUBJECT = "refit"
NO_VERSION = 0  # the model is not registered yet


@dataclass(frozen=True)
class ScoreShift:
    """How far the scores of a model that was fitted again are from those of the model that was judged.

    Attributes:
        change: The mean absolute change of a score of the holdout.
        drift: The prediction drift of a night of the holdout, if its scores were those of the model that was fitted
            again: the median over the nights, in units of its threshold. None if no night can be measured.
        nights: How many nights were measured.
        rows: The rows of the holdout.
        invalid: How many of them have no valid score any more.
    """

    change: float
    drift: float | None
    nights: int
    rows: int
    invalid: int = 0

    @property
    def is_too_far(self) -> bool:
        """Whether rows lost their score, or most nights would breach the thresholds of the model that was judged."""
        return self.invalid > 0 or (self.drift is not None and self.drift > 1)

    def sentence(self) -> str:
        """The shift in words."""
        change = f"the scores of {self.rows:,} rows of the holdout changed by {self.change:.3g} on average"
        if self.invalid:
            return f"{self.invalid:,} of {self.rows:,} rows of the holdout have no valid score any more"
        if self.drift is None:
            return f"{change}; whether that is far cannot be said: no night of the holdout has a threshold"
        return f"{change}; prediction drift of {self.drift:.2f} times its threshold, the median of {self.nights} nights"

    def measurements(self) -> list[Measurement]:
        """As monitored values."""
        verdict = "warn" if self.is_too_far else "unknown" if self.drift is None else "pass"
        return [
            Measurement(SUBJECT, "score_change", self.change, None, self.rows, "pass"),
            Measurement(SUBJECT, "prediction_drift", self.drift, 1.0, self.rows, verdict, self.sentence()),
        ]


@dataclass(frozen=True)
class RefittedModel:
    """A model that was fitted again.

    Attributes:
        fitted: The model; the scores beside it, of the holdout, are those of the model that was judged.
        lineage: What it was made from.
        shift: How far its scores are from those of the model that was judged.
    """

    fitted: FittedModel
    lineage: Lineage
    shift: ScoreShift


def refit(project: Project, stored: StoredModel, as_of: date, run_id: str, progress: Progress = print) -> StoredModel:
    """Fits a model that passed its gate again, with its holdout, and stores it with a run and a lineage of its own.

    A model that was fitted again before, by a task that was killed afterwards, is not fitted once more.

    Args:
        project: The model.
        stored: What the training stored, and the gate judged.
        as_of: The date that the training is as of.
        run_id: The run that asks.
        progress: Takes a line of progress.

    Returns:
        The model to register: the one that was judged if the scores of the other are too far from its own.
    """
    registry = project.registry
    registry.require_active(stored.run_id)
    lineage = Lineage(**registry.lineage(stored.run_id)[0])
    earlier = registry.find_refit(stored.run_id)
    result = StoredModel(*earlier) if earlier else _refit(project, stored, lineage, as_of, run_id, progress)
    if result != stored:  # its own run keeps the same snapshots
        untag_snapshots(project.lake, lineage.snapshots, snapshot_tag(project.definition.name, stored.run_id))
    return result


def _refit(
    project: Project, stored: StoredModel, lineage: Lineage, as_of: date, run_id: str, progress: Progress
) -> StoredModel:
    registry = project.registry
    judged = registry.package(stored.run_id, stored.digest)
    with definition_of_run(registry, stored.run_id, f"the model of {as_of}") as definition:
        refitted = refit_model(project, definition, judged, lineage, stored.run_id, progress)
        project.record("refit", as_of, refitted.shift.measurements(), run_id)
        progress(refitted.shift.sentence())
        if refitted.shift.is_too_far:
            progress("too far for what was judged to hold: the model that was judged is registered")
            return stored
        return _store(project.with_definition(definition), stored, refitted)


def refit_model(
    project: Project,
    definition: ModelDefinition,
    judged: ModelPackage,
    lineage: Lineage,
    refit_of: str,
    progress: Progress,
    *,
    with_drift_thresholds: bool = True,
) -> RefittedModel:
    """Fits a model again with the rows of its holdout: the same inputs give the same model.

    Args:
        project: The model.
        definition: The definition that it was trained by.
        judged: The model that was judged.
        lineage: What that was made from.
        refit_of: The run that stored it.
        progress: Takes a line of progress.
        with_drift_thresholds: Whether its reference has the thresholds of drift.

    Raises:
        TerminalError: If it cannot be fitted, or cannot score the holdout.
    """
    dates, snapshots = lineage.split, lineage.snapshots
    dates = replace(dates, fitted=dates.last)
    observed = read_observed(project.lake, definition, dates.first, dates.last, snapshots, definition.training.max_rows)
    rows = rows_of_classes(observed.labelled, judged.classes, "refit", progress)
    progress(f"fitting again on {rows.num_rows} labelled rows to {dates.last}, the end of the holdout")
    package = fit(definition, rows, lineage.params, progress, iterations=iterations(judged.estimator))
    most = definition.training.max_holdout_rows
    observed_holdout = read_observed(project.lake, definition, dates.holdout, dates.last, snapshots, most)
    nights = observed_holdout.rows
    holdout = rows_of_classes(observed_holdout.labelled, judged.classes, "holdout", progress)
    package, filled = with_unmet_values_filled(definition, package, rows, holdout)
    if filled:
        progress(filled)
    night_scores = judged.score(nights)
    reference = reference_of(definition, judged, observed.rows, nights, night_scores)
    if with_drift_thresholds:
        reference = with_thresholds(reference, definition.watched_features, definition.monitoring.false_alarms)
    package = replace(package, reference=reference, threshold=judged.threshold)
    baseline = drift_baseline(judged.reference, definition.watched_features, definition.monitoring.false_alarms)
    shift = score_shift(judged, package, nights, baseline)
    scores = night_scores if nights.num_rows == holdout.num_rows else judged.score(holdout)
    fitted = FittedModel(package, rows, holdout, scores, nights["score_date"], night_scores, counts=observed.counts)
    of_refit = lineage_of(project, definition, dates, snapshots, lineage.as_of, lineage.reason, fitted)
    return RefittedModel(fitted, replace(of_refit, params=lineage.params, refit_of=refit_of), shift)


def score_shift(
    judged: ModelPackage, refitted: ModelPackage, nights: pa.Table, baseline: DriftBaseline | None
) -> ScoreShift:
    """How far the scores of a model that was fitted again are from those of the model that was judged.

    Args:
        judged: The model that was judged.
        refitted: The model that was fitted again.
        nights: The observations of the holdout.
        baseline: What the drift of the first's nights is measured against; None if that is not known.
    """
    before, after = judged.score(nights), refitted.score(nights)
    is_valid = METHODS[refitted.prediction].valid_scores
    invalid = int((is_valid(before) & ~is_valid(after)).sum())
    change = float(np.nanmean(np.abs(after - before)))
    drift = list(_drift_of_nights(judged, nights, refitted.scored_columns(after), baseline))
    return ScoreShift(change, median(drift) if drift else None, len(drift), nights.num_rows, invalid)


def _drift_of_nights(
    judged: ModelPackage, nights: pa.Table, scores: Mapping[str, pa.Array], baseline: DriftBaseline | None
) -> Iterator[float]:
    """The prediction drift of each night of the holdout with other scores, in units of its threshold."""
    profiler = Profiler.of(judged.reference)
    if profiler is None or baseline is None:
        return
    scored = pa.table({"score_date": nights["score_date"], **scores})
    for day in sorted(pc.unique(scored["score_date"]).to_pylist()):
        of_day = scored.filter(pc.equal(scored["score_date"], pa.scalar(day, pa.date32())))
        profile = profiler(of_day.select(["score_date"]), of_day)
        measurements = measure_drift(ScoredNight(day, profile, (), NO_VERSION, {}), baseline)
        yield from (
            measurement.value
            for measurement in measurements
            if measurement.statistic == "prediction_drift" and measurement.value is not None
        )


def _store(project: Project, judged: StoredModel, refitted: RefittedModel) -> StoredModel:
    """Stores a model with a run of its own, which has what the gate said about the model that was judged."""
    definition, registry, lineage = project.definition, project.registry, refitted.lineage
    name = f"{definition.name} {lineage.as_of}, fitted again"
    tags = {name: text for name, text in registry.run_tags(judged.run_id).items() if name in (GATE, GATE_SUMMARY)}
    shift = {"refit.score_change": refitted.shift.change}
    if refitted.shift.drift is not None:
        shift["refit.prediction_drift"] = refitted.shift.drift
    with training_run(project, lineage.snapshots, lineage.as_of, lineage.reason, name) as run_id:
        digest = registry.log_package(run_id, refitted.fitted.package)
        registry.log_lineage(run_id, lineage.to_json(), definition_files(definition))
        if (expectation := expected_performance_of(project, refitted.fitted)) is not None:
            registry.log_expectation(run_id, expectation.to_json())
        registry.client.log_text(run_id, registry.page(judged.run_id, GATE_PAGE), GATE_PAGE)
        registry.log(
            run_id,
            params=registry.params(judged.run_id),
            metrics=registry.metrics(judged.run_id) | {"training_rows": lineage.rows} | shift,
            tags=tags
            | {f"nightshift.{name}": value for name, value in lineage.tags().items()}
            | {REFIT_OF: judged.run_id},
        )
    return StoredModel(run_id, digest)
