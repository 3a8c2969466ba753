"""Makes the reference of a model from its training period, and the drift baseline of a night from a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa

from nightshift.definition.false_alarms import FalseAlarms
from nightshift.monitoring.correlations import FourthMoments, learn_correlations
from nightshift.monitoring.day_model import learn_day_model
from nightshift.monitoring.profile import BinnedRows, Profile, Vector, by_day, learn_bins
from nightshift.monitoring.thresholds import MonitoredColumn, calibrate
from nightshift.registry.classes import LabelClasses, scored_columns
from nightshift.registry.drift_thresholds import Correlations, DriftThresholds, StoredThresholds
from nightshift.registry.reference import (
    HOLDOUT_DATES,
    PREDICTIONS,
    SCORES,
    TRAINING_DATES,
    ModelReference,
    ReferenceColumn,
)

SCORED_TYPES = {SCORES: "number", PREDICTIONS: "category"}


@dataclass(frozen=True)
class DriftBaseline:
    """What a night's drift is measured against.

    Attributes:
        false_alarms: The declared rate, for all columns and the joint drift together.
        columns: The monitored features, the scores as `SCORES` and predicted classes as `PREDICTIONS`, with the
            model of their days.
        thresholds: Of every statistic of every column.
        correlations: Of the features; None if there are too few days or columns.
    """

    false_alarms: FalseAlarms
    columns: Mapping[str, MonitoredColumn]
    thresholds: DriftThresholds
    correlations: Correlations | None


def make_reference(
    rows: pa.Table, types: Mapping[str, str], scores: pa.Table, day: str = "score_date"
) -> ModelReference:
    """The reference of a model, without thresholds.

    Args:
        rows: The training rows.
        types: The features' types, by name.
        scores: The scores of the holdout, as `score_columns` gives them, with their dates.
        day: The column of the dates.
    """
    scored_types = {name: kind for name, kind in SCORED_TYPES.items() if name in scores.column_names}
    training, holdout = _DailyRows.of(rows, types, day), _DailyRows.of(scores, scored_types, day)
    scored = holdout.columns()
    return ModelReference(
        training.columns(),
        scored[SCORES],
        tuple(training.days),
        tuple(holdout.days),
        training.correlations(),
        predictions=scored.get(PREDICTIONS),
    )


def score_columns(scores: Vector, classes: LabelClasses | None) -> dict[str, pa.Array]:
    """The columns of a holdout's scores: the scores, and the predictions of a label that is a class."""
    columns = scored_columns(scores, classes)
    predicted = {PREDICTIONS: columns["prediction"]} if "prediction" in columns else {}
    return {SCORES: columns["score"], **predicted}


def with_thresholds(reference: ModelReference, watched: Sequence[str], false_alarms: FalseAlarms) -> ModelReference:
    """A reference with the thresholds of the monitored features and of the scores."""
    columns = _monitored(reference, watched)
    joint = 1 if reference.correlations else 0
    thresholds = calibrate(columns, false_alarms.rate, further_tests=joint) if columns else DriftThresholds((), {}, ())
    return replace(reference, calibration=StoredThresholds(str(false_alarms), tuple(sorted(watched)), thresholds))


def drift_baseline(
    reference: ModelReference, watched: Sequence[str], false_alarms: FalseAlarms
) -> DriftBaseline | None:
    """The baseline stored in a reference; calibrated again if another rate or other features are declared by now.

    Returns:
        None if the reference does not have the counts of its days.
    """
    if not reference.has_days:
        return None
    stored = reference.calibration
    if stored is None or (stored.false_alarms, stored.watched) != (str(false_alarms), tuple(sorted(watched))):
        stored = with_thresholds(reference, watched, false_alarms).calibration
        assert stored is not None
    return DriftBaseline(false_alarms, _monitored(reference, watched), stored.thresholds, reference.correlations)


def _monitored(reference: ModelReference, watched: Sequence[str]) -> dict[str, MonitoredColumn]:
    """The columns of the reference with enough days."""
    columns = {name: _monitored_column(reference, name) for name in (*watched, *SCORED_TYPES)}
    return {name: column for name, column in columns.items() if column is not None}


def _monitored_column(reference: ModelReference, name: str) -> MonitoredColumn | None:
    column = reference.column(name)
    if column is None or column.daily_counts is None:
        return None
    is_scored = name in SCORED_TYPES
    group, dates = (HOLDOUT_DATES, reference.holdout_dates) if is_scored else (TRAINING_DATES, reference.training_dates)
    weekdays = np.array([day.weekday() for day in dates], dtype=np.int64)
    counts = np.array(column.daily_counts, dtype=np.int64)
    model = learn_day_model(counts, weekdays, np.array(column.bins.normal_scores))
    return MonitoredColumn(column.bins, model, f"{group} {len(model.weekdays)}") if model else None


@dataclass(frozen=True)
class _DailyRows:
    """Rows in their bins, all together and by day, with the profile of each day."""

    binned: BinnedRows
    days: Mapping[date, BinnedRows]
    profiles: Sequence[Profile]

    @classmethod
    def of(cls, rows: pa.Table, types: Mapping[str, str], day: str) -> _DailyRows:
        rows = rows.select([day, *types])
        if (np.diff(rows[day].to_numpy()) < np.timedelta64(0)).any():
            rows = rows.sort_by(day)
        binned = BinnedRows.of(rows, learn_bins(rows, types))
        days = {date: binned.slice(start, end) for date, start, end in by_day(rows[day].to_numpy())}
        return cls(binned, days, [part.profile() for part in days.values()])

    def columns(self) -> dict[str, ReferenceColumn]:
        """The histogram of each column."""
        return {
            name: ReferenceColumn(
                bins,
                tuple(np.bincount(self.binned.codes[name], minlength=bins.size).tolist()),
                tuple(tuple(profile.counts[name].tolist()) for profile in self.profiles),
            )
            for name, bins in self.binned.bins.items()
        }

    def correlations(self) -> Correlations | None:
        """The correlations of the columns; None if there are too few days or columns."""
        if not self.days:
            return None
        moments = reduce(add, (FourthMoments.of(day.normal_scores()) for day in self.days.values()))
        return learn_correlations(self.profiles, moments, list(self.binned.bins))
