"""How a challenger is trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.duration import Days
from nightshift.definition.metrics import Metric

CalibrationMethod = Literal["sigmoid", "isotonic"]
ESTIMATOR_FILE = "estimator.py"


class Estimator(StrictModel):
    """Any scikit-learn-compatible class; or none, and `make_estimator` of `estimator.py` makes one."""

    class_: str | None = Field(None, alias="class", pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")
    params: dict[str, Any] = {}


class Search(StrictModel):
    """A grid of parameters, tried on folds that are ordered by time; the best ones are trained with."""

    grid: dict[str, tuple[Any, ...]] = Field(min_length=1, description="The values of each parameter.")
    folds: int = Field(3, ge=1, le=20)
    metric: Metric | None = Field(None, description="roc_auc of a condition, rmse of a number if left out.")


class Calibration(StrictModel):
    """How raw scores become probabilities."""

    method: CalibrationMethod = "sigmoid"
    period: Days = Field(description="The newest labelled days before the holdout, which only this is fitted on.")


class Training(StrictModel):
    """How a challenger is trained, and when without being asked."""

    estimator: Estimator = Estimator()
    search: Search | None = None
    calibration: Calibration | None = None
    period: Days = Field(description="Labelled days before the holdout.")
    holdout: Days = Field(description="The latest labelled days, kept from training.")
    min_rows: int = Field(100, ge=1, description="Labelled rows to learn from at least.")
    max_rows: int | None = Field(None, ge=1000, description="Of more observations, a fixed sample is learned from.")
    cadence: str = Field(description="Cron expression of the safety net.")
    seed: int = 0
