"""The retrain policy: what persists becomes a request, unless something holds it back. Pure functions over nights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from nightshift.definition.duration import format_duration
from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.definition.prediction import PROBABILITY, Prediction
from nightshift.definition.retrain import DriftTrigger, EstimateTrigger, PerformanceTrigger, Retrain, Trigger
from nightshift.monitoring.evidence import Held, Night
from nightshift.types import Measurement

Action = Literal[
    "nothing",
    "request",
    "missed",
    "suppressed_by_quality",
    "suppressed_by_running",
    "suppressed_by_cooldown",
    "suppressed_by_budget",
]


@dataclass(frozen=True)
class Finding:
    """What a trigger saw.

    Attributes:
        trigger: Its name.
        breaches: How many of the nights it looked at breach.
        needed: How many must, among them the newest.
        looked: How many nights it looked at.
        newest: Whether the newest of them breaches; None if that is not known.
        told: What it saw of the newest, in words.
    """

    trigger: str
    breaches: int
    needed: int
    looked: int
    newest: bool | None
    told: str

    @property
    def fired(self) -> bool:
        return bool(self.newest) and self.breaches >= self.needed

    @property
    def sentence(self) -> str:
        """For people."""
        if self.trigger == "age" or self.newest is None:
            return f"{self.trigger}: {self.told}"
        counted = f"{self.breaches} of the last {self.looked} nights, needed {self.needed}"
        return f"{self.trigger}: {self.told}; {counted}"


@dataclass(frozen=True)
class Decision:
    """What was decided for a night, and why.

    Attributes:
        night: The score date.
        action: What follows.
        reason: Why, in words.
        findings: What every trigger saw.
        version: The version that scored the night.
    """

    night: date
    action: Action
    reason: str
    findings: tuple[Finding, ...] = ()
    version: int | None = None

    def measurements(self) -> list[Measurement]:
        """The decision and its evidence, as they are kept."""
        decided = Measurement(
            "night", "retrain", verdict=self.action, detail=self.reason, model_version=self.version
        )  # fmt: skip
        return [decided, *(_kept(finding, self.version) for finding in self.findings)]


def decide(
    policy: Retrain,
    night: Night,
    earlier: Sequence[Night],
    requests: Sequence[date],
    matured: date,
    *,
    prediction: Prediction = PROBABILITY,
    running: str = "",
    replaced_by: int | None = None,
) -> Decision:
    """Decides whether a night asks for a training.

    Args:
        policy: The declared policy.
        night: The night decided about. What is not known of it breaches nothing.
        earlier: Other nights, in any order. Those before it that the same version scored count: a new version has a
            new baseline.
        requests: Nights for which a training was requested. Later ones count too: an old night that is decided late
            does not ask again for what was asked since.
        matured: The newest score date whose labels are final at the night's cutoff; nothing later has turned out yet.
        prediction: What the versions predict.
        running: What is under way already, in words; empty if nothing is.
        replaced_by: The champion, if it is another version by now than the one that scored the night.
    """
    history = sorted((one for one in earlier if one.version == night.version and one.day < night.day), key=_day)
    findings = tuple(
        _look(name, trigger, policy, [*history, night], matured, prediction)
        for name, trigger in policy.triggers.items()
    )
    if policy.age is not None:
        findings += (_age(policy, night),)
    fired = [finding for finding in findings if finding.fired]
    action, why = _judge(policy, night, [day for day in requests if day != night.day], running, replaced_by)
    if not fired:
        action, why = "nothing", ""
    told = "; ".join(finding.sentence for finding in fired or findings)
    reason = f"{told}; {why}" if why else told
    return Decision(night.day, action, reason, findings, night.version)


def missed(decision: Decision, since: date) -> Decision:
    """A decision for a night that was not monitored in its time: it is kept as evidence, and asks for nothing."""
    would = f"would have been: {decision.action}; " if decision.action != "nothing" else ""
    return replace(decision, action="missed", reason=f"made up for with {since}; {would}{decision.reason}")


def replay(
    policy: Retrain, nights: Sequence[Night], matured: Callable[[date], date], *, prediction: Prediction = PROBABILITY
) -> list[Decision]:
    """Decides a history anew, night after night, as if a policy had been in force.

    What a training that it asks for would have changed is not known: nights keep the versions that scored them.

    Args:
        policy: The policy.
        nights: The nights, in any order.
        matured: The newest score date whose labels are final at a night's cutoff.
        prediction: What the versions predict.
    """
    ordered = sorted(nights, key=_day)
    decisions: list[Decision] = []
    requests: list[date] = []
    for place, night in enumerate(ordered):
        made = decide(policy, night, ordered[:place], requests, matured(night.day), prediction=prediction)
        decisions.append(made)
        requests += [night.day] if made.action == "request" else []
    return decisions


def _judge(
    policy: Retrain, night: Night, others: Sequence[date], running: str, replaced_by: int | None
) -> tuple[Action, str]:
    """What follows if a trigger has fired, and what held it back."""
    if replaced_by is not None:
        return "nothing", f"version {replaced_by} is the champion by now"
    if _bad(policy, night):
        return "suppressed_by_quality", f"an audit of the night says {night.quality}: bad data is not drift"
    if running:
        return "suppressed_by_running", running
    near = [day for day in others if abs(day - night.day) < policy.cooldown]
    if near:
        cooldown = format_duration(policy.cooldown)
        return "suppressed_by_cooldown", f"requested on {max(near)}, cool-down {cooldown}"
    month = [day for day in others if (day.year, day.month) == (night.day.year, night.day.month)]
    if policy.budget is not None and len(month) >= policy.budget:
        return "suppressed_by_budget", f"{len(month)} requested in {night.day:%B}, budget {policy.budget}"
    return "request", ""


def _look(
    name: str, trigger: Trigger, policy: Retrain, history: Sequence[Night], matured: date, prediction: Prediction
) -> Finding:
    """Counts the nights that breach; only those that turned out, where that is what counts."""
    needed, of_last = policy.persistence(trigger)
    if isinstance(trigger, PerformanceTrigger):
        history = [one for one in history if one.day <= matured and _realized(trigger, one, prediction)[0] is not None]
    if not history:
        return Finding(name, 0, needed, 0, None, "no night of this version has turned out yet")
    looked = history[-of_last:]
    newest, told = _breach(trigger, looked[-1], prediction)
    # A night of bad data counts for nothing; if it is tonight, the decision says that it was held back.
    others = sum(bool(_breach(trigger, one, prediction)[0]) for one in looked[:-1] if not _bad(policy, one))
    return Finding(name, others + bool(newest), needed, len(looked), newest, told)


def _breach(trigger: Trigger, night: Night, prediction: Prediction) -> tuple[bool | None, str]:
    """Whether a night breaches, None if that is not known, and what was seen in words."""
    match trigger:
        case DriftTrigger():
            return _drift(trigger, night)
        case EstimateTrigger():
            metric = trigger.metric or prediction.metrics.headline
            return _worse(metric, trigger.worse, night.estimated.get(metric), "estimated")
        case PerformanceTrigger():
            return _realized(trigger, night, prediction)
    raise AssertionError(trigger)


def _realized(trigger: PerformanceTrigger, night: Night, prediction: Prediction) -> tuple[bool | None, str]:
    metric = trigger.metric or prediction.metrics.headline
    return _worse(metric, trigger.worse, night.realized.get(metric), f"of {night.day}")


def _drift(trigger: DriftTrigger, night: Night) -> tuple[bool | None, str]:
    if trigger.share is None:
        told = {None: "not known", True: "the night breaches", False: "the night does not breach"}[night.drifted]
        return night.drifted, told
    if night.weighted is None:
        return None, "not known"
    told = f"{night.weighted:.0%} of the importance drifted, at most {trigger.share:.0%}"
    return night.weighted > trigger.share, told


def _worse(metric: str, by: float | None, held: Held | None, what: str) -> tuple[bool | None, str]:
    if held is None or held.value is None:
        return None, f"{metric} {what} is not known"
    value = f"{metric} {what} is {held.value:.4g}"
    if by is None:
        return held.beyond, f"{value}, {_BEYOND[held.beyond]}"
    if held.reference is None:
        return None, f"{value}, on the holdout it is not known"
    lost = held.reference - held.value if metric in LARGER_IS_BETTER else held.value - held.reference
    return (
        lost > by,
        f"{value}, {abs(lost):.4g} {'worse' if lost > 0 else 'better'} than the holdout, may be {by:g} worse",
    )


_BEYOND = {
    None: "what to expect is not known",
    True: "beyond what the holdout's days let expect",
    False: "as the holdout's days let expect",
}


def _age(policy: Retrain, night: Night) -> Finding:
    assert policy.age is not None
    if night.trained is None:
        return Finding("age", 0, 1, 1, None, "when the version was trained is not known")
    old = night.day - night.trained
    told = f"version {night.version} learned up to {night.trained}, {old.days} days ago, at most {policy.age.days}"
    return Finding("age", int(old > policy.age), 1, 1, old > policy.age, told)


def _kept(finding: Finding, version: int | None) -> Measurement:
    verdict = "unknown" if finding.newest is None else "warn" if finding.newest else "pass"
    return Measurement(
        finding.trigger,
        "breaches",
        float(finding.breaches),
        float(finding.needed),
        finding.looked,
        verdict,
        finding.sentence,
        version,
    )


def _bad(policy: Retrain, night: Night) -> bool:
    return night.quality == "fail" or (night.quality == "warn" and policy.bad_data == "warn")


def _day(night: Night) -> date:
    return night.day
