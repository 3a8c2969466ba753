"""How a published night is judged, and when a retrain is asked for."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.false_alarms import FalseAlarms
from nightshift.definition.retrain import Retrain
from nightshift.definition.value import Value


class Monitoring(StrictModel):
    """How a published night is judged."""

    false_alarms: FalseAlarms = Field(
        FalseAlarms(1, 90), description="Tolerated on nights like the training period's, over everything together."
    )
    features: tuple[str, ...] = Field((), description="The features watched; all if left out.")
    slices: tuple[str, ...] = Field((), description="Columns of which every value's rows have a profile of their own.")
    value: Value | None = None
    retrain: Retrain
