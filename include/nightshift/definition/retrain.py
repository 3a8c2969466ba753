"""When a training is requested."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.duration import Days
from nightshift.definition.metrics import Realized

Estimated = Literal["roc_auc", "brier", "log_loss", "accuracy", "mae", "rmse"]


class Trigger(StrictModel):
    """How many nights must breach before a training is requested; the policy's numbers if left out."""

    nights: int | None = Field(None, ge=1, description="How many nights must breach. If left out, `retrain.nights`.")
    of_last: int | None = Field(None, ge=1, description="Among how many nights. If left out, `retrain.of_last`.")


class DriftTrigger(Trigger):
    """A night that drifted is a breach."""

    share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="A night is a breach if features with more than this share of the importance drifted. Without it, "
        "if any threshold for the night as a whole is exceeded.",
    )


class EstimateTrigger(Trigger):
    """A night whose performance, estimated without labels, is worse than that of the version's holdout is a breach."""

    metric: Estimated | None = Field(
        None, description="The metric. If left out, `roc_auc`; of a number `mae`, of a class `accuracy`."
    )
    worse: float | None = Field(
        None,
        gt=0,
        description="A night is a breach if it is worse than the holdout by more than this, in the metric's unit. "
        "Without it, if it is worse than the variation of the holdout's nights explains.",
    )


class PerformanceTrigger(Trigger):
    """A night whose performance, measured once its labels are final, is worse than the holdout's is a breach."""

    metric: Realized | None = Field(
        None, description="The metric. If left out, `roc_auc`; of a number `mae`, of a class `accuracy`."
    )
    worse: float | None = Field(
        None,
        gt=0,
        description="A night is a breach if it is worse than the holdout by more than this, in the metric's unit. "
        "Without it, if it is worse than the variation of the holdout's nights explains.",
    )


class Retrain(StrictModel):
    """What requests a training, and what prevents a request.

    Only nights that were scored by the same version are counted together.
    """

    drift: DriftTrigger | None = Field(DriftTrigger(), description="A night that drifted is a breach. `null`: never.")
    estimated_performance: EstimateTrigger | None = Field(
        None, description="A night whose estimated performance is worse than the holdout's is a breach."
    )
    performance: PerformanceTrigger | None = Field(
        None, description="The same of the performance that is measured once the labels are final."
    )
    age: Days | None = Field(
        None, description="A version that was trained as of a date longer ago than this requests a training at once."
    )
    nights: int = Field(2, ge=1, description="This many breaches …")
    of_last: int = Field(3, ge=1, description="… among this many nights, the newest among them, request a training.")
    cooldown: Days = Field(description="The shortest time between two requests.")
    budget: int | None = Field(None, ge=1, description="The most requests in a calendar month.")
    bad_data: Literal["warn", "fail"] = Field(
        "warn",
        description="A night whose audit has this verdict or a worse one is not counted and requests nothing.",
    )

    def persistence(self, trigger: Trigger) -> tuple[int, int]:
        """How many nights must breach, and among how many."""
        return trigger.nights or self.nights, trigger.of_last or self.of_last

    @property
    def triggers(self) -> dict[str, Trigger]:
        """The declared triggers that count breaches of nights, by name."""
        named = {
            "drift": self.drift,
            "estimated_performance": self.estimated_performance,
            "performance": self.performance,
        }
        return {name: trigger for name, trigger in named.items() if trigger is not None}
