"""A policy's walk through the nights of a history: which model scores each, and what each night requests.

It takes the loop's order and says nothing that the loop would not know: a night is scored by the champion of then, its
decision rests on labels that were final at its cutoff, and a model that a night trains scores from the next night on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Protocol

from nightshift.backtest.policies import Policy
from nightshift.definition.calendar import newest_labelled
from nightshift.monitoring.decide import Decision, decide
from nightshift.monitoring.evidence import NightEvidence

TrainingOutcome = Literal["promoted", "refused", "in shadow", "failed"]


@dataclass(frozen=True)
class GateVerdict:
    """What a comparison of two models says.

    Attributes:
        passed: Whether the challenger passes; None if the rows do not suffice to say.
        summary: Why, in words.
    """

    passed: bool | None
    summary: str


class History(Protocol):
    """What a walk asks of a history. Models are named by the date as of which they were trained."""

    def train(self, as_of: date) -> str:
        """Trains a model; why that is not possible, in words, or an empty text."""

    def judge(self, challenger: date, champion: date) -> GateVerdict:
        """The gate's verdict of a trained model against a champion, as of the date of its training."""

    def score(self, night: date, champion: date) -> bool:
        """Scores a night; whether it has rows."""

    def evidence(self, night: date, champion: date) -> NightEvidence:
        """What is measured of a night that a model has scored."""

    def compare(self, challenger: date, champion: date, nights: Sequence[date]) -> GateVerdict:
        """The verdict of a challenger's nights in shadow, of those that have labels."""


@dataclass(frozen=True)
class TrainingRecord:
    """A training of a walk.

    Attributes:
        as_of: The date it is as of.
        reason: Why it was made.
        outcome: What became of the model; `in shadow` while that is open.
        detail: Why, in words.
        promoted: The night after which it became the champion; None if it did not.
    """

    as_of: date
    reason: str
    outcome: TrainingOutcome
    detail: str = ""
    promoted: date | None = None


@dataclass(frozen=True)
class WalkedNight:
    """A night of a walk.

    Attributes:
        night: The score date.
        champion: The date as of which its model was trained; None if the night has no rows.
        action: What was decided about a training; empty where nothing decides.
        reason: Why.
    """

    night: date
    champion: date | None
    action: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Walk:
    """All nights of a policy, and its trainings."""

    nights: tuple[WalkedNight, ...]
    trainings: tuple[TrainingRecord, ...]

    @property
    def promotions(self) -> list[tuple[date, date]]:
        """Of each change of the champion after the first: the date of its training, and the night after it."""
        return [(record.as_of, record.promoted) for record in self.trainings[1:] if record.promoted]


class Walker:
    """Walks through the nights under one policy.

    Args:
        policy: The policy.
        history: What it asks.
        nights: The nights, ascending; the first model is trained as of the first of them.
    """

    def __init__(self, policy: Policy, history: History, nights: Sequence[date]) -> None:
        self.policy, self.history, self.nights = policy, history, nights
        self.champion = nights[0]
        self.challenger: tuple[date, date] | None = None  # its training, and the night after which it scores
        self.requests: list[date] = []
        self.scored: dict[date, date] = {}  # the champion of each night with rows
        self.trainings: dict[date, TrainingRecord] = {}

    def walk(self, advance: Callable[[], object] = lambda: None) -> Walk:
        """Walks through all nights.

        Args:
            advance: Called after each night.
        """
        first = self.nights[0]
        if problem := self.history.train(first):
            raise ValueError(problem)  # whoever starts a walk has trained its first model
        self.trainings[first] = TrainingRecord(first, "the first model", "promoted", promoted=first)
        due = set(self.policy.due_dates(first, self.nights[-1])) - {first}
        walked = []
        for night in self.nights:
            walked.append(self._walk_night(night, is_due=night in due))
            advance()
        return Walk(tuple(walked), tuple(self.trainings.values()))

    def _walk_night(self, night: date, *, is_due: bool) -> WalkedNight:
        champion = self.champion
        has_rows = self.history.score(night, champion)
        action = reason = ""
        if has_rows:
            self.scored[night] = champion
        if has_rows and self.policy.is_gated:
            self._judge_shadow(night)
            decision = self._decide(night, champion)
            action, reason = decision.action, decision.reason
        if action == "request":
            self.requests.append(night)
            self._train(night, reason)
        elif is_due:
            self._train(night, "due")
        return WalkedNight(night, champion if has_rows else None, action, reason)

    def _decide(self, night: date, champion: date) -> Decision:
        """The decision about a night, on the nights before that the same model scored."""
        definition, number = self.policy.definition, self._number(champion)
        days = [day for day, scorer in self.scored.items() if scorer == champion]
        nights = [replace(self.history.evidence(day, champion), version=number) for day in days]
        return decide(
            definition.monitoring.retrain,
            nights[-1],
            nights[:-1],
            self.requests,
            newest_labelled(definition, night),
            prediction=definition.prediction,
            running=f"the model of {self.challenger[0]} is in shadow" if self.challenger else "",
            replaced_by=None if self.champion == champion else self._number(self.champion),
        )

    def _number(self, model: date) -> int:
        """The number of a model among the trainings, from 1."""
        return list(self.trainings).index(model) + 1

    def _train(self, as_of: date, reason: str) -> None:
        if problem := self.history.train(as_of):
            self._record(as_of, reason, "failed", problem)
            return
        if not self.policy.is_gated:
            self._record(as_of, reason, "promoted", promoted=as_of)
            self.champion = as_of
            return
        judgement = self.history.judge(as_of, self.champion)
        if not judgement.passed:
            self._record(as_of, reason, "refused", judgement.summary)
        elif self.policy.definition.promotion.shadow:
            self._retire(f"the model of {as_of} takes its place")
            self._record(as_of, reason, "in shadow", judgement.summary)
            self.challenger = as_of, as_of
        else:
            self._record(as_of, reason, "promoted", judgement.summary, promoted=as_of)
            self.champion = as_of

    def _judge_shadow(self, night: date) -> None:
        """Promotes or retires the challenger as soon as enough of its nights have labels, once."""
        shadow = self.policy.definition.promotion.shadow
        if shadow is None or self.challenger is None:
            return
        challenger, since = self.challenger
        matured = newest_labelled(self.policy.definition, night)
        nights = [day for day, scorer in self.scored.items() if since < day <= matured and scorer == self.champion]
        for count in range(shadow.nights, len(nights) + 1):
            judgement = self.history.compare(challenger, self.champion, nights[:count])
            if judgement.passed is None:
                continue  # further nights are waited for
            record = self.trainings[challenger]
            if judgement.passed:
                self._record(challenger, record.reason, "promoted", judgement.summary, promoted=night)
                self.champion = challenger
                self.challenger = None
            else:
                self._retire(judgement.summary)
            return
        if sum(day > since for day in self.scored) >= shadow.within:
            self._retire("too late")

    def _retire(self, reason: str) -> None:
        """The challenger is refused."""
        if self.challenger is not None:
            record = self.trainings[self.challenger[0]]
            self._record(record.as_of, record.reason, "refused", reason)
            self.challenger = None

    def _record(
        self, as_of: date, reason: str, outcome: TrainingOutcome, detail: str = "", promoted: date | None = None
    ) -> None:
        self.trainings[as_of] = TrainingRecord(as_of, reason, outcome, detail, promoted)
