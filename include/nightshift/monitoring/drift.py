"""Drift of a night against the reference of the version that scored it: of its inputs, their correlations and the
scores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from nightshift.monitoring.correlations import change_threshold, largest_change, select_columns
from nightshift.monitoring.day_model import LEAST_DAYS, LEAST_ROWS
from nightshift.monitoring.night_profile import NightProfile
from nightshift.monitoring.profile import Counts
from nightshift.monitoring.reference import DriftBaseline
from nightshift.monitoring.statistics import statistics, times_threshold
from nightshift.registry.reference import PREDICTIONS, SCORES
from nightshift.types import Measurement

log = logging.getLogger(__name__)

LARGEST = 1e6  # times its threshold, that a value is reported to be
NAMED = 3  # of those beyond their thresholds, in a sentence


@dataclass(frozen=True)
class ScoredNight:
    """A night whose drift is measured.

    Attributes:
        day: Its score date.
        profile: The profile of its features and scores, over the bins of the reference.
        watched: The monitored features, in order.
        version: The version that scored it.
        importance: The importance of each feature for that version, by name.
    """

    day: date
    profile: NightProfile
    watched: Sequence[str]
    version: int
    importance: Mapping[str, float]


def measure_drift(night: ScoredNight, baseline: DriftBaseline | None) -> list[Measurement]:
    """The drift of one night.

    Returns:
        A measurement for every statistic of every monitored feature and of the scores, with its threshold; and for the
        night `input_drift`, `joint_drift` and `prediction_drift`: the largest value in units of its threshold, so above
        1 is a breach; and `weighted_drift`, the share of importance that features beyond a threshold have. What cannot
        be measured is `unknown`, with the reason; the rest is measured all the same.
    """
    if baseline is None:
        reason = f"no daily behaviour is stored with version {night.version}: train a new version"
        return [_unknown(night, name, reason) for name in ("input_drift", "joint_drift", "prediction_drift")]
    if night.profile.features.rows < LEAST_ROWS:
        reason = f"{night.profile.features.rows} rows are too few, {LEAST_ROWS} are needed"
        return [_unknown(night, name, reason) for name in ("input_drift", "joint_drift", "prediction_drift")]
    layers: dict[str, Callable[[], list[Measurement]]] = {
        "input_drift": lambda: _inputs(night, baseline),
        "joint_drift": lambda: [_joint(night, baseline)],
        "prediction_drift": lambda: _predictions(night, baseline),
    }
    measured = []
    for name, measure in layers.items():
        try:
            measured += measure()
        except Exception as error:
            log.exception("%s of %s was not measured", name, night.day)
            measured.append(_unknown(night, name, f"not measured: {type(error).__name__}: {error}"))
    return measured


def _inputs(night: ScoredNight, baseline: DriftBaseline) -> list[Measurement]:
    rows, absent = list[Measurement](), list[str]()
    for name in night.watched:
        if name in night.profile.features.counts:
            rows += _column(name, name, night, night.profile.features.counts[name], baseline)
        else:
            reason = (
                "no longer in the table" if name in baseline.columns else f"version {night.version} has not learned it"
            )
            absent.append(name)
            rows.append(_measured(night, name, "psi", None, None, "unknown", reason))
    overall = _overall("input_drift", night, rows, f"of {len(night.watched) - len(absent)} features")
    drifted = {row.subject for row in rows if row.verdict == "warn"}
    total = sum(max(night.importance.get(name, 0.0), 0.0) for name in night.watched)
    weight = sum(max(night.importance.get(name, 0.0), 0.0) for name in drifted)
    detail = f"{len(drifted)} of {len(night.watched)} features are beyond a threshold"
    share = weight / total if total else None
    weighted = _measured(night, "night", "weighted_drift", share, None, overall.verdict, f"of importance: {detail}")
    if not total and overall.verdict != "unknown":
        weighted = _unknown(night, "weighted_drift", "the version has no importance of any feature")
    return [*rows, overall, weighted]


def _predictions(night: ScoredNight, baseline: DriftBaseline) -> list[Measurement]:
    if SCORES not in night.profile.scores.counts or night.profile.scores.rows < LEAST_ROWS:
        return [_unknown(night, "prediction_drift", f"{night.profile.scores.rows} scores are too few")]
    subjects = {SCORES: "scores", PREDICTIONS: "predictions"}
    counts = night.profile.scores.counts
    rows = [row for name in counts for row in _column(subjects[name], name, night, counts[name], baseline)]
    return [*rows, _overall("prediction_drift", night, rows, "of the scores")]


def _joint(night: ScoredNight, baseline: DriftBaseline) -> Measurement:
    present = [name for name in night.watched if name in night.profile.features.counts]
    correlations = select_columns(baseline.correlations, present) if baseline.correlations else None
    if correlations is None:
        return _unknown(night, "joint_drift", "no two features have a correlation on the days learned from")
    change = largest_change(correlations, night.profile.features)
    if change is None:
        return _unknown(night, "joint_drift", "no two features have a correlation tonight")
    level = baseline.thresholds.level(night.profile.features.rows)
    value = change.size / change_threshold(correlations, level)
    return _measured(night, "night", "joint_drift", value, 1.0, "warn" if value > 1 else "pass", change.detail)


def _column(subject: str, name: str, night: ScoredNight, counts: Counts, baseline: DriftBaseline) -> list[Measurement]:
    """Every statistic of one column, against the expectation of the night's weekday."""
    column, rows = baseline.columns.get(name), int(counts.sum())
    if column is None:
        reason = f"fewer than {LEAST_DAYS} days of the reference have {LEAST_ROWS} rows: how days differ is unknown"
        return [_measured(night, subject, "psi", None, None, "unknown", reason)]
    expected = column.days.base[night.day.weekday()] * column.days.rows
    measured = []
    for statistic, value in statistics(column.bins, expected, counts.astype(np.float64)).items():
        if np.isnan(value):
            measured.append(_measured(night, subject, statistic, None, None, "unknown", "no finite value tonight"))
            continue
        threshold = baseline.thresholds.bound(name, statistic, rows)
        verdict = "warn" if value > threshold else "pass"
        measured.append(_measured(night, subject, statistic, float(value), threshold, verdict))
    return measured


