"""Drift of a night against the reference of the model that scored it: of its inputs, of how they go together, and of
the scores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from nightshift.monitoring.days import LEAST_DAYS, LEAST_ROWS
from nightshift.monitoring.night import NightProfile
from nightshift.monitoring.profile import Counts
from nightshift.monitoring.reference import Calibration
from nightshift.monitoring.statistics import statistics
from nightshift.registry.package import SCORES
from nightshift.types import Measurement

log = logging.getLogger(__name__)

LARGEST = 1e6  # times its threshold, that a value is told to be
NAMED = 3  # of those beyond their thresholds, in a sentence


@dataclass(frozen=True)
class Night:
    """What is known of a night.

    Attributes:
        day: Its score date.
        profile: What was counted of its features and scores, over the bins of the reference.
        watched: The features to look at, in order.
        version: The version that scored it.
        importance: How much each feature matters to it, by name.
    """

    day: date
    profile: NightProfile
    watched: Sequence[str]
    version: int
    importance: Mapping[str, float]


def measure_drift(night: Night, calibration: Calibration | None) -> list[Measurement]:
    """The drift of one night.

    Returns:
        A measurement for every statistic of every watched feature and of the scores, with its threshold; and for the
        night `input_drift`, `joint_drift` and `prediction_drift`: the largest value in units of its threshold, so above
        1 is a breach; and `weighted_drift`, the share of importance that features beyond a threshold carry. What cannot
        be told is `unknown`, with a reason; it never keeps the rest from being told.
    """
    if calibration is None:
        why = f"version {night.version} does not know the days it learned from: train a new one"
        return [_unknown(night, name, why) for name in ("input_drift", "joint_drift", "prediction_drift")]
    if night.profile.features.rows < LEAST_ROWS:
        why = f"{night.profile.features.rows} rows say nothing, {LEAST_ROWS} are needed"
        return [_unknown(night, name, why) for name in ("input_drift", "joint_drift", "prediction_drift")]
    parts: dict[str, Callable[[], list[Measurement]]] = {
        "input_drift": lambda: _inputs(night, calibration),
        "joint_drift": lambda: [_joint(night, calibration)],
        "prediction_drift": lambda: _predictions(night, calibration),
    }
    found = []
    for name, measure in parts.items():
        try:
            found += measure()
        except Exception as error:
            log.exception("%s of %s was not measured", name, night.day)
            found.append(_unknown(night, name, f"not measured: {type(error).__name__}: {error}"))
    return found


def _inputs(night: Night, calibration: Calibration) -> list[Measurement]:
    rows, gone = list[Measurement](), list[str]()
    for name in night.watched:
        if name in night.profile.features.counts:
            rows += _column(name, name, night, night.profile.features.counts[name], calibration)
        else:
            why = (
                "not in the table any more"
                if name in calibration.columns
                else f"version {night.version} has not learned it"
            )
            gone.append(name)
            rows.append(_measured(night, name, "psi", None, None, "unknown", why))
    whole = _whole("input_drift", night, rows, f"of {len(night.watched) - len(gone)} features")
    beyond = {row.subject for row in rows if row.verdict == "warn"}
    total = sum(max(night.importance.get(name, 0.0), 0.0) for name in night.watched)
    carried = sum(max(night.importance.get(name, 0.0), 0.0) for name in beyond)
    weighted = _measured(night, "night", "weighted_drift", carried / total if total else None, None, whole.verdict)
    if not total and whole.verdict != "unknown":
        weighted = _unknown(night, "weighted_drift", "no importance of any feature is kept with the version")
    return [*rows, whole, weighted]


def _predictions(night: Night, calibration: Calibration) -> list[Measurement]:
    if SCORES not in night.profile.scores.counts or night.profile.scores.rows < LEAST_ROWS:
        return [_unknown(night, "prediction_drift", f"{night.profile.scores.rows} scores say nothing")]
    rows = _column("scores", SCORES, night, night.profile.scores.counts[SCORES], calibration)
    return [*rows, _whole("prediction_drift", night, rows, "of the scores")]


def _joint(night: Night, calibration: Calibration) -> Measurement:
    there = [name for name in night.watched if name in night.profile.features.counts]
    known = calibration.correlations.of(there) if calibration.correlations else None
    if known is None:
        return _unknown(night, "joint_drift", "no two features have a correlation on the days learned from")
    change = known.change(night.profile.features)
    if change is None:
        return _unknown(night, "joint_drift", "no two features have a correlation tonight")
    value = change[0] / known.threshold(calibration.thresholds.level(night.profile.features.rows))
    return _measured(night, "night", "joint_drift", value, 1.0, "warn" if value > 1 else "pass", change[1])


def _column(subject: str, name: str, night: Night, counts: Counts, calibration: Calibration) -> list[Measurement]:
    """Every statistic of one column, against what the night's weekday lets expect."""
    known, rows = calibration.columns.get(name), int(counts.sum())
    if known is None:
        why = f"fewer than {LEAST_DAYS} days of the reference with {LEAST_ROWS} rows say how days differ"
        return [_measured(night, subject, "psi", None, None, "unknown", why)]
    expected = known.days.base[night.day.weekday()] * known.days.rows
    found = []
    for statistic, value in statistics(known.bins, expected, counts.astype(np.float64)).items():
        if np.isnan(value):
            why = "no finite value tonight"
            found.append(_measured(night, subject, statistic, None, None, "unknown", why))
            continue
        threshold = calibration.thresholds.bound(name, statistic, rows)
        verdict = "warn" if value > threshold else "pass"
        found.append(_measured(night, subject, statistic, float(value), threshold, verdict))
    return found


def _whole(statistic: str, night: Night, rows: Sequence[Measurement], what: str) -> Measurement:
    """All values together: the one that is the largest in units of its threshold."""
    known = [(_times(row), row) for row in rows if row.value is not None and row.threshold is not None]
    if not known:
        return _unknown(
            night, statistic, f"nothing {what} could be told: {rows[0].detail}" if rows else "nothing watched"
        )
    most: dict[str, tuple[float, Measurement]] = {}
    for times, row in sorted(known, key=lambda pair: -pair[0]):
        most.setdefault(row.subject, (times, row))
    beyond = [row for times, row in most.values() if times > 1]
    told = [f"{row.subject} ({row.statistic} {row.value:.3g}, threshold {row.threshold:.3g})" for row in beyond[:NAMED]]
    detail = f"{len(beyond)} {what} beyond a threshold{', most ' if told else ''}{', '.join(told)}"
    value = next(iter(most.values()))[0]
    return _measured(night, "night", statistic, value, 1.0, "warn" if beyond else "pass", detail)


def _times(row: Measurement) -> float:
    """A value in units of its threshold."""
    assert row.value is not None and row.threshold is not None
    return min(row.value / row.threshold, LARGEST)


def _measured(
    night: Night,
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


def _unknown(night: Night, statistic: str, why: str) -> Measurement:
    return _measured(night, "night", statistic, None, None, "unknown", why)
