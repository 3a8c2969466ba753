"""The profile of a night: of its features and scores, and of its slices. It is made batch by batch while scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from nightshift.monitoring.profile import BinnedRows, Profile, Rows, profile_slices
from nightshift.registry.bins import Bins
from nightshift.registry.reference import PREDICTIONS, SCORES, ModelReference

SCORED_COLUMNS = {SCORES: "score", PREDICTIONS: "prediction"}  # the column of each profile of scores
PROFILE = "profile"  # the key under which the manifest of staged scores has the night's profile


@dataclass(frozen=True)
class NightProfile:
    """The profiles of a night, or of a part of it: those of parts add up.

    Attributes:
        features: Of the model's features that the rows have.
        scores: Of the scores, under the name `SCORES`, and of predicted classes, under `PREDICTIONS`.
        slices: Of features and scores, by `column=value`.
    """

    features: Profile
    scores: Profile
    slices: Mapping[str, Profile] = field(default_factory=dict)

    def __add__(self, night: NightProfile) -> NightProfile:
        slices = dict(self.slices)
        for name, profile in night.slices.items():
            slices[name] = slices[name] + profile if name in slices else profile
        return NightProfile(self.features + night.features, self.scores + night.scores, slices)

    @classmethod
    def empty(cls, rows: int) -> NightProfile:
        """The profile of rows of which nothing could be counted."""
        return cls(Profile(rows, {}), Profile(rows, {}))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        slices = {name: profile.to_json() for name, profile in sorted(self.slices.items())}
        return {"features": self.features.to_json(), "scores": self.scores.to_json(), "slices": slices}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NightProfile:
        """The inverse of `to_json`."""
        slices = {name: Profile.from_json(profile) for name, profile in document["slices"].items()}
        return cls(Profile.from_json(document["features"]), Profile.from_json(document["scores"]), slices)


@dataclass(frozen=True)
class Profiler:
    """Profiles rows and their scores over the bins of a reference.

    Attributes:
        features: The bins of each feature.
        scores: The bins of the scores, by the name of their profile.
        slices: The columns whose values have profiles too.
    """

    features: Mapping[str, Bins]
    scores: Mapping[str, Bins]
    slices: Sequence[str] = ()

    @classmethod
    def of(cls, reference: ModelReference, slices: Sequence[str] = ()) -> Profiler | None:
        """Over the bins of a reference; None if it has none of the scores."""
        if reference.scores is None or not reference.scores.bins.normal_scores:
            return None
        features = {name: column.bins for name, column in reference.features.items() if column.bins.normal_scores}
        scored = {SCORES: reference.scores, PREDICTIONS: reference.predictions}
        bins = {name: column.bins for name, column in scored.items() if column is not None}
        return cls(features, bins, tuple(slices))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of rows that it profiles, if they have them."""
        return (*self.features, *self.slices)

    def __call__(self, rows: Rows, scores: Rows) -> NightProfile:
        """The profile of rows with features and the columns of slices, and of a score for each.

        Args:
            rows: The rows.
            scores: Of each row, with the columns `score` and, of a label that is a class, `prediction`.
        """
        present = {name: bins for name, bins in self.features.items() if name in rows.schema.names}
        features = BinnedRows.of(rows, present)
        columns = pa.table({name: scores.column(SCORED_COLUMNS[name]) for name in self.scores})
        scored = BinnedRows.of(columns, self.scores)
        sliced = [name for name in self.slices if name in rows.schema.names]
        slices = profile_slices(features.join(scored), rows, sliced)
        return NightProfile(features.profile(), scored.profile(joint=False), slices)
