"""What a model remembers of its training period: bins, the days' own counts, and the thresholds found from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.definition.false_alarms import FalseAlarms
from nightshift.monitoring.days import Days, learn_days
from nightshift.monitoring.joint import Correlations, Fourth, learn_correlations
from nightshift.monitoring.profile import Placed, Profile, by_day, learn_bins, size
from nightshift.monitoring.thresholds import Column, Thresholds, calibrate
from nightshift.registry.package import SCORES

# Beside the columns, in the reference: no feature can have this name.
CALIBRATION = "calibration of drift"
LEARNED, HELD_OUT = "dates learned from", "dates of the holdout"


@dataclass(frozen=True)
class Calibration:
    """What one stated rate of false alarms comes to.

    Attributes:
        false_alarms: The rate, for all columns and the joint drift together.
        columns: What is known of each column's days.
        thresholds: Of every statistic of every column.
        correlations: What joint drift is measured against; None if there are too few days or columns.
    """

    false_alarms: FalseAlarms
    columns: Mapping[str, Column]
    thresholds: Thresholds
    correlations: Correlations | None


def make_reference(
    rows: pa.Table, types: Mapping[str, str], scores: pa.Table, day: str = "score_date"
) -> dict[str, Any]:
    """The reference of a model, without its thresholds.

    Args:
        rows: What the model learned from.
        types: The features' types, by name.
        scores: What it gave to its holdout, in the column `SCORES`, with the dates.
        day: The column of the dates.

    Returns:
        JSON-able: by feature, and for `SCORES`, the bins (`learn_bins`) with the `counts` of all rows and of each of
        the `days`; and what joint drift is measured against.
    """
    learned, held = _Columns.of(rows, types, day), _Columns.of(scores, {SCORES: "number"}, day)
    correlations = _correlations(learned)
    return {
        **learned.bins,
        **held.bins,
        LEARNED: [str(one) for one in learned.days],
        HELD_OUT: [str(one) for one in held.days],
        CALIBRATION: {"correlations": correlations.to_json() if correlations else None},
    }


def with_thresholds(reference: dict[str, Any], watched: Sequence[str], false_alarms: FalseAlarms) -> dict[str, Any]:
    """A reference with the thresholds of the watched features and the scores."""
    kept = reference[CALIBRATION]["correlations"]
    columns = _known(reference, watched)
    others = 1 if kept else 0
    thresholds = calibrate(columns, false_alarms.rate, others=others) if columns else Thresholds((), {}, ())
    told = {"false_alarms": str(false_alarms), "watched": sorted(watched), "thresholds": thresholds.to_json()}
    return reference | {CALIBRATION: {"correlations": kept, **told}}


def calibration(reference: Mapping[str, Any], watched: Sequence[str], false_alarms: FalseAlarms) -> Calibration | None:
    """The calibration kept in a reference; found anew if something else was declared then.

    Returns:
        None if the reference does not know its days.
    """
    if CALIBRATION not in reference:
        return None
    told = reference[CALIBRATION]
    if (told.get("false_alarms"), told.get("watched")) != (str(false_alarms), sorted(watched)):
        told = with_thresholds(dict(reference), watched, false_alarms)[CALIBRATION]
    correlations = Correlations.from_json(told["correlations"]) if told["correlations"] else None
    thresholds = Thresholds.from_json(told["thresholds"])
    return Calibration(false_alarms, _known(reference, watched), thresholds, correlations)


def _known(reference: Mapping[str, Any], watched: Sequence[str]) -> dict[str, Column]:
    return {name: found for name in (*watched, SCORES) if (found := _column(reference, name)) is not None}


def _column(reference: Mapping[str, Any], name: str) -> Column | None:
    """What is known of a column's days; None if it is not in the reference or has too few days."""
    if name not in reference or "days" not in reference[name]:
        return None
    bins, group = reference[name], HELD_OUT if name == SCORES else LEARNED
    weekdays = np.array([date.fromisoformat(day).weekday() for day in reference[group]], dtype=np.int64)
    days = _days(bins, weekdays)
    return Column(bins, days, f"{group} {len(days.weekdays)}") if days else None


def _days(bins: Mapping[str, Any], weekdays: Any) -> Days | None:
    return learn_days(np.array(bins["days"], dtype=np.int64), weekdays, np.array(bins["places"]))


@dataclass(frozen=True)
class _Columns:
    """The bins of columns, with the counts of all rows and of each day, and the days' rows in them."""

    bins: dict[str, dict[str, Any]]
    days: dict[date, Placed]
    profiles: list[Profile]

    @classmethod
    def of(cls, rows: pa.Table, types: Mapping[str, str], day: str) -> _Columns:
        rows = rows.select([day, *types])
        if (np.diff(rows[day].to_numpy()) < np.timedelta64(0)).any():
            rows = rows.sort_by(day)
        bins = learn_bins(rows, types)
        placed = Placed.of(rows, bins)
        days = {at: placed.between(start, end) for at, start, end in by_day(rows[day].to_numpy())}
        profiles = [part.profile() for part in days.values()]
        for name, one in bins.items():
            one["days"] = [profile.counts[name].tolist() for profile in profiles]
            one["counts"] = np.bincount(placed.found[name], minlength=size(one)).tolist()
        return cls(bins, days, profiles)


def _correlations(columns: _Columns) -> Correlations | None:
    if not columns.days:
        return None
    fourth = reduce(add, (Fourth.of(day.places()) for day in columns.days.values()))
    return learn_correlations(columns.profiles, fourth, list(columns.bins))
