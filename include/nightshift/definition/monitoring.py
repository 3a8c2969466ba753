"""How a published night is judged, and when a retrain is asked for."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.duration import Days
from nightshift.definition.false_alarms import FalseAlarms
from nightshift.definition.part import Part


class Retrain(Part):
    """When drift becomes a retrain request."""

    nights: int = Field(2, ge=1, description="Drifted nights …")
    of_last: int = Field(3, ge=1, description="… among this many, the newest among them.")
    cooldown: Days = Field(description="No second request sooner than this.")


class Monitoring(Part):
    """How a published night is judged."""

    false_alarms: FalseAlarms = Field(
        FalseAlarms(1, 90), description="Tolerated on nights like the training period's, over everything together."
    )
    features: tuple[str, ...] = Field((), description="The features watched; all if left out.")
    slices: tuple[str, ...] = Field((), description="Columns of which every value's rows have a profile of their own.")
    retrain: Retrain
