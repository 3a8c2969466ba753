"""What a definition may demand of a new model before it scores."""

from __future__ import annotations

from math import ceil, log2
from typing import Literal

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.metrics import Metric

CONFIDENCE, RESAMPLES = 0.95, 1000


class AgainstChampion(StrictModel):
    """How the challenger must compare with the champion, on resamples of the holdout's days."""

    metric: Metric
    rule: Literal["non_inferior", "superior"] = "non_inferior"
    margin: float | None = Field(None, gt=0, description="non_inferior: worse by less than this.")
    confidence: float = Field(CONFIDENCE, ge=0.5, lt=1)
    resamples: int = Field(RESAMPLES, ge=100, le=100_000)


class Slices(StrictModel):
    """Parts of the holdout, in none of which the challenger may be worse than the champion."""

    columns: tuple[str, ...] = Field(min_length=1, description="A slice is the rows with one value of one of these.")
    minimum: int = Field(200, ge=1, description="Slices of fewer rows are not judged.")
    regression: float = Field(gt=0, description="In each slice, worse by less than this.")


class Gate(StrictModel):
    """The rules a new model must pass on the holdout before it may score."""

    minimum: dict[Metric, float] = {}
    against_champion: AgainstChampion | None = None
    slices: Slices | None = None
    baseline: bool = Field(True, description="Better than the constant that suits the training period best.")
    leak: float | None = Field(0.999, gt=0.5, le=1, description="A roc_auc or r2 from here on is too good to be true.")
    rows: int = Field(100, ge=1, description="Labelled rows of the holdout at least.")
    speed: float | None = Field(None, gt=0, description="Rows a second at least, scored by the stored artifact.")
    size: float | None = Field(None, gt=0, description="MiB of the stored artifact at most.")

    @property
    def confidence(self) -> float:
        """How sure every rule must be that compares."""
        return self.against_champion.confidence if self.against_champion else CONFIDENCE

    @property
    def sure(self) -> str:
        """The same in words."""
        return f"{100 * self.confidence:.6g}% sure"

    @property
    def resamples(self) -> int:
        return self.against_champion.resamples if self.against_champion else RESAMPLES

    @property
    def days(self) -> int:
        """The fewest days a comparison can rest on.

        Were the models alike, each of n days would favour the challenger as a coin falls; all of them do once in 2^n.
        """
        return max(2, ceil(log2(1 / (1 - self.confidence))))
