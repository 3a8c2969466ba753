from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.monitoring import Retrain
from nightshift.monitoring.decide import Decision, NightDrift, decide
from unit.tables import day

TWO_OF_THREE = Retrain(nights=2, of_last=3, cooldown=timedelta(days=7))

histories = st.lists(st.tuples(st.booleans(), st.sampled_from([1, 2])), min_size=1, max_size=30)
policies = st.builds(
    lambda nights, more, days: Retrain(nights=nights, of_last=nights + more, cooldown=timedelta(days=days)),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 9),
)


def drift(pattern: str, version: int = 1, first: int = 1) -> list[NightDrift]:
    """Nights in a row, `x` for one that drifted."""
    return [NightDrift(day(first + n), mark == "x", version, 0.4) for n, mark in enumerate(pattern)]


def decided(pattern: str, requests: list[date] | None = None, policy: Retrain = TWO_OF_THREE) -> Decision:
    *earlier, tonight = drift(pattern)
    return decide(policy, tonight, earlier, requests or [])


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
    ],
)
def test_drift_becomes_a_request_when_it_persists_up_to_tonight(pattern: str, action: str) -> None:
    assert decided(pattern).action == action


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("x.", "no drift tonight"),
        ("..x", "drifted on 1 of the last 3 nights, a request needs 2 of 3"),
        (".xx", "drifted on 2 of the last 3 nights, 40% of the features tonight"),
    ],
)
def test_the_reason_says_what_was_counted(pattern: str, reason: str) -> None:
    assert decided(pattern) == Decision(day(len(pattern)), decided(pattern).action, reason)


def test_one_night_is_enough_if_the_policy_says_so() -> None:
    assert decided("..x", policy=Retrain(nights=1, of_last=1, cooldown=timedelta(days=1))).action == "request"


def test_nights_judged_against_another_version_do_not_count() -> None:
    earlier = drift("xx", version=1)
    tonight = NightDrift(day(3), True, 2, 0.4)
    assert decide(TWO_OF_THREE, tonight, earlier, []).action == "nothing"
    assert decide(TWO_OF_THREE, tonight, [*earlier, NightDrift(day(2), True, 2, 0.4)], []).action == "request"


def test_nights_of_another_version_do_not_push_out_those_that_count() -> None:
    earlier = [*drift("x", version=2), *drift("....", version=1, first=2)]
    assert decide(TWO_OF_THREE, NightDrift(day(6), True, 2, 0.4), earlier, []).action == "request"


def test_the_order_of_the_earlier_nights_does_not_matter() -> None:
    *earlier, tonight = drift("x...x.x")
    assert decide(TWO_OF_THREE, tonight, earlier, []) == decide(TWO_OF_THREE, tonight, earlier[::-1], [])


@pytest.mark.parametrize(("asked", "action"), [(1, "request"), (2, "suppressed"), (7, "suppressed")])
def test_a_second_request_has_to_wait_for_the_cool_down(asked: int, action: str) -> None:
    assert decided("......xx", [day(asked)]).action == action


def test_a_suppressed_request_says_since_when_and_how_long() -> None:
    assert (
        decided("xxxx", [day(2)]).reason
        == "drifted on 3 of the last 3 nights, but requested on 2024-01-02, cool-down 7d"
    )


def test_the_newest_request_counts() -> None:
    *earlier, tonight = drift("x" * 20)
    assert decide(TWO_OF_THREE, tonight, earlier, [day(16), day(2)]).action == "suppressed"
    assert decide(TWO_OF_THREE, tonight, earlier, [day(13), day(2)]).action == "request"


def live(policy: Retrain, history: list[NightDrift]) -> list[Decision]:
    """Decides night by night, as the loop does."""
    decisions: list[Decision] = []
    for number, night in enumerate(history):
        asked = [one.night for one in decisions if one.action == "request"]
        decisions.append(decide(policy, night, history[:number], asked))
    return decisions


def nights(history: list[tuple[bool, int]]) -> list[NightDrift]:
    return [
        NightDrift(date(2024, 1, 1) + timedelta(days=n), drifted, version, 0.4)
        for n, (drifted, version) in enumerate(history)
    ]


@given(policies, histories)
def test_deciding_a_night_again_when_later_ones_are_known_decides_the_same(
    policy: Retrain, history: list[tuple[bool, int]]
) -> None:
    known = nights(history)
    decisions = live(policy, known)
    asked = [one.night for one in decisions if one.action == "request"]
    assert [decide(policy, night, known, asked) for night in known] == decisions


@given(policies, histories)
def test_requests_are_at_least_a_cool_down_apart_and_only_made_on_nights_that_drifted(
    policy: Retrain, history: list[tuple[bool, int]]
) -> None:
    known = nights(history)
    asked = [one.night for one in live(policy, known) if one.action == "request"]
    assert all(later - earlier >= policy.cooldown for earlier, later in itertools.pairwise(asked))
    assert set(asked) <= {night.night for night in known if night.drifted}


@given(policies, histories)
def test_a_night_that_is_suppressed_or_requests_saw_enough_drift_of_its_own_version(
    policy: Retrain, history: list[tuple[bool, int]]
) -> None:
    known = nights(history)
    for number, decision in enumerate(live(policy, known)):
        same = [one for one in known[: number + 1] if one.version == known[number].version]
        enough = known[number].drifted and sum(one.drifted for one in same[-policy.of_last :]) >= policy.nights
        assert (decision.action != "nothing") == enough
