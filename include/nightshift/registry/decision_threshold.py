"""The threshold from which a version decides for a row; stored with it, and changed by a promotion alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.value import DECISION


@dataclass(frozen=True)
class DecisionThreshold:
    """A version's threshold, with how it was chosen.

    Attributes:
        threshold: The decision about a row is that its score is at least this.
        low: The lower end of the interval of the best threshold, 95% sure; None if it was declared, or of few days.
        high: The upper end.
        value: The value of the decisions on the holdout; None if the threshold was declared.
        naive: The value of the naive policy on the same rows.
        rows: How many rows of the holdout have a value.
        days: How many days these are of.
    """

    threshold: float
    low: float | None = None
    high: float | None = None
    value: float | None = None
    naive: float | None = None
    rows: int = 0
    days: int = 0

    def decide(self, scores: pa.Array) -> pa.Array:
        """Whether each score reaches the threshold."""
        return pc.greater_equal(scores, pa.scalar(self.threshold, pa.float64()))

    def metrics(self) -> dict[str, float]:
        """What is known of it, by name, as metrics of the version's run."""
        named = {f"{DECISION}.{name}": value for name, value in asdict(self).items()}
        return {name: float(value) for name, value in named.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """As stored with the version."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> DecisionThreshold:
        """As stored with the version."""
        return cls(**stored)
