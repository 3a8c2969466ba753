"""The retrain policy: what persists becomes a request, unless it is suppressed. Pure functions over nights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from nightshift.definition.duration import format_duration
from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.definition.prediction import PROBABILITY, Prediction
from nightshift.definition.retrain import DriftTrigger, EstimateTrigger, PerformanceTrigger, Retrain, Trigger
from nightshift.monitoring.evidence import NightEvidence, NightMetric
from nightshift.types import Measurement

RetrainAction = Literal[
    "nothing",
    "request",
    "missed",
    "suppressed_by_quality",
    "suppressed_by_running",
    "suppressed_by_cooldown",
    "suppressed_by_budget",
]


@dataclass(frozen=True)
class TriggerResult:
    """The evaluation of one trigger.

    Attributes:
        trigger: Its name.
        breaches: How many of the evaluated nights breach.
        needed: How many must breach, among them the newest.
        nights: How many nights were evaluated.
        newest: Whether the newest of them breaches; None if that is unknown.
        detail: The newest night's value, as a sentence.
    """

    trigger: str
    breaches: int
    needed: int
    nights: int
    newest: bool | None
    detail: str

    @property
    def fired(self) -> bool:
        return bool(self.newest) and self.breaches >= self.needed

    @property
    def sentence(self) -> str:
        """The result for people."""
        if self.trigger == "age" or self.newest is None:
            return f"{self.trigger}: {self.detail}"
        count = f"{self.breaches} of the last {self.nights} nights, needed {self.needed}"
        return f"{self.trigger}: {self.detail}; {count}"

    def measurement(self, version: int | None) -> Measurement:
        """The result as it is stored with the decision."""
        verdict = "unknown" if self.newest is None else "warn" if self.newest else "pass"
        breaches, needed = float(self.breaches), float(self.needed)
        return Measurement(
            self.trigger, "breaches", breaches, needed, self.nights, verdict, self.sentence, version
        )  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """The decision about a night, with its reasons.

    Attributes:
        night: The score date.
        action: The action.
        reason: Why, as a sentence.
        triggers: The result of every trigger.
        version: The version that scored the night.
    """

    night: date
    action: RetrainAction
    reason: str
    triggers: tuple[TriggerResult, ...] = ()
    version: int | None = None

    def measurements(self) -> list[Measurement]:
        """The decision and its evidence, as they are stored."""
        decision = Measurement(
            "night", "retrain", verdict=self.action, detail=self.reason, model_version=self.version
        )  # fmt: skip
        return [decision, *(result.measurement(self.version) for result in self.triggers)]


def decide(
    policy: Retrain,
    night: NightEvidence,
    earlier: Sequence[NightEvidence],
    requests: Sequence[date],
    matured: date,
    *,
    prediction: Prediction = PROBABILITY,
    running: str = "",
    replaced_by: int | None = None,
) -> Decision:
    """Decides whether a night requests a training.

    Args:
        policy: The declared policy.
        night: The night decided about. An unknown value breaches nothing.
        earlier: Further nights, in any order. Those before it that the same version scored count: a new version has a
            new baseline.
        requests: Nights for which a training was requested. Later ones count too: an old night that is decided late
            does not repeat a request that was made since.
        matured: The newest score date whose labels are final at the night's cutoff.
        prediction: What the versions predict.
        running: The training or challenger that is under way, as a sentence; empty if there is none.
        replaced_by: The champion, if it is no longer the version that scored the night.
    """
    history = sorted(
        (past for past in earlier if past.version == night.version and past.day < night.day), key=_score_date
    )
    results = tuple(
        _evaluate(name, trigger, policy, [*history, night], matured, prediction)
        for name, trigger in policy.triggers.items()
    )
    if policy.age is not None:
        results += (_evaluate_age(policy, night),)
    fired = [result for result in results if result.fired]
    requests = [day for day in requests if day != night.day]
    action, suppression = _act(policy, night, requests, running, replaced_by) if fired else ("nothing", "")
    evidence = "; ".join(result.sentence for result in fired or results)
    reason = f"{evidence}; {suppression}" if suppression else evidence
    return Decision(night.day, action, reason, results, night.version)


def as_missed(decision: Decision, since: date) -> Decision:
    """The decision for a night that was not monitored in time: it is stored as evidence, and requests nothing."""
    in_time = f"in time it would have been: {decision.action}; " if decision.action != "nothing" else ""
    return replace(decision, action="missed", reason=f"decided late, with {since}; {in_time}{decision.reason}")


def replay(
    policy: Retrain,
    nights: Sequence[NightEvidence],
    matured: Callable[[date], date],
    *,
    prediction: Prediction = PROBABILITY,
) -> list[Decision]:
    """Decides past nights again, one after the other, as if a policy had been in force.

    The effect of a training that it requests is unknown: nights keep the versions that scored them.

    Args:
        policy: The policy.
        nights: The nights, in any order.
        matured: The newest score date whose labels are final at a night's cutoff.
        prediction: What the versions predict.
    """
    ordered = sorted(nights, key=_score_date)
    decisions: list[Decision] = []
    requests: list[date] = []
    for position, night in enumerate(ordered):
        decision = decide(policy, night, ordered[:position], requests, matured(night.day), prediction=prediction)
        decisions.append(decision)
        requests += [night.day] if decision.action == "request" else []
    return decisions


def _act(
    policy: Retrain, night: NightEvidence, requests: Sequence[date], running: str, replaced_by: int | None
) -> tuple[RetrainAction, str]:
    """The action if a trigger has fired, and what suppresses the request."""
    if replaced_by is not None:
        return "nothing", f"version {replaced_by} is the champion by now"
    if _has_bad_data(policy, night):
        return "suppressed_by_quality", f"the verdict of the night's audits is {night.quality}: bad data is not drift"
    if running:
        return "suppressed_by_running", running
    near = [day for day in requests if abs(day - night.day) < policy.cooldown]
    if near:
        cooldown = format_duration(policy.cooldown)
        return "suppressed_by_cooldown", f"requested on {max(near)}, cool-down {cooldown}"
    month = [day for day in requests if (day.year, day.month) == (night.day.year, night.day.month)]
    if policy.budget is not None and len(month) >= policy.budget:
        return "suppressed_by_budget", f"{len(month)} requested in {night.day:%B}, budget {policy.budget}"
    return "request", ""


def _evaluate(
    name: str,
    trigger: Trigger,
    policy: Retrain,
    nights: Sequence[NightEvidence],
    matured: date,
    prediction: Prediction,
) -> TriggerResult:
    """Counts the nights that breach; a trigger on realized performance counts only nights with final labels."""
    needed, of_last = policy.persistence(trigger)
    if isinstance(trigger, PerformanceTrigger):
        nights = [
            night for night in nights if night.day <= matured and _realized(trigger, night, prediction)[0] is not None
        ]
    if not nights:
        return TriggerResult(name, 0, needed, 0, None, "no night of this version has final labels yet")
    *before, last = nights[-of_last:]
    newest, detail = _breach(trigger, last, prediction)
    # An earlier night of bad data does not count; if tonight's data is bad, the request is suppressed.
    breaches = sum(bool(_breach(trigger, night, prediction)[0]) for night in before if not _has_bad_data(policy, night))
    return TriggerResult(name, breaches + bool(newest), needed, len(before) + 1, newest, detail)


def _breach(trigger: Trigger, night: NightEvidence, prediction: Prediction) -> tuple[bool | None, str]:
    """Whether a night breaches, None if that is unknown, and its value as a sentence."""
    match trigger:
        case DriftTrigger():
            return _drift(trigger, night)
        case EstimateTrigger():
            metric = trigger.metric or prediction.metrics.headline
            return _compare(metric, trigger.worse, night.estimated.get(metric), "estimated")
        case PerformanceTrigger():
            return _realized(trigger, night, prediction)
    raise AssertionError(trigger)


def _realized(trigger: PerformanceTrigger, night: NightEvidence, prediction: Prediction) -> tuple[bool | None, str]:
    metric = trigger.metric or prediction.metrics.headline
    return _compare(metric, trigger.worse, night.realized.get(metric), f"of {night.day}")


def _drift(trigger: DriftTrigger, night: NightEvidence) -> tuple[bool | None, str]:
    if trigger.share is None:
        details = {None: "unknown", True: "the night breaches", False: "the night does not breach"}
        return night.drifted, details[night.drifted]
    if night.weighted is None:
        return None, "unknown"
    detail = f"{night.weighted:.0%} of the importance drifted, at most {trigger.share:.0%}"
    return night.weighted > trigger.share, detail


def _compare(metric: str, tolerance: float | None, measured: NightMetric | None, scope: str) -> tuple[bool | None, str]:
    """Whether a metric is worse than on the holdout by more than a tolerance, or than the range of its days."""
    if measured is None or measured.value is None:
        return None, f"{metric} {scope} is unknown"
    value = f"{metric} {scope} is {measured.value:.4g}"
    if tolerance is None:
        return measured.beyond, f"{value}, {_RANGE[measured.beyond]}"
    if measured.reference is None:
        return None, f"{value}, on the holdout it is unknown"
    loss = measured.value - measured.reference
    if metric in LARGER_IS_BETTER:
        loss = measured.reference - measured.value
    comparison = f"{abs(loss):.4g} {'worse' if loss > 0 else 'better'} than the holdout"
    return loss > tolerance, f"{value}, {comparison}, tolerance {tolerance:g}"


_RANGE = {
    None: "the range of the holdout's nights is unknown",
    True: "worse than the range of the holdout's nights",
    False: "within the range of the holdout's nights",
}


def _evaluate_age(policy: Retrain, night: NightEvidence) -> TriggerResult:
    assert policy.age is not None
    if night.trained is None:
        return TriggerResult("age", 0, 1, 1, None, "the date of the version's training is unknown")
    age = night.day - night.trained
    trained = f"version {night.version} was trained as of {night.trained}"
    detail = f"{trained}, {age.days} days ago, at most {policy.age.days}"
    return TriggerResult("age", int(age > policy.age), 1, 1, age > policy.age, detail)


def _has_bad_data(policy: Retrain, night: NightEvidence) -> bool:
    return night.quality == "fail" or (night.quality == "warn" and policy.bad_data == "warn")


def _score_date(night: NightEvidence) -> date:
    return night.day
