"""How a published night is monitored, and when a training is requested."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.base import ColumnName, FeatureName, StrictModel
from nightshift.definition.false_alarms import FalseAlarms
from nightshift.definition.retrain import Retrain
from nightshift.definition.value import Value


class Monitoring(StrictModel):
    """How a published night is monitored, and when a training is requested."""

    false_alarms: FalseAlarms = Field(
        FalseAlarms(1, 90),
        description="The false alarms that are tolerated on nights that resemble the days of the training period, over "
        "all features, their correlations and the scores together: from `1 per 1000 nights` to `1 per 2 nights`. Every "
        "threshold [follows from it](monitoring.md).",
    )
    features: tuple[FeatureName, ...] = Field(
        (),
        description="The features that are monitored; empty: all. Aggregates by their full name (`plane_delay_7d`). A "
        "feature that is the same for every row of a night, such as the weekday, need not be left out.",
    )
    slices: tuple[ColumnName, ...] = Field(
        (), description="Features and key columns: the rows of each of their values have a profile of their own."
    )
    value: Value | None = Field(None, description="The [value of a night's decisions](retraining.md#value).")
    retrain: Retrain = Field(description="[When a training is requested](retraining.md#deciding-to-retrain).")
