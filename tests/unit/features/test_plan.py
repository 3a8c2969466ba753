from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nightshift.definition.model import Availability, ModelDefinition
from nightshift.features.plan import FeaturePlan, Visible, plan_features

FIRST = date(2013, 3, 8)  # the clocks of New York change two days later

some_delays = st.integers(-48, 72).map(lambda hours: timedelta(hours=hours))


def delayed(definition: ModelDefinition, source: str, after: timedelta) -> ModelDefinition:
    """The definition with a source that comes at another time."""
    changed = definition.sources[source].model_copy(update={"available": Availability(after=after)})
    return definition.model_copy(update={"sources": {**definition.sources, source: changed}})


def available(definition: ModelDefinition, source: str, partition: date, night: date) -> bool:
    limit = datetime.combine(night, time.fromisoformat(definition.schedule.at))
    return datetime.combine(partition, time()) + definition.sources[source].available.after <= limit


def plan(definition: ModelDefinition, days: int, planes: list[date]) -> FeaturePlan:
    return plan_features(definition, FIRST, FIRST + timedelta(days=days - 1), {"planes": planes})


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_delays, st.integers(1, 5))
def test_a_window_holds_the_newest_days_that_were_available_and_no_other(
    flight_delay: ModelDefinition, after: timedelta, days: int
) -> None:
    definition = delayed(flight_delay, "arrivals", after)
    expected = []
    for night in (FIRST + timedelta(days=offset) for offset in range(days)):
        around = [night + timedelta(days=offset) for offset in range(10, -50, -1)]
        newest = [day for day in around if available(definition, "arrivals", day, night)][:28]
        expected += [Visible(night, day, age) for age, day in enumerate(newest)]
    assert plan(definition, days, []).windows["arrivals"] == tuple(expected)


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_delays, st.sets(st.integers(-9, 9)), st.integers(1, 5))
def test_a_look_up_sees_the_newest_version_that_was_available(
    flight_delay: ModelDefinition, after: timedelta, offsets: set[int], days: int
) -> None:
    definition = delayed(flight_delay, "planes", after)
    published = [FIRST + timedelta(days=offset) for offset in offsets]
    expected = {}
    for night in (FIRST + timedelta(days=offset) for offset in range(days)):
        if known := [day for day in published if available(definition, "planes", day, night)]:
            expected[night] = max(known)
    versions = plan(definition, days, published).versions["planes"]
    assert {seen.night: seen.partition for seen in versions} == expected
    assert len(versions) == len(expected)


def test_the_example_sees_arrivals_up_to_the_day_before_yesterday(flight_delay: ModelDefinition) -> None:
    seen = plan(flight_delay, 1, []).windows["arrivals"]
    assert seen[0] == Visible(FIRST, date(2013, 3, 6), 0)
    assert seen[-1] == Visible(FIRST, date(2013, 2, 7), 27)


def test_only_sources_that_are_aggregated_or_looked_up_are_planned(flight_delay: ModelDefinition) -> None:
    made = plan(flight_delay, 1, [FIRST])
    assert set(made.windows) == {"arrivals", "weather"}
    assert set(made.versions) == {"planes"}


def test_a_source_is_seen_as_far_back_as_its_longest_window(flight_delay: ModelDefinition) -> None:
    made = plan(flight_delay, 1, [])
    assert len(made.windows["arrivals"]) == 28
    assert len(made.windows["weather"]) == 1


def test_the_dates_to_read_span_what_any_night_sees(flight_delay: ModelDefinition) -> None:
    made = plan(flight_delay, 3, [date(2013, 1, 1), FIRST + timedelta(days=1)])
    assert made.dates("arrivals") == (date(2013, 2, 7), date(2013, 3, 8))
    assert made.dates("planes") == (date(2013, 1, 1), FIRST + timedelta(days=1))
    assert made.dates("schedule") is None


@pytest.mark.parametrize("published", [[], [FIRST + timedelta(days=1)]])
def test_a_night_before_the_first_version_sees_none(flight_delay: ModelDefinition, published: list[date]) -> None:
    assert plan(flight_delay, 1, published).versions["planes"] == ()


def test_a_night_is_planned_alike_alone_and_among_others(flight_delay: ModelDefinition) -> None:
    alone, among = plan(flight_delay, 1, [FIRST]), plan(flight_delay, 4, [FIRST])
    for name, seen in alone.windows.items():
        assert seen == tuple(one for one in among.windows[name] if one.night == FIRST)
    assert alone.versions["planes"] == tuple(one for one in among.versions["planes"] if one.night == FIRST)