def _overall(statistic: str, night: ScoredNight, rows: Sequence[Measurement], population: str) -> Measurement:
    """All values together: the largest in units of its threshold."""
    bounded = [(_times(row), row) for row in rows if row.value is not None and row.threshold is not None]
    if not bounded:
        reason = f"nothing {population} could be measured: {rows[0].detail}" if rows else "no feature is monitored"
        return _unknown(night, statistic, reason)
    furthest: dict[str, tuple[float, Measurement]] = {}
    for times, row in sorted(bounded, key=lambda pair: -pair[0]):
        furthest.setdefault(row.subject, (times, row))
    beyond = [row for times, row in furthest.values() if times > 1]
    named = [
        f"{row.subject} ({row.statistic} {row.value:.3g}, threshold {row.threshold:.3g})" for row in beyond[:NAMED]
    ]
    detail = f"{len(beyond)} {population} beyond a threshold{', most ' if named else ''}{', '.join(named)}"
    value = next(iter(furthest.values()))[0]
    return _measured(night, "night", statistic, value, 1.0, "warn" if beyond else "pass", detail)


def _times(row: Measurement) -> float:
    """A value in units of its threshold."""
    assert row.value is not None and row.threshold is not None
    return min(times_threshold(row.statistic, row.value, row.threshold), LARGEST)


def _measured(
    night: ScoredNight,
    subject: str,
    statistic: str,
    value: float | None,
    threshold: float | None,
    verdict: str,
    detail: str = "",
) -> Measurement:
    return Measurement(
        subject, statistic, value, threshold, night.profile.features.rows, verdict, detail, night.version
    )


def _unknown(night: ScoredNight, statistic: str, reason: str) -> Measurement:
    return _measured(night, "night", statistic, None, None, "unknown", reason)
