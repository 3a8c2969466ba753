from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.prediction import NUMBER
from nightshift.definition.retrain import DriftTrigger, EstimateTrigger, PerformanceTrigger, Retrain
from nightshift.monitoring.decide import Decision, as_missed, decide, replay
from nightshift.monitoring.evidence import NightEvidence, NightMetric, gather_evidence, requested_nights
from unit.tables import day

FIRST = date(2024, 1, 1)
TWO_OF_THREE = Retrain(nights=2, of_last=3, cooldown=timedelta(days=7))

patterns = st.lists(st.tuples(st.sampled_from("x.?"), st.sampled_from([1, 2])), min_size=1, max_size=40)
policies = st.builds(
    lambda nights, more, days, budget: Retrain(
        nights=nights, of_last=nights + more, cooldown=timedelta(days=days), budget=budget
    ),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 3)),
)


def at(number: int) -> date:
    """The n-th day from the first of January on."""
    return FIRST + timedelta(days=number - 1)


def nights(pattern: str, version: int | None = 1, first: int = 1, **metrics: Any) -> list[NightEvidence]:
    """Nights in a row, `x` for one that drifted, `?` for one whose drift is unknown."""
    drifted = {"x": True, ".": False, "?": None}
    return [NightEvidence(at(first + n), version, drifted[mark], **metrics) for n, mark in enumerate(pattern)]


def decided(
    pattern: str, requests: list[date] | None = None, policy: Retrain = TWO_OF_THREE, **options: Any
) -> Decision:
    *earlier, tonight = nights(pattern)
    return decide(policy, tonight, earlier, requests or [], tonight.day, **options)


@pytest.mark.parametrize(
    ("pattern", "action"),
    [
        (".", "nothing"),
        ("x", "nothing"),
        ("xx", "request"),
        ("x.x", "request"),
        ("x..x", "nothing"),
        ("xx.", "nothing"),
        ("xxx", "request"),
        ("..xx", "request"),
        ("x?x", "request"),
        ("xx?", "nothing"),
        ("?", "nothing"),
    ],
)
def test_drift_becomes_a_request_when_it_persists_up_to_tonight(pattern: str, action: str) -> None:
    assert decided(pattern).action == action


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("x.", "drift: the night does not breach; 1 of the last 2 nights, needed 2"),
        ("..x", "drift: the night breaches; 1 of the last 3 nights, needed 2"),
        (".xx", "drift: the night breaches; 2 of the last 3 nights, needed 2"),
        ("xx?", "drift: unknown"),
    ],
)
def test_the_reason_states_the_counts(pattern: str, reason: str) -> None:
    assert decided(pattern).reason == reason


def test_one_night_is_enough_if_the_policy_says_so() -> None:
    assert decided("..x", policy=Retrain(nights=1, of_last=1, cooldown=timedelta(days=1))).action == "request"


def test_nights_judged_against_another_version_do_not_count() -> None:
    earlier = nights("xx", version=1)
    [tonight] = nights("x", version=2, first=3)
    assert decide(TWO_OF_THREE, tonight, earlier, [], at(3)).action == "nothing"
    again = [*earlier, *nights("x", version=2, first=2)]
    assert decide(TWO_OF_THREE, tonight, again, [], at(3)).action == "request"


def test_nights_of_another_version_do_not_push_out_those_that_count() -> None:
    earlier = [*nights("x", version=2), *nights("....", version=1, first=2)]
    assert decide(TWO_OF_THREE, nights("x", 2, 6)[0], earlier, [], at(6)).action == "request"


def test_nights_after_it_do_not_count() -> None:
    assert decide(TWO_OF_THREE, nights("x")[0], nights("xx", first=2), [], at(1)).action == "nothing"


def test_the_order_of_the_earlier_nights_does_not_matter() -> None:
    *earlier, tonight = nights("x...x.x")
    first, second = (decide(TWO_OF_THREE, tonight, given, [], at(7)) for given in (earlier, earlier[::-1]))
    assert first == second


# ---- what holds a request back


@pytest.mark.parametrize(
    ("requested", "action"),
    [(1, "request"), (2, "suppressed_by_cooldown"), (7, "suppressed_by_cooldown"), (14, "suppressed_by_cooldown")],
)
def test_a_second_request_waits_for_the_cool_down_even_if_the_first_was_for_a_later_night(
    requested: int, action: str
) -> None:
    assert decided("......xx", [day(requested)]).action == action


