"""When a retrain is asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.duration import Days

# Not the bias: it has a sign, so that more of it is not worse.
Realized = Literal["roc_auc", "average_precision", "brier", "log_loss", "calibration_error", "mae", "rmse", "r2"]
Estimated = Literal["roc_auc", "brier", "log_loss", "mae", "rmse"]


class Trigger(StrictModel):
    """How long something must last; what is left out is the policy's."""

    nights: int | None = Field(None, ge=1, description="Breaches …")
    of_last: int | None = Field(None, ge=1, description="… among this many nights, the newest among them.")


class DriftTrigger(Trigger):
    """A night breaches that has drifted."""

    share: float | None = Field(
        None, gt=0, le=1, description="More than this share of the importance on features that drifted; if left out, "
        "whatever breaches its threshold for the night as a whole."
    )  # fmt: skip


class EstimateTrigger(Trigger):
    """A night breaches whose performance is estimated, without labels, to be worse than the version's holdout."""

    metric: Estimated | None = Field(None, description="roc_auc if left out; mae where a number is predicted.")
    worse: float | None = Field(None, gt=0, description="By more than this; if left out, than its days let expect.")


class PerformanceTrigger(Trigger):
    """A night breaches whose performance turned out worse than the version's holdout, once its labels are final."""

    metric: Realized | None = Field(None, description="roc_auc if left out; mae where a number is predicted.")
    worse: float | None = Field(None, gt=0, description="By more than this; if left out, than its days let expect.")


class Retrain(StrictModel):
    """What asks for a training, and what holds it back."""

    drift: DriftTrigger | None = DriftTrigger()
    estimated_performance: EstimateTrigger | None = None
    performance: PerformanceTrigger | None = None
    age: Days | None = Field(None, description="The version that scores learned up to a date this long ago.")
    nights: int = Field(2, ge=1, description="Breaches …")
    of_last: int = Field(3, ge=1, description="… among this many nights, the newest among them.")
    cooldown: Days = Field(description="No second request sooner than this.")
    budget: int | None = Field(None, ge=1, description="Requests in a calendar month at most.")
    bad_data: Literal["warn", "fail"] = Field("warn", description="From this verdict of an audit on, nothing is asked.")

    def persistence(self, trigger: Trigger) -> tuple[int, int]:
        """How many nights must breach, of how many."""
        return trigger.nights or self.nights, trigger.of_last or self.of_last

    @property
    def triggers(self) -> dict[str, Trigger]:
        """Those that are declared and that nights breach, by their name."""
        named = {
            "drift": self.drift,
            "estimated_performance": self.estimated_performance,
            "performance": self.performance,
        }
        return {name: trigger for name, trigger in named.items() if trigger is not None}
