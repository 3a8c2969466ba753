"""The reference stored with a version: histograms of its training period and of its holdout's scores, day by day.

`to_json` writes the layout of `reference.json`, byte for byte: a model's digest covers the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightshift.registry.bins import Bins, bins_from_json
from nightshift.registry.drift_thresholds import Correlations, StoredThresholds

# Keys beside the features': no feature can have these names.
SCORES = "scores of the holdout"
PREDICTIONS = "predictions of the holdout"
TRAINING_DATES, HOLDOUT_DATES, CALIBRATION = "dates learned from", "dates of the holdout", "calibration of drift"


@dataclass(frozen=True)
class ReferenceColumn:
    """The histogram of a column.

    Attributes:
        bins: Its bins.
        counts: The rows in each bin.
        daily_counts: The rows in each bin on each day, one tuple a day. None for versions of earlier releases.
    """

    bins: Bins
    counts: tuple[int, ...]
    daily_counts: tuple[tuple[int, ...], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        document = self.bins.to_json()
        if self.daily_counts is not None:
            document["days"] = [list(counts) for counts in self.daily_counts]
        return document | {"counts": list(self.counts)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReferenceColumn:
        """The inverse of `to_json`."""
        days = document.get("days")
        daily_counts = None if days is None else tuple(tuple(counts) for counts in days)
        return cls(bins_from_json(document), tuple(document["counts"]), daily_counts)


@dataclass(frozen=True)
class ModelReference:
    """What a version stores of its training period and of its holdout's scores.

    Attributes:
        features: The histogram of each feature.
        scores: The histogram of the scores that the version gave to its holdout.
        training_dates: The days that the features' `daily_counts` are of.
        holdout_dates: The days that the scores' `daily_counts` are of.
        correlations: Of the features; None if there are too few days or features.
        calibration: The thresholds of drift; None if they were not calibrated.
        predictions: The histogram of the classes that it predicted for the holdout; None if the label is no class.
    """

    features: Mapping[str, ReferenceColumn]
    scores: ReferenceColumn | None = None
    training_dates: tuple[date, ...] = ()
    holdout_dates: tuple[date, ...] = ()
    correlations: Correlations | None = None
    calibration: StoredThresholds | None = None
    predictions: ReferenceColumn | None = None

    @property
    def has_days(self) -> bool:
        """Whether it has the counts of each day, from which thresholds are calibrated."""
        return self.scores is not None and self.scores.daily_counts is not None

    def column(self, name: str) -> ReferenceColumn | None:
        """The histogram of a feature, of the scores (`SCORES`), or of the predictions; None if there is none."""
        return {SCORES: self.scores, PREDICTIONS: self.predictions}.get(name, self.features.get(name))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        document: dict[str, Any] = {name: column.to_json() for name, column in self.features.items()}
        if self.scores is not None:
            document[SCORES] = self.scores.to_json()
        if self.predictions is not None:
            document[PREDICTIONS] = self.predictions.to_json()
        if self.has_days:
            document[TRAINING_DATES] = [str(day) for day in self.training_dates]
            document[HOLDOUT_DATES] = [str(day) for day in self.holdout_dates]
            document[CALIBRATION] = {
                "correlations": self.correlations.to_json() if self.correlations else None,
                **(self.calibration.to_json() if self.calibration else {}),
            }
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ModelReference:
        """The inverse of `to_json`."""
        columns = {
            name: ReferenceColumn.from_json(part)
            for name, part in document.items()
            if name not in {TRAINING_DATES, HOLDOUT_DATES, CALIBRATION}
        }
        calibration = document.get(CALIBRATION, {})
        correlations = calibration.get("correlations")
        return cls(
            {name: column for name, column in columns.items() if name not in {SCORES, PREDICTIONS}},
            columns.get(SCORES),
            tuple(date.fromisoformat(day) for day in document.get(TRAINING_DATES, ())),
            tuple(date.fromisoformat(day) for day in document.get(HOLDOUT_DATES, ())),
            Correlations.from_json(correlations) if correlations else None,
            StoredThresholds.from_json(calibration) if "thresholds" in calibration else None,
            columns.get(PREDICTIONS),
        )


NO_REFERENCE = ModelReference({})
