"""How a version that passed its gate is promoted: at once, by a person's approval, or by its nights in shadow."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import AlternativeForm, StrictModel
from nightshift.definition.duration import Duration
from nightshift.definition.gate import AgainstChampion, Gate, Slices

AUTO = "auto"


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise PydanticCustomError("duration", "not a time to wait", {"allowed": "more than 0s"})
    return value


class Approval(StrictModel):
    """A person decides whether the version is promoted."""

    timeout: Annotated[Duration, AfterValidator(_positive)] = Field(
        description="How long a person's answer is waited for; above 0s."
    )
    default: Literal["approve", "refuse"] = Field("refuse", description="The answer if nobody gives one.")


class Shadow(AgainstChampion):
    """The version scores in shadow of the champion until the outcomes of its nights decide.

    The keys of the comparison are those of the gate's `against_champion`.
    """

    nights: int = Field(
        ge=2,
        description="How many labelled nights are compared, once. At least 5 at a confidence of 0.95, 7 at 0.99.",
    )
    within: int = Field(
        90,
        description="If the challenger could not be compared after this many scored nights, it is retired. More than "
        "`nights`.",
    )
    slices: Slices | None = Field(None, description="As of the gate, in the metric of this comparison.")

    @property
    def gate(self) -> Gate:
        """The comparison as a gate's rules."""
        against = AgainstChampion(**{name: getattr(self, name) for name in AgainstChampion.model_fields})
        return Gate(against_champion=against, slices=self.slices, baseline=False, leak=None, rows=1)


class Promotion(StrictModel):
    """How a version that passed its gate is promoted.

    `auto` promotes it at once; otherwise one of the keys below is given. [What each does](promotion.md).
    """

    approval: Approval | None = Field(None, description="A person decides.")
    shadow: Shadow | None = Field(
        None,
        description="The outcomes of nights scored in shadow decide. Its keys are those below and those of "
        "[a comparison](#comparison-with-the-champion).",
    )

    @property
    def auto(self) -> bool:
        """Whether the version is promoted at once."""
        return self.approval is None and self.shadow is None


def _policy(value: object) -> object:
    if value == AUTO:
        return {}
    if not isinstance(value, dict | Promotion) or value == {}:
        allowed = "auto, `approval: {…}`, `shadow: {…}`"
        raise PydanticCustomError("promotion", "not a policy", {"allowed": allowed, "fix": "write one of these"})
    return value


DeclaredPromotion = Annotated[Promotion, BeforeValidator(_policy), AlternativeForm({"const": AUTO})]
