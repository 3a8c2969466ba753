"""Walks through simulated histories: what a model is worth is known, so what a policy must do is known too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

import pytest

from nightshift.backtest.policies import Policy
from nightshift.backtest.walk import GateVerdict, Walk, Walker
from nightshift.definition.calendar import newest_labelled
from nightshift.definition.model import ModelDefinition
from nightshift.definition.promotion import Promotion, Shadow
from nightshift.definition.retrain import Retrain
from nightshift.monitoring.evidence import NightEvidence, NightMetric

FIRST = date(2024, 1, 1)
NIGHTS = [FIRST + timedelta(days=number) for number in range(60)]
PERFORMANCE = {"drift": None, "performance": {"worse": 0.05}, "nights": 2, "of_last": 2, "cooldown": "3d"}


@dataclass
class SimulatedHistory:
    """A history in which a model's area falls from 0.7 to 0.5 on nights after a break that it has not learned."""

    breaks: date = date.max
    passes: Callable[[date], bool] = lambda as_of: True
    nights_that_suffice: int = 5
    empty: Sequence[date] = ()
    asked: list[tuple[date, date]] = field(default_factory=list)
    compared: list[Sequence[date]] = field(default_factory=list)

    def train(self, as_of: date) -> str:
        return ""

    def score(self, night: date, champion: date) -> bool:
        self.asked.append((night, champion))
        return night not in self.empty

    def judge(self, challenger: date, champion: date) -> GateVerdict:
        return GateVerdict(self.passes(challenger), "judged")

    def evidence(self, night: date, champion: date) -> NightEvidence:
        area = 0.5 if champion <= self.breaks < night else 0.7
        realized = {"roc_auc": NightMetric(area, 0.7)}
        return NightEvidence(night, 1, drifted=False, realized=realized, trained=champion)

    def compare(self, challenger: date, champion: date, nights: Sequence[date]) -> GateVerdict:
        self.compared.append(nights)
        decided = len(nights) >= self.nights_that_suffice
        return GateVerdict(self.passes(challenger) if decided else None, "compared")


def policy(definition: ModelDefinition, *, cron: str | None = None, gated: bool = True, **retrain: object) -> Policy:
    monitoring = definition.monitoring.model_copy(update={"retrain": Retrain(**{**PERFORMANCE, **retrain})})
    return Policy("policy", definition.model_copy(update={"monitoring": monitoring}), cron, gated)


def walk(policy: Policy, history: SimulatedHistory, nights: Sequence[date] = NIGHTS) -> Walk:
    return Walker(policy, history, nights).walk()


def champions(walked: Walk) -> list[tuple[date, date | None]]:
    return [(night.night, night.champion) for night in walked.nights]


def test_without_a_break_nothing_is_trained_again(tiny: ModelDefinition) -> None:
    walked = walk(policy(tiny), SimulatedHistory())
    assert [record.as_of for record in walked.trainings] == [FIRST] and walked.promotions == []
    assert set(champions(walked)) == {(night, FIRST) for night in NIGHTS}


@pytest.mark.parametrize("days", range(1, 41, 3))
def test_a_break_is_seen_once_its_labels_are_final_and_one_training_ends_it(tiny: ModelDefinition, days: int) -> None:
    breaks = FIRST + timedelta(days=days)
    history = SimulatedHistory(breaks)
    walked = walk(policy(tiny), history)
    bad = [night for night in NIGHTS if newest_labelled(tiny, night) > breaks]
    requested = bad[1]  # the first night by whose cutoff two bad nights have final labels
    assert [record.as_of for record in walked.trainings] == [FIRST, requested]
    assert walked.promotions == [(requested, requested)]
    assert champions(walked) == [(night, FIRST if night <= requested else requested) for night in NIGHTS]