def test_a_suppressed_request_says_since_when_and_how_long() -> None:
    assert decided("xxxx", [day(2)]).reason == (
        "drift: the night breaches; 3 of the last 3 nights, needed 2; requested on 2024-01-02, cool-down 7d"
    )


def test_a_request_of_the_night_itself_does_not_hold_it_back() -> None:
    assert decided("xx", [day(2)]).action == "request"


def test_a_month_has_a_budget() -> None:
    policy = Retrain(nights=1, of_last=1, cooldown=timedelta(days=2), budget=2)
    requests = [day(3), day(10)]
    assert decided("." * 19 + "x", requests, policy).action == "suppressed_by_budget"
    assert decided("." * 19 + "x", requests, policy).reason.endswith("2 requested in January, budget 2")
    assert decided("." * 19 + "x", requests[:1], policy).action == "request"
    assert decided("." * 33 + "x", requests, policy).action == "request"  # on the third of February


def test_while_a_training_runs_nothing_is_requested() -> None:
    assert decided("xx", running="a training is running").action == "suppressed_by_running"
    assert decided("..", running="a training is running").action == "nothing"


def test_a_night_of_a_replaced_version_requests_nothing() -> None:
    decision = decided("xx", replaced_by=2)
    assert (decision.action, decision.reason.split("; ")[-1]) == ("nothing", "version 2 is the champion by now")


@pytest.mark.parametrize(("quality", "suppressed"), [("pass", False), ("warn", True), ("fail", True)])
def test_bad_data_is_not_drift(quality: str, suppressed: bool) -> None:
    *earlier, tonight = nights("xx")
    decision = decide(TWO_OF_THREE, replace(tonight, quality=quality), earlier, [], tonight.day)
    assert decision.action == ("suppressed_by_quality" if suppressed else "request")
    lenient = TWO_OF_THREE.model_copy(update={"bad_data": "fail"})
    decision = decide(lenient, replace(tonight, quality=quality), earlier, [], tonight.day)
    assert decision.action == ("suppressed_by_quality" if quality == "fail" else "request")


def test_an_earlier_night_of_bad_data_does_not_count() -> None:
    [bad], [tonight] = nights("x", quality="warn"), nights("x", first=2)
    assert decide(TWO_OF_THREE, tonight, [bad], [], tonight.day).action == "nothing"


# ---- triggers


@pytest.mark.parametrize(("weighted", "action"), [(0.31, "request"), (0.3, "nothing"), (None, "nothing")])
def test_drift_is_weighted_by_importance_if_the_policy_says_so(weighted: float | None, action: str) -> None:
    policy = Retrain(drift=DriftTrigger(share=0.3, nights=1, of_last=1), cooldown=timedelta(days=7))
    night = NightEvidence(day(1), 1, True, weighted)
    decision = decide(policy, night, [], [], day(1))
    assert decision.action == action
    if action == "request":
        assert decision.reason.startswith("drift: 31% of the importance drifted, at most 30%")


def estimated(*values: float, beyond: bool | None = None, reference: float | None = 0.7) -> list[NightEvidence]:
    return [
        NightEvidence(at(n), 1, estimated={"roc_auc": NightMetric(value, reference, beyond)})
        for n, value in enumerate(values, 1)
    ]


def realized(*values: float | None) -> list[NightEvidence]:
    """Nights in a row of which only some have turned out."""
    metrics = [{} if value is None else {"roc_auc": NightMetric(value, 0.7)} for value in values]
    return [NightEvidence(at(n), 1, False, realized=metric) for n, metric in enumerate(metrics, 1)]


@pytest.mark.parametrize(
    ("values", "action"), [((0.64, 0.64), "request"), ((0.64, 0.66), "nothing"), ((0.66, 0.64), "nothing")]
)
def test_an_estimate_far_below_the_holdout_requests_a_training(values: tuple[float, ...], action: str) -> None:
    policy = Retrain(drift=None, estimated_performance=EstimateTrigger(worse=0.05), cooldown=timedelta(days=7))
    *earlier, tonight = estimated(*values)
    assert decide(policy, tonight, earlier, [], tonight.day).action == action


def test_without_a_tolerance_the_range_of_the_holdout_decides() -> None:
    policy = Retrain(drift=None, estimated_performance=EstimateTrigger(), cooldown=timedelta(days=7))
    for beyond, action in ((True, "request"), (False, "nothing"), (None, "nothing")):
        *earlier, tonight = estimated(0.6, 0.6, beyond=beyond)
        assert decide(policy, tonight, earlier, [], tonight.day).action == action


