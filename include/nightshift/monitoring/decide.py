"""The retrain policy: drift that persists becomes a request, at most one a cool-down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from nightshift.definition.duration import format_duration
from nightshift.definition.monitoring import Retrain

Action = Literal["nothing", "request", "suppressed"]


@dataclass(frozen=True)
class NightDrift:
    """Whether a night drifted, and from which version's reference."""

    night: date
    drifted: bool
    version: int
    share: float


@dataclass(frozen=True)
class Decision:
    """What was decided for a night, and why."""

    night: date
    action: Action
    reason: str


def decide(policy: Retrain, night: NightDrift, earlier: list[NightDrift], requests: list[date]) -> Decision:
    """Decides whether a night asks for a retrain.

    Args:
        policy: The declared policy.
        night: The night decided about.
        earlier: Nights before it, in any order. Only those judged against the same version count: a new
            version has a new reference.
        requests: Nights for which a retrain was requested.
    """
    if not night.drifted:
        return Decision(night.night, "nothing", "no drift tonight")
    same = sorted((n for n in earlier if n.version == night.version and n.night < night.night), key=lambda n: n.night)
    recent = [*same[-(policy.of_last - 1) :], night] if policy.of_last > 1 else [night]
    count = sum(n.drifted for n in recent)
    seen = f"drifted on {count} of the last {len(recent)} nights"
    if count < policy.nights:
        return Decision(night.night, "nothing", f"{seen}, a request needs {policy.nights} of {policy.of_last}")
    before = [day for day in requests if day < night.night]
    if before and night.night - max(before) < policy.cooldown:
        cooldown = format_duration(policy.cooldown)
        return Decision(night.night, "suppressed", f"{seen}, but requested on {max(before)}, cool-down {cooldown}")
    return Decision(night.night, "request", f"{seen}, {night.share:.0%} of the features tonight")
