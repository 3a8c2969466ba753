"""How a published night is judged, and when a retrain is asked for."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.duration import Days
from nightshift.definition.part import Part


class Drift(Part):
    """When a night counts as drifted.

    A feature that is the same for every row of a night, such as the weekday, differs from its reference every
    night: name the features that are worth watching.
    """

    features: tuple[str, ...] = Field((), description="The features watched; all if empty.")
    psi: float = Field(0.2, gt=0, description="A feature whose index is above this has drifted.")
    share: float = Field(0.3, gt=0, le=1, description="A night with more than this share of features drifted.")


class Retrain(Part):
    """When drift becomes a retrain request."""

    nights: int = Field(2, ge=1, description="Drifted nights …")
    of_last: int = Field(3, ge=1, description="… among this many, the newest among them.")
    cooldown: Days = Field(description="No second request sooner than this.")


class Monitoring(Part):
    """How a published night is judged."""

    drift: Drift = Drift()
    retrain: Retrain