def test_a_larger_error_is_worse() -> None:
    policy = Retrain(
        drift=None, estimated_performance=EstimateTrigger(worse=1, nights=1, of_last=1), cooldown=timedelta(days=7)
    )
    for value, action in ((12.5, "request"), (10.5, "nothing"), (7.0, "nothing")):
        night = NightEvidence(day(1), 1, estimated={"mae": NightMetric(value, 11.0)})
        assert decide(policy, night, [], [], day(1), prediction=NUMBER).action == action


def test_performance_is_that_of_nights_with_final_labels_at_the_cutoff() -> None:
    policy = Retrain(drift=None, performance=PerformanceTrigger(worse=0.05), cooldown=timedelta(days=7))
    *earlier, tonight = realized(0.7, 0.6, 0.6, 0.7, None)
    assert decide(policy, tonight, earlier, [], day(3)).action == "request"
    assert decide(policy, tonight, earlier, [], day(4)).action == "nothing"  # the newest that turned out is well
    assert decide(policy, tonight, earlier, [], day(2)).action == "nothing"
    [result] = decide(policy, tonight, earlier, [], day(3)).triggers
    assert result.detail == "roc_auc of 2024-01-03 is 0.6, 0.1 worse than the holdout, tolerance 0.05"


def test_a_night_without_labels_is_not_counted() -> None:
    policy = Retrain(drift=None, performance=PerformanceTrigger(worse=0.05), of_last=2, cooldown=timedelta(days=7))
    *earlier, tonight = realized(0.6, None, 0.6, None)
    assert decide(policy, tonight, earlier, [], day(4)).action == "request"


def test_no_night_has_final_labels_yet() -> None:
    policy = Retrain(drift=None, performance=PerformanceTrigger(), cooldown=timedelta(days=7))
    decision = decide(policy, NightEvidence(day(1), 1), [], [], day(1))
    assert (decision.action, decision.triggers[0].newest) == ("nothing", None)


@pytest.mark.parametrize(
    ("trained", "action"), [(day(1), "nothing"), (date(2023, 12, 31), "request"), (None, "nothing")]
)
def test_an_old_version_requests_a_training_without_persistence(trained: date | None, action: str) -> None:
    policy = Retrain(drift=None, age=timedelta(days=30), cooldown=timedelta(days=7))
    night = NightEvidence(day(31), 4, trained=trained)
    decision = decide(policy, night, [], [], day(29))
    assert decision.action == action
    if action == "request":
        assert decision.reason == "age: version 4 was trained as of 2023-12-31, 31 days ago, at most 30"


def test_a_single_trigger_is_enough_and_the_reason_names_the_triggers_that_fired() -> None:
    policy = Retrain(age=timedelta(days=30), estimated_performance=EstimateTrigger(), cooldown=timedelta(days=7))
    night = NightEvidence(day(31), 4, False, trained=date(2023, 12, 1))
    decision = decide(policy, night, [], [], day(29))
    assert decision.action == "request"
    assert decision.reason.startswith("age: ") and "drift" not in decision.reason
    assert [result.trigger for result in decision.triggers] == ["drift", "estimated_performance", "age"]


def test_a_trigger_may_declare_its_persistence() -> None:
    policy = TWO_OF_THREE.model_copy(update={"drift": DriftTrigger(nights=3, of_last=4)})
    assert decided("xx", policy=policy).action == "nothing"
    assert decided("x.xx", policy=policy).action == "request"


# ---- rows


def test_every_decision_is_stored_with_its_evidence() -> None:
    measurements = decided("x.").measurements()
    assert [(m.subject, m.statistic, m.value, m.threshold, m.sample_size, m.verdict) for m in measurements] == [
        ("night", "retrain", None, None, None, "nothing"),
        ("drift", "breaches", 1.0, 2.0, 2, "pass"),
    ]
    assert {m.model_version for m in measurements} == {1}
    assert decided("?").measurements()[1].verdict == "unknown"


def test_a_missed_night_requests_nothing_and_states_the_action_it_would_have_been() -> None:
    decision = as_missed(decided("xx"), day(3))
    assert decision.action == "missed"
    assert decision.reason == (
        "decided late, with 2024-01-03; in time it would have been: request; "
        "drift: the night breaches; 2 of the last 2 nights, needed 2"
    )