def test_a_refused_model_scores_nothing_and_the_cooldown_passes_before_the_next(tiny: ModelDefinition) -> None:
    breaks = FIRST + timedelta(days=10)
    late = breaks + timedelta(days=10)
    walked = walk(policy(tiny), SimulatedHistory(breaks, passes=lambda as_of: as_of > late))
    outcomes = [(record.as_of, record.outcome) for record in walked.trainings[1:]]
    assert [outcome for _, outcome in outcomes[:-1]] == ["refused"] * (len(outcomes) - 1)
    assert outcomes[-1][1] == "promoted" and outcomes[-1][0] > late
    requested = [as_of for as_of, _ in outcomes]
    assert {later - earlier for earlier, later in pairwise(requested)} == {timedelta(days=3)}
    assert {model for _, model in champions(walked)} == {FIRST, requested[-1]}


def test_a_calendar_replaces_the_model_unseen_and_asks_for_no_evidence(
    tiny: ModelDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(SimulatedHistory, "evidence")
    monkeypatch.delattr(SimulatedHistory, "judge")
    walked = walk(policy(tiny, cron="0 0 * * 1", gated=False), SimulatedHistory())
    mondays = [night for night in NIGHTS if night.weekday() == 0]
    assert [as_of for as_of, _ in walked.promotions] == mondays[1:]  # the first night is a Monday
    for night, model in champions(walked):
        assert model == max((monday for monday in mondays if monday < night), default=FIRST)


def test_a_cadence_trains_without_a_request_and_its_model_is_judged(tiny: ModelDefinition) -> None:
    walked = walk(policy(tiny, cron="0 7 1 * *"), SimulatedHistory(passes=lambda as_of: False))
    assert [(record.as_of, record.reason, record.outcome) for record in walked.trainings[1:]] == [
        (date(2024, 2, 1), "due", "refused")
    ]


@pytest.mark.parametrize("passes", [True, False])
def test_a_challenger_is_compared_once_on_the_oldest_nights_that_suffice(tiny: ModelDefinition, passes: bool) -> None:
    shadow = Shadow(nights=4, within=20, metric="roc_auc", margin=0.05)
    shadowed = tiny.model_copy(update={"promotion": Promotion(shadow=shadow)})
    asked_of = iter([True, *[passes] * 100])  # its gate passes, then its nights decide
    history = SimulatedHistory(FIRST + timedelta(days=10), passes=lambda as_of: next(asked_of))
    walked = walk(policy(shadowed, cooldown="90d"), history)
    [_, record] = walked.trainings
    first_nights = [record.as_of + timedelta(days=number) for number in range(1, 6)]
    assert history.compared[-1] == first_nights and [len(nights) for nights in history.compared] == [4, 4, 5]
    decided = next(night for night in NIGHTS if newest_labelled(tiny, night) >= first_nights[-1])
    assert record.promoted == (decided if passes else None)
    assert record.outcome == ("promoted" if passes else "refused")
    during = [night for night in walked.nights if record.as_of < night.night < decided]
    assert {night.action for night in during} <= {"suppressed_by_running", "nothing"}


def test_a_challenger_that_is_never_compared_is_retired_in_time(tiny: ModelDefinition) -> None:
    shadow = Shadow(nights=4, within=12, metric="roc_auc", margin=0.05)
    shadowed = tiny.model_copy(update={"promotion": Promotion(shadow=shadow)})
    walked = walk(policy(shadowed, cooldown="90d"), SimulatedHistory(FIRST, nights_that_suffice=999))
    assert [(record.outcome, record.detail) for record in walked.trainings[1:]] == [("refused", "too late")]


def test_a_night_without_rows_has_no_champion_and_a_due_training_is_made(tiny: ModelDefinition) -> None:
    monday = date(2024, 1, 8)
    walked = walk(policy(tiny, cron="0 0 * * 1", gated=False), SimulatedHistory(empty=[monday]), NIGHTS[:10])
    assert dict(champions(walked))[monday] is None
    assert [as_of for as_of, _ in walked.promotions] == [monday]
