"""How a published night is judged, and when a retrain is asked for."""

from __future__ import annotations

from pydantic import Field

from nightshift.definition.part import Part
from nightshift.definition.retrain import Retrain
from nightshift.definition.value import Value


class Drift(Part):
    """When a night counts as drifted.

    A feature that is the same for every row of a night, such as the weekday, differs from its reference every
    night: name the features that are worth watching.
    """

    features: tuple[str, ...] = Field((), description="The features watched; all if empty.")
    psi: float = Field(0.2, gt=0, description="A feature whose index is above this has drifted.")
    share: float = Field(0.3, gt=0, le=1, description="A night with more than this share of features drifted.")


class Monitoring(Part):
    """How a published night is judged."""

    drift: Drift = Drift()
    value: Value | None = None
    retrain: Retrain
