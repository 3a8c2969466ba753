"""A training: a model is fitted on what was labelled by a date's cutoff, and stored with its run and its lineage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.definition.load import definition_files, definition_hash
from nightshift.definition.model import ModelDefinition
from nightshift.definition.recipe import label_digest
from nightshift.lake.tables import features_table
from nightshift.lake.tags import tag_snapshots, untag_snapshots
from nightshift.monitoring.expected_performance import ExpectedPerformance, learn_expected_performance
from nightshift.monitoring.reference import make_reference, score_columns, with_thresholds
from nightshift.project import Progress, Project
from nightshift.registry.classes import LabelClasses, finite_rows, label_values, settle_classes
from nightshift.registry.estimators import libraries_of
from nightshift.registry.package import ModelPackage
from nightshift.registry.reference import ModelReference
from nightshift.stages.decision_threshold import learn_threshold
from nightshift.stages.history import describe_unbuilt
from nightshift.stages.rebuild import check_recipes
from nightshift.training.bootstrap import Vector
from nightshift.training.classes import learn_classes
from nightshift.training.dataset import (
    LabelCounts,
    Split,
    check_enough,
    check_purged,
    pin_snapshots,
    read_observed,
    split_dates,
)
from nightshift.training.fit import fit
from nightshift.training.importance import permutation_importance
from nightshift.training.lineage import Lineage, environment, labels_digest, rows_digest
from nightshift.training.methods import METHODS
from nightshift.training.search import Trial, search
from nightshift.training.unmet import with_unmet_values_filled
from nightshift.training.weights import row_weights


@dataclass(frozen=True)
class TrainingInputs:
    """What a training reads.

    Attributes:
        dates: The periods of training and holdout.
        snapshots: The snapshot of each table.
    """

    dates: Split
    snapshots: Mapping[str, int]


@dataclass(frozen=True)
class FittedModel:
    """A model with the rows around it.

    Attributes:
        package: The model.
        rows: The rows it learned from.
        holdout: The rows it is judged on.
        scores: Its scores of the holdout's rows.
        observed: The dates of all observations of the holdout, also those without an outcome.
        observed_scores: Its scores of these.
        trials: What the search tried, the best first.
        counts: How the observations of the training period and the labels of their dates match.
    """

    package: ModelPackage
    rows: pa.Table
    holdout: pa.Table
    scores: Vector
    observed: pa.ChunkedArray
    observed_scores: Vector
    trials: tuple[Trial, ...] = ()
    counts: LabelCounts = field(default_factory=LabelCounts)


@dataclass(frozen=True)
class StoredModel:
    """A model that was fitted and stored with its MLflow run, but not judged yet."""

    run_id: str
    digest: str


def train(project: Project, as_of: date, reason: str, progress: Progress = print) -> StoredModel:
    """Fits a model on what was labelled by a date's cutoff, and stores it with its run and its lineage.

    Args:
        project: The model.
        as_of: The date it is trained as of.
        reason: Why, kept with the model.
        progress: Takes a line of progress.

    Raises:
        NotYetAvailable: If there are no labelled rows.
        TerminalError: If there are too few of them.
    """
    definition, registry, inputs = project.definition, project.registry, training_inputs(project, as_of)
    dates, snapshots = inputs.dates, inputs.snapshots
    if line := describe_unbuilt(project, dates):
        progress(line)
    with training_run(project, snapshots, str(as_of), reason, f"{definition.name} {as_of}") as run_id:
        fitted = fit_model(project, definition, dates, snapshots, progress)
        lineage = lineage_of(project, definition, dates, snapshots, str(as_of), reason, fitted)
        digest = registry.log_package(run_id, fitted.package)
        registry.log_lineage(run_id, lineage.to_json(), definition_files(definition))
        if (expectation := expected_performance_of(project, fitted)) is not None:
            registry.log_expectation(run_id, expectation.to_json())
        registry.log_trials(run_id, [(trial.params, trial.scores) for trial in fitted.trials])
        importances = permutation_importance(fitted.package, fitted.holdout, lineage.seed)
        registry.log(
            run_id,
            params={
                "estimator": definition.estimator_name,
                **definition.training.estimator.params,
                **(fitted.trials[0].params if fitted.trials else {}),
                **_declared_weights(definition),
            },
            metrics={"training_rows": lineage.rows, "features": len(definition.feature_types)}
            | {"unlabelled_observations": lineage.unlabelled, "labels_without_observation": lineage.unmatched}
            | (fitted.package.threshold.metrics() if fitted.package.threshold else {})
            | {f"importance.{name}": value for name, value in importances.items()},
            tags={f"nightshift.{name}": value for name, value in lineage.tags().items()},
        )
    return StoredModel(run_id, digest)


@contextmanager
def training_run(project: Project, snapshots: Mapping[str, int], as_of: str, reason: str, name: str) -> Iterator[str]:
    """The MLflow run of a training, by its id, which keeps the snapshots that it reads; it fails if the block does.

    Args:
        project: The model.
        snapshots: The snapshot of each table that is read.
        as_of: The date that the model is trained as of.
        reason: Why, kept with the model.
        name: What MLflow's pages call the run.
    """
    registry = project.registry
    run_id = registry.start_run(as_of, reason, name)
    tag = snapshot_tag(project.definition.name, run_id)
    try:
        # Before anything is read: the snapshots must still exist when the model is reproduced.
        tag_snapshots(project.lake, snapshots, tag)
        yield run_id
        # Again: maintenance by a clock that was days ahead took the run for a killed one.
        tag_snapshots(project.lake, snapshots, tag)
    except BaseException:
        registry.end_run(run_id, failed=True)
        untag_snapshots(project.lake, snapshots, tag)
        raise
    registry.end_run(run_id)


def training_inputs(project: Project, as_of: date) -> TrainingInputs:
    """What a training as of a date reads, as it is now.

    Raises:
        NotYetAvailable: If nothing is published to learn from.
        TerminalError: If the features of a night were computed by another definition than the current one.
    """
    definition = project.definition
    dates, snapshots = split_dates(definition, as_of), pin_snapshots(project.lake, definition)
    check_recipes(project, dates.first, dates.last, snapshots[features_table(definition).name])
    return TrainingInputs(dates, snapshots)


def fit_model(
    project: Project,
    definition: ModelDefinition,
    dates: Split,
    snapshots: Mapping[str, int],
    progress: Progress,
    *,
    with_drift_thresholds: bool = True,
) -> FittedModel:
    """Fits a model on the rows at pinned snapshots: the same inputs give the same model.

    Args:
        project: The model.
        definition: Its definition, or the one it had when a version was trained.
        dates: The periods of training and holdout.
        snapshots: The snapshot of each table that is read.
        progress: Takes a line of progress.
        with_drift_thresholds: Whether its reference has the thresholds of drift, which take as long as a small model.

    Raises:
        TerminalError: If it cannot be fitted, or cannot score the holdout or a value that a night may have.
    """
    most = definition.training.max_rows
    observed = read_observed(project.lake, definition, dates.first, dates.fitted, snapshots, most)
    rows, counts = observed.labelled, observed.counts
    progress(f"training on {rows.num_rows} labelled rows from {counts.first or dates.first} to {dates.fitted}")
    if left_out := counts.sentence():
        progress(f"not in them: {left_out}")
    classes = learn_classes(definition, rows["label"])
    rows = rows_of_classes(rows, classes, "training", progress)
    check_enough(definition, rows.num_rows)
    row_weights(definition, rows)  # refuses weights before anything is fitted
    trials = search(definition, rows, progress) if definition.training.search else []
    package = fit(definition, rows, trials[0].params if trials else {}, progress)
    for name in _unused_features(definition, package):
        progress(f"the feature '{name}' has no value in any training row: the model does without it")
    most = definition.training.max_holdout_rows
    observed_holdout = read_observed(project.lake, definition, dates.holdout, dates.last, snapshots, most)
    holdout = observed_holdout.labelled
    check_purged(definition, rows, holdout)
    holdout = rows_of_classes(holdout, classes, "holdout", progress)
    package, filled = with_unmet_values_filled(definition, package, rows, holdout)
    if filled:
        progress(filled)
    nights = observed_holdout.rows
    night_scores = package.score(nights)
    reference = reference_of(definition, package, observed.rows, nights, night_scores)
    if with_drift_thresholds:
        reference = with_thresholds(reference, definition.watched_features, definition.monitoring.false_alarms)
    threshold = learn_threshold(project.with_definition(definition), nights, night_scores, snapshots)
    package = replace(package, reference=reference, threshold=threshold)
    scores = night_scores if nights.num_rows == holdout.num_rows else package.score(holdout)
    return FittedModel(package, rows, holdout, scores, nights["score_date"], night_scores, tuple(trials), counts)


def reference_of(
    definition: ModelDefinition, package: ModelPackage, observed: pa.Table, nights: pa.Table, night_scores: Vector
) -> ModelReference:
    """What nights are compared with: all observations, since nights score those without an outcome, too.

    Args:
        definition: The definition.
        package: The fitted model.
        observed: The observations of the training period.
        nights: The observations of the holdout.
        night_scores: Their scores.
    """
    columns = score_columns(night_scores, package.classes)
    types = {name: str(kind) for name, kind in definition.feature_types.items()}
    return make_reference(observed, types, pa.table({**columns, "score_date": nights["score_date"]}))


def rows_of_classes(rows: pa.Table, classes: LabelClasses | None, period: str, progress: Progress) -> pa.Table:
    """The rows of a period whose label counts for a class; says how many do not."""
    settled = settle_classes(rows, classes)
    if left_out := rows.num_rows - settled.num_rows:
        progress(f"{left_out:,} of {rows.num_rows:,} rows of the {period} have an outcome outside of the classes")
    return settled


def lineage_of(
    project: Project,
    definition: ModelDefinition,
    dates: Split,
    snapshots: Mapping[str, int],
    as_of: str,
    reason: str,
    fitted: FittedModel,
) -> Lineage:
    """What a model was made from."""
    rows, classes = fitted.rows, fitted.package.classes
    labels = METHODS[definition.prediction].summarize_labels(label_values(rows, classes))
    return Lineage(
        as_of=as_of,
        first=str(dates.first),
        fitted=str(dates.fitted),
        holdout=str(dates.holdout),
        last=str(dates.last),
        reason=reason,
        definition=definition_hash(definition),
        snapshots=dict(snapshots),
        data=rows_digest(rows),
        rows=rows.num_rows,
        positives=labels.positives,
        mean=labels.mean,
        median=labels.median,
        classes=dict(zip(classes.names, labels.counts, strict=True)) if classes else {},
        without=_unused_features(definition, fitted.package),
        seed=definition.training.seed,
        rows_from=str(fitted.counts.first or dates.first),
        labelled=fitted.counts.labelled,
        unlabelled=fitted.counts.unlabelled,
        unmatched=fitted.counts.unmatched,
        params=fitted.trials[0].params if fitted.trials else {},
        recipes=definition.feature_digests,
        label=label_digest(definition),
        labels=labels_digest(rows, fitted.holdout, definition.observations.key),
        **environment(project.settings.home, libraries_of(fitted.package.estimator)),
    )


def expected_performance_of(project: Project, fitted: FittedModel) -> ExpectedPerformance | None:
    """The performance on nights to come that the holdout gives reason to expect; None if it says nothing."""
    finite, observed = finite_rows(fitted.scores), finite_rows(fitted.observed_scores)
    scores, labels = fitted.scores[finite], label_values(fitted.holdout, fitted.package.classes)[finite]
    if len(np.unique(labels)) < 2:
        return None
    return learn_expected_performance(
        labels,
        scores,
        fitted.holdout["score_date"].to_numpy()[finite],
        project.metrics,
        METHODS[project.definition.prediction].fit_score_calibration(scores, labels),
        (fitted.observed_scores[observed], fitted.observed.to_numpy()[observed]),
    )


def snapshot_tag(model: str, run_id: str) -> str:
    """The tag that keeps the snapshots of a training."""
    return f"nightshift.{model}.{run_id}"


def parse_snapshot_tag(tag: str) -> str | None:
    """The run of the training whose snapshots a tag keeps; None of any other tag."""
    match = re.fullmatch(r"nightshift\.[^.]+\.([0-9a-f]+)", tag)
    return match[1] if match else None


def _declared_weights(definition: ModelDefinition) -> dict[str, Any]:
    """What rows weigh in the fit, as parameters of the run; none if all weigh the same."""
    declared = {"weight": definition.training.weight, "class_weight": definition.training.class_weight}
    return {f"training.{name}": value for name, value in declared.items() if value is not None}


def _unused_features(definition: ModelDefinition, package: ModelPackage) -> tuple[str, ...]:
    """The features that a model does not use, since they had no value in any row it learned from."""
    return tuple(name for name in definition.feature_types if name not in package.encoder.types)
