"""What becomes of a version that passed its gate: promoted at once, by a person's word, or by its nights in shadow."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import StrictModel
from nightshift.definition.duration import Duration
from nightshift.definition.gate import AgainstChampion, Gate, Slices

AUTO = "auto"


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise PydanticCustomError("duration", "not a time to wait", {"allowed": "more than 0s"})
    return value


class Approval(StrictModel):
    """A person says whether the version is promoted."""

    timeout: Annotated[Duration, AfterValidator(_positive)] = Field(description="How long the answer is waited for.")
    default: Literal["approve", "refuse"] = Field("refuse", description="The answer if nobody gave one.")


class Shadow(AgainstChampion):
    """The version scores beside the champion, until the outcomes of its nights decide."""

    nights: int = Field(ge=2, description="So many labelled nights are compared, once.")
    within: int = Field(90, description="Retired if so many nights were scored and it could not be compared.")
    slices: Slices | None = None

    @property
    def gate(self) -> Gate:
        """The comparison as a gate's rules."""
        against = AgainstChampion(**{name: getattr(self, name) for name in AgainstChampion.model_fields})
        return Gate(against_champion=against, slices=self.slices, baseline=False, leak=None, rows=1)


class Promotion(StrictModel):
    """The policy; promoted at once if it is none of these."""

    approval: Approval | None = None
    shadow: Shadow | None = None

    @property
    def auto(self) -> bool:
        return self.approval is None and self.shadow is None


def _policy(value: object) -> object:
    if value == AUTO:
        return {}
    if not isinstance(value, dict | Promotion) or value == {}:
        allowed = "auto, `approval: {…}`, `shadow: {…}`"
        raise PydanticCustomError("promotion", "not a policy", {"allowed": allowed, "fix": "write one of these"})
    return value


DeclaredPromotion = Annotated[Promotion, BeforeValidator(_policy)]