def row(monitor: str, statistic: str, **given: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "score_date": day(1), "subject": "night", "value": None, "threshold": None, "verdict": "pass",
        "model_version": 1,
    }  # fmt: skip
    return {"monitor": monitor, "statistic": statistic} | usual | given


def test_nights_are_gathered_from_rows() -> None:
    rows = [
        row("drift", "input_drift", verdict="warn"),
        row("drift", "joint_drift"),
        row("drift", "weighted_drift", value=0.4),
        row("drift", "psi", subject="busy", value=2.0, verdict="warn"),
        row("estimate", "roc_auc", value=0.66, threshold=0.65),
        row("estimate", "roc_auc", value=0.7, subject="reference"),
        row("outcome", "roc_auc", value=0.6, threshold=0.62, verdict="warn"),
        row("outcome", "roc_auc", value=0.7, subject="reference"),
        row("outcome", "brier", verdict="unknown"),
        row("quality.raw", "not_null", subject="raw.plan: load", model_version=None),
        row("quality.scores", "mix", subject="scores.tiny: score", verdict="warn", model_version=None),
        row("gate", "verdict", score_date=day(2), subject="gate", verdict="passed", model_version=None),
        row("decision", "retrain", score_date=day(3), verdict="request"),
    ]
    assert gather_evidence(rows, {1: date(2023, 12, 1)}) == [
        NightEvidence(
            day(1),
            1,
            True,
            0.4,
            {"roc_auc": NightMetric(0.66, 0.7, False)},
            {"roc_auc": NightMetric(0.6, 0.7, True), "brier": NightMetric(None)},
            "warn",
            date(2023, 12, 1),
        )
    ]
    assert requested_nights(rows) == [day(3)]


def test_measurements_of_the_scores_of_another_version_do_not_count() -> None:
    rows = [row("drift", "input_drift", verdict="warn"), row("estimate", "roc_auc", value=0.6, model_version=2)]
    assert gather_evidence(rows, {}) == [NightEvidence(day(1), 2, None, None, {"roc_auc": NightMetric(0.6)})]


def test_unknown_drift_is_not_taken_for_no_drift() -> None:
    [night] = gather_evidence([row("drift", "input_drift", verdict="unknown", model_version=None)], {})
    assert (night.drifted, night.version) == (None, None)


# ---- a history


def live(policy: Retrain, history: list[NightEvidence]) -> list[Decision]:
    """Decides night by night, as the loop does."""
    decisions: list[Decision] = []
    for number, night in enumerate(history):
        requests = [decision.night for decision in decisions if decision.action == "request"]
        decisions.append(decide(policy, night, history[:number], requests, night.day))
    return decisions


def history_of(pattern: list[tuple[str, int]]) -> list[NightEvidence]:
    return [nights(mark, version, first=n)[0] for n, (mark, version) in enumerate(pattern, 1)]


@given(policies, patterns)
def test_requests_respect_the_cool_down_and_the_budget_and_need_drift(
    policy: Retrain, pattern: list[tuple[str, int]]
) -> None:
    history = history_of(pattern)
    requests = [decision.night for decision in live(policy, history) if decision.action == "request"]
    assert all(later - earlier >= policy.cooldown for earlier, later in pairwise(requests))
    assert {night.day for night in history if night.drifted} >= set(requests)
    months = [(day.year, day.month) for day in requests]
    assert all(months.count(month) <= (policy.budget or 31) for month in months)


@given(policies, patterns)
def test_replaying_a_history_is_deciding_it_night_by_night(policy: Retrain, pattern: list[tuple[str, int]]) -> None:
    history = history_of(pattern)
    assert replay(policy, history[::-1], lambda night: night) == live(policy, history)


@given(policies, patterns, st.data())
def test_a_night_decided_again_later_has_the_same_action_or_is_suppressed(
    policy: Retrain, pattern: list[tuple[str, int]], data: st.DataObject
) -> None:
    """With any later requests: never two requests for one breach."""
    history = history_of(pattern)
    decisions = live(policy, history)
    requests = [decision.night for decision in decisions if decision.action == "request"]
    place = data.draw(st.integers(0, len(history) - 1))
    again = decide(policy, history[place], history, requests, history[place].day)
    if again.action == "request":
        assert history[place].day in requests or not any(
            abs(day - history[place].day) < policy.cooldown for day in requests
        )
    else:
        assert decisions[place].action != "request" or policy.budget is not None
