"""The rules that a new model must pass before it makes the published scores."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2
from typing import Annotated, Literal

from pydantic import Field

from nightshift.definition.base import ColumnName, StrictModel, ValueType
from nightshift.definition.metrics import LARGER_IS_BETTER, MetricName
from nightshift.definition.prediction import Prediction

CONFIDENCE, RESAMPLES = 0.95, 1000


class AgainstChampion(StrictModel):
    """How the challenger is compared with the champion, on resamples of whole nights."""

    metric: MetricName = Field(description="The metric that is compared, on the same rows.")
    rule: Literal["non_inferior", "superior"] = Field(
        "non_inferior",
        description="`non_inferior`: the challenger's gain must be above minus `margin`, with the given confidence. "
        "`superior`: above 0.",
    )
    margin: float | None = Field(
        None,
        gt=0,
        description="The loss against the champion that is acceptable. Required by `non_inferior`, not used by "
        "`superior`.",
    )
    confidence: float = Field(
        CONFIDENCE,
        ge=0.5,
        lt=1,
        description="The confidence of the comparison, the slices and the baseline.",
    )
    resamples: int = Field(
        RESAMPLES,
        ge=100,
        le=100_000,
        description="How often whole nights are resampled. At least 10 resamples must lie beyond the confidence.",
    )

    @property
    def sentence(self) -> str:
        """The rule for people."""
        how = f"not worse than the champion by {self.margin}" if self.margin else "better than the champion"
        confidence = Gate(against_champion=self).confidence_text
        return f"{self.metric} {how}, {confidence} by {self.resamples} resamples of nights"


class Slices(StrictModel):
    """Parts of the compared rows, in none of which the challenger may be worse than the champion."""

    columns: tuple[ColumnName, ...] = Field(
        min_length=1,
        description="Columns of the observations' key, or categories. Each value of each column is a slice.",
    )
    minimum: int = Field(200, ge=1, description="Slices of fewer rows are not judged.")
    regression: float = Field(
        gt=0,
        description="In each slice the gain in the metric of the comparison must be above minus this, with the same "
        "confidence.",
    )


class Gate(StrictModel):
    """The rules that a new model must pass on the holdout before it makes the published scores.

    There must be a `minimum` or `against_champion`. Wherever models are compared, by `against_champion` or `baseline`,
    the holdout needs 5 nights at a confidence of 0.95, 7 at 0.99.
    """

    minimum: Annotated[dict[MetricName, float], ValueType("metric: number")] = Field(
        {},
        description="Absolute bounds: at least this for `roc_auc`, `average_precision` and `r2`, at most this for "
        "`brier`, `log_loss`, `calibration_error`, `mae`, `rmse` and `bias`.",
    )
    against_champion: AgainstChampion | None = Field(None, description="A comparison with the champion on the holdout.")
    slices: Slices | None = Field(None, description="The same comparison in parts of the holdout.")
    baseline: bool = Field(
        True,
        description="The model must be better than the [constant](gate.md#rules) that fits the training period best, "
        "with the same confidence.",
    )
    leak: float | None = Field(
        0.999,
        gt=0.5,
        le=1,
        description="A `roc_auc`, of a number an `r2`, of a class a `macro_roc_auc`, from here on is refused as a "
        "suspected leak. `null`: none is.",
    )
    rows: int = Field(100, ge=1, description="The fewest labelled rows of the holdout.")
    speed: float | None = Field(
        None, gt=0, description="The fewest rows that the stored artifact must score in a second."
    )
    size: float | None = Field(None, gt=0, description="The largest size of the stored artifact in MiB.")

    @property
    def confidence(self) -> float:
        """The confidence of every rule that compares models."""
        return self.against_champion.confidence if self.against_champion else CONFIDENCE

    @property
    def confidence_text(self) -> str:
        """The confidence in words: `95% sure`."""
        return f"{100 * self.confidence:.6g}% sure"

    @property
    def resamples(self) -> int:
        """How often the holdout's nights are resampled."""
        return self.against_champion.resamples if self.against_champion else RESAMPLES

    @property
    def min_days(self) -> int:
        """The fewest days that a comparison needs.

        If the models are equally good, each of n days favours the challenger with probability 1/2, and all of them with
        probability 2^-n.
        """
        return max(2, ceil(log2(1 / (1 - self.confidence))))

    def sentences(self, prediction: Prediction) -> Iterator[str]:
        """Every rule for people, as the DAG's page lists them."""
        for metric, bound in self.minimum.items():
            yield f"{metric}: at {'least' if metric in LARGER_IS_BETTER else 'most'} {bound}"
        if rule := self.against_champion:
            yield rule.sentence
        if slices := self.slices:
            each = ", ".join(slices.columns)
            yield f"no worse than the champion by {slices.regression} for any {each} of at least {slices.minimum} rows"
        if self.baseline:
            yield "better than a constant"
        if self.leak is not None:
            yield f"no {prediction.metrics.leak} of {self.leak} or more: a feature would know the label"
        yield f"at least {self.rows} labelled rows, {prediction.label_variety}, and more than one score"
        yield "the stored model gives the same scores in a process of its own"
        if self.speed is not None:
            yield f"at least {self.speed:,.0f} rows a second"
        if self.size is not None:
            yield f"at most {self.size:.3g} MiB"
