"""The profile of a night: of its features and scores, and of its slices. Made batch by batch, beside the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from nightshift.monitoring.profile import Bins, Placed, Profile, Rows, profile_slices
from nightshift.registry.package import SCORES

PROFILE = "profile"  # what scores were staged with, among the inputs of their set
DAYS = "days"  # of the reference, which a night is not counted over


@dataclass(frozen=True)
class NightProfile:
    """The profiles of a night, or of a part of it: those of parts add up.

    Attributes:
        features: Of all features the model learned from that are there.
        scores: Of the scores, under the name `SCORES`.
        slices: Of features and scores, by `column=value`.
    """

    features: Profile
    scores: Profile
    slices: Mapping[str, Profile] = field(default_factory=dict)

    def __add__(self, other: NightProfile) -> NightProfile:
        slices = dict(self.slices)
        for name, one in other.slices.items():
            slices[name] = slices[name] + one if name in slices else one
        return NightProfile(self.features + other.features, self.scores + other.scores, slices)

    @classmethod
    def empty(cls, rows: int) -> NightProfile:
        """Of so many rows of which nothing could be counted."""
        return cls(Profile(rows, {}), Profile(rows, {}))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        slices = {name: one.to_json() for name, one in sorted(self.slices.items())}
        return {"features": self.features.to_json(), "scores": self.scores.to_json(), "slices": slices}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> NightProfile:
        """The inverse of `to_json`."""
        slices = {name: Profile.from_json(one) for name, one in told["slices"].items()}
        return cls(Profile.from_json(told["features"]), Profile.from_json(told["scores"]), slices)


@dataclass(frozen=True)
class Profiler:
    """Profiles rows and their scores over the bins of a reference.

    Attributes:
        bins: Those of the reference, by feature, and those of `SCORES`.
        slices: The columns whose values have profiles of their own.
    """

    bins: Mapping[str, Bins]
    slices: Sequence[str] = ()

    @classmethod
    def of(cls, reference: Mapping[str, Any], slices: Sequence[str] = ()) -> Profiler | None:
        """Over the bins of a model's reference; None if it has none of the scores."""
        if SCORES not in reference or "places" not in reference[SCORES]:
            return None
        bins = {
            name: {key: value for key, value in one.items() if key != DAYS}
            for name, one in reference.items()
            if isinstance(one, dict) and "places" in one
        }
        return cls(bins, tuple(slices))

    def __call__(self, rows: Rows, scores: pa.Array | pa.ChunkedArray) -> NightProfile:
        """The profile of some rows: features, the columns of slices, and a score each."""
        there = {name: one for name, one in self.bins.items() if name != SCORES and name in rows.schema.names}
        features = Placed.of(rows, there)
        scored = Placed.of(pa.table({SCORES: scores}), {SCORES: self.bins[SCORES]})
        columns = [name for name in self.slices if name in rows.schema.names]
        slices = profile_slices(features.beside(scored), rows, columns)
        return NightProfile(features.profile(), scored.profile(joint=False), slices)
