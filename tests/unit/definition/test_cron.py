"""Schedules whose nights a cron names: against every date tried on its own, and against the calendar of every date."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nightshift.definition.calendar import (
    arriving_partitions,
    cutoff,
    date_range,
    fewest_nights,
    is_available,
    is_night,
    neighbouring,
    newest_labelled,
    newest_night,
    newest_partition,
    next_night,
    nights,
    only_nights,
    previous_night,
    weekdays_compare,
)
from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.nights import nights_within, require_night
from nightshift.definition.schedule import Schedule
from nightshift.definition.source import Availability, Column, Source
from nightshift.errors import DefinitionError, TerminalError
from nightshift.settings import PROJECT
from nightshift.training.dataset import split_dates
from unit.conftest import Edit

DAY = timedelta(days=1)
TINY: ModelDefinition = load_definition(PROJECT / "tests" / "models" / "tiny")
ZONES = ["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland"]


def _last_day(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


# What a cron's last three fields say, and the same of one date without croniter.
NAMED: dict[str, Callable[[date], bool]] = {
    "* * 1": lambda day: day.weekday() == 0,
    "* * SUN": lambda day: day.weekday() == 6,
    "* * 1-5": lambda day: day.weekday() < 5,
    "* * 0,3": lambda day: day.weekday() in {6, 2},
    "1 * *": lambda day: day.day == 1,
    "1,15 * *": lambda day: day.day in {1, 15},
    "31 * *": lambda day: day.day == 31,
    "L * *": _last_day,
    "1 */3 *": lambda day: day.day == 1 and day.month in {1, 4, 7, 10},
    "29 2 *": lambda day: (day.month, day.day) == (2, 29),
    "1 * 1": lambda day: day.day == 1 or day.weekday() == 0,
    "* * 1#1": lambda day: day.weekday() == 0 and day.day <= 7,
    "* * *": lambda day: True,
}
some_fields = st.sampled_from(sorted(NAMED))
some_dates = st.dates(date(2012, 1, 1), date(2016, 12, 31))
some_clocks = st.sampled_from([time(0), time(1, 30), time(2, 30), time(6), time(23, 59)])


def schedule_of(fields: str, at: time = time(6), zone: str = "UTC") -> Schedule:
    return Schedule(timezone=zone, cron=f"{at.minute} {at.hour} {fields}", start=date(2012, 1, 1))


@given(some_fields, some_dates, st.integers(-2, 800), some_clocks)
def test_nights_are_the_dates_that_a_cron_names(fields: str, first: date, length: int, at: time) -> None:
    schedule, last = schedule_of(fields, at), first + length * DAY
    named = [day for day in date_range(first, last) if NAMED[fields](day)]
    assert list(nights(schedule, first, last)) == only_nights(schedule, date_range(first, last)) == named
    assert is_night(schedule, first) == NAMED[fields](first)


@given(some_fields, some_dates, some_clocks)
def test_the_next_and_the_previous_night_are_inverse(fields: str, day: date, at: time) -> None:
    schedule = schedule_of(fields, at)
    following, preceding = next_night(schedule, day), previous_night(schedule, day)
    assert preceding < day < following
    assert next_night(schedule, preceding) == (day if is_night(schedule, day) else following)
    assert previous_night(schedule, following) == newest_night(schedule, day)
    assert newest_night(schedule, day) == (day if is_night(schedule, day) else preceding)
    assert list(nights(schedule, preceding, following)) == sorted({preceding, following, newest_night(schedule, day)})
    assert previous_night(schedule, day, 3) == previous_night(schedule, previous_night(schedule, preceding))


@given(some_fields, some_dates, some_clocks, st.sampled_from(ZONES))
def test_the_cutoffs_of_nights_rise_and_are_at_the_crons_time_when_clocks_change(
    fields: str, first: date, at: time, zone: str
) -> None:
    schedule = schedule_of(fields, at, zone)
    daily = Schedule(timezone=zone, at=f"{at:%H:%M}", start=date(2012, 1, 1))
    score_dates = list(nights(schedule, first, first + 400 * DAY))
    cutoffs = [cutoff(schedule, night).astimezone(UTC) for night in score_dates]
    assert all(before < after for before, after in pairwise(cutoffs))
    assert cutoffs == [cutoff(daily, night).astimezone(UTC) for night in score_dates]


def source_after(after: timedelta, zone: str | None = None) -> Source:
    columns, available = {"machine": Column(type="string")}, Availability(after=after)
    return Source(description="a source", path="{date}.csv", available=available, timezone=zone, columns=columns)


@given(
    some_fields,
    some_dates,
    st.integers(-48, 72).map(lambda hours: timedelta(hours=hours)),
    st.sampled_from(ZONES),
    st.sampled_from([None, *ZONES]),
)
def test_every_date_of_a_source_arrives_for_exactly_the_first_night_that_can_use_it(
    fields: str, first: date, after: timedelta, zone: str, source_zone: str | None
) -> None:
    schedule, source = schedule_of(fields, zone=zone), source_after(after, source_zone)
    begin = next_night(schedule, first)
    score_dates = [begin, *(nights(schedule, begin + DAY, begin + 100 * DAY))]
    arrived = [day for night in score_dates for day in arriving_partitions(schedule, source, night)]
    # A night without a new date, as when clocks change between two zones, has the newest one again.
    assert sorted(set(arrived)) == list(date_range(arrived[0], arrived[-1]))
    for night in score_dates:
        before = previous_night(schedule, night)
        for day in arriving_partitions(schedule, source, night)[:-1]:
            assert is_available(schedule, source, day, night) and not is_available(schedule, source, day, before)


@given(some_fields, some_dates, st.integers(1, 400))
def test_the_fewest_nights_of_some_days_are_those_of_the_sparsest_stretch(fields: str, start: date, days: int) -> None:
    schedule = schedule_of(fields).model_copy(update={"start": start})
    ends = [day for day in date_range(start, start + 4 * 366 * DAY) if NAMED[fields](day)]
    counts = [sum(NAMED[fields](day) for day in date_range(end - (days - 1) * DAY, end)) for end in ends]
    assert fewest_nights(schedule, days * DAY) == min(counts, default=0)


def test_neighbouring_nights_are_those_with_no_night_between_them() -> None:
    mondays = schedule_of("* * 1")
    days = [date(2024, 1, day) for day in (1, 8, 15, 29)]
    assert neighbouring(days, mondays) == [(days[0], days[2]), (days[3], days[3])]
    assert neighbouring(days) == [(day, day) for day in days]


@pytest.mark.parametrize(
    ("fields", "compare"),
    [("* * 1", True), ("* * 1-5", True), ("* * *", True), ("1 * *", False), ("* 6 *", False), ("* * 1#1", False)],
)
def test_weekdays_are_compared_where_every_week_has_the_same_nights(fields: str, compare: bool) -> None:
    assert weekdays_compare(schedule_of(fields)) == compare


@given(some_fields, some_clocks, some_fields, some_clocks, some_dates)
def test_a_schedule_on_the_dates_of_another_has_its_own_time(
    fields: str, at: time, others: str, clock: time, day: date
) -> None:
    own, other = schedule_of(fields, at), schedule_of(others, clock)
    moved = own.on_dates_of(other)
    assert moved.time_of_day == at and is_night(moved, day) == is_night(other, day)
    assert cutoff(moved, day) == cutoff(own, day)


# ---- what is refused


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "bad",
        "@weekly",
        "0 6 * *",
        "0 24 * * *",
        "0 6 * * 8",
        "0 6 * * 1 30",
        "0 6 * * 1 30 2024",
        "R 6 * * *",
        "0 6 H * *",
    ],
)
def test_a_text_that_is_no_cron_of_five_settled_fields_is_refused(cron: str) -> None:
    with pytest.raises(ValidationError, match="not a cron expression"):
        Schedule(timezone="UTC", cron=cron, start=date(2024, 1, 1))


@pytest.mark.parametrize("cron", ["0,30 6 * * 1", "0 6,18 * * 1", "* 6 * * 1", "0 * * * 1", "*/30 6 * * *"])
def test_a_cron_of_several_runs_a_date_is_refused(cron: str) -> None:
    with pytest.raises(ValidationError, match="names several runs a date"):
        Schedule(timezone="UTC", cron=cron, start=date(2024, 1, 1))


WEEKLY: list[tuple[str, str]] = [
    ('  at: "06:00"\n', '  cron: "0 6 * * 1"\n'),
    ("period: 20d", "period: 70d"),
    ("holdout: 5d", "holdout: 35d"),
]


@pytest.fixture
def weekly(models: Any) -> Callable[..., ModelDefinition]:
    """The tiny definition with Mondays as its nights; more texts may be replaced by others."""

    def load(*more: tuple[str, str]) -> ModelDefinition:
        file = models / "tiny" / "model.yaml"
        text = file.read_text()
        for old, new in (*WEEKLY, *more):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file.write_text(text)
        return load_definition(models / "tiny")

    return load


MONDAYS = 'cron: "0 6 * * 1"'


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        pytest.param(MONDAYS, f'at: "06:00"\n  {MONDAYS}', "schedule.cron: two schedules; received 'at: 06:00, cron: "
                     "0 6 * * 1'; allowed: one of at, cron; fix: remove one", id="both"),
        pytest.param(MONDAYS, 'cron: "0 6 30 2 *"', "schedule.cron: names no date; received '0 6 30 2 *'; allowed: a "
                     "day that some month has; fix: such as '0 6 * * 1', Mondays at 06:00", id="30 February"),
        pytest.param("start: 2024-01-01", "start: 2024-01-02\n  end: 2024-01-07", "schedule.cron: names no date from "
                     "2024-01-02 to 2024-01-07; received '0 6 * * 1'; allowed: a `schedule.end` of 2024-01-08 or "
                     "later; fix: write a later end, or name other dates", id="none before the end"),
        pytest.param(MONDAYS, 'cron: "0 6,18 * * 1"', "schedule.cron: names several runs a date; received "
                     "'0 6,18 * * 1'; allowed: one minute and one hour: a night is a date; fix: such", id="two runs"),
        pytest.param(MONDAYS, "cron: every monday", "schedule.cron: not a cron expression; received 'every monday'; "
                     "allowed: five fields: minute hour day month weekday; fix: such as '0 6 * * 1'", id="no cron"),
        pytest.param("holdout: 35d", "holdout: 28d", "training.holdout: too short to be 95% sure of a comparison: "
                     "whole nights are resampled; received '28d, 4 nights at the fewest'; allowed: at least 5 nights; ",
                     id="a holdout of few nights"),
        pytest.param("available: {after: 1h}", "available: {after: 7h}", "sources.plan.available.after: the "
                     "observations of a night are not available at its cutoff; allowed: at most the time from midnight "
                     "to the cutoff, 06:00; fix: score later", id="observations after the cutoff"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_cron_is_one_line(weekly: Callable[..., ModelDefinition], old: str, new: str, line: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        weekly((old, new))
    [problem] = str(caught.value).splitlines()
    assert line in problem


@pytest.mark.parametrize("night", ["2024-01-09", "2024-01-14"])
def test_a_date_that_the_cron_does_not_name_is_no_night(weekly: Callable[..., ModelDefinition], night: str) -> None:
    definition, day = weekly(), date.fromisoformat(night)
    with pytest.raises(TerminalError) as caught:
        require_night(definition, day)
    message = f"model.yaml:9: schedule.cron: {night}, a {day:%A}, is no night; received '{night}'; "
    assert message in str(caught.value)
    assert "allowed: 2024-01-08, 2024-01-15; fix: choose a date that the cron names, or change" in str(caught.value)
    require_night(definition, date(2024, 1, 8))


def test_the_nights_of_a_range_are_those_of_the_cron_and_a_range_without_one_is_refused(
    weekly: Callable[..., ModelDefinition],
) -> None:
    definition = weekly()
    assert nights_within(definition, date(2024, 1, 3), date(2024, 1, 23)) == [date(2024, 1, day) for day in (8, 15, 22)]
    assert nights_within(definition, date(2024, 1, 8), date(2024, 1, 8)) == [date(2024, 1, 8)]
    for first, last in ((9, 9), (9, 14)):
        with pytest.raises(TerminalError, match="2024-01-09, a Tuesday, is no night"):
            nights_within(definition, date(2024, 1, first), date(2024, 1, last))


# ---- what follows from it


@given(st.dates(date(2024, 5, 1), date(2026, 1, 1)), some_fields)
def test_a_training_is_split_at_nights_whose_outcomes_were_final_at_the_newest_night(as_of: date, fields: str) -> None:
    schedule = schedule_of(fields)
    definition = TINY.model_copy(update={"schedule": schedule})
    split, newest = split_dates(definition, as_of), newest_night(schedule, as_of)
    assert all(is_night(schedule, day) for day in (split.first, split.fitted, split.holdout, split.last))
    final = newest_partition(schedule, definition.sources["failures"], newest)
    assert split.last == newest_labelled(definition, newest) == newest_night(schedule, final)
    assert split.last - split.holdout < definition.training.holdout or split.last == split.holdout
    assert split.fitted - split.first < definition.training.period or split.first == split.fitted
    assert next_night(schedule, split.fitted) == split.holdout


def test_the_recipes_of_features_depend_on_the_time_of_the_cutoff_and_not_on_the_dates(
    weekly: Callable[..., ModelDefinition], tiny: ModelDefinition
) -> None:
    assert weekly().feature_digests == tiny.feature_digests


def test_another_time_of_a_cron_is_another_recipe(edit: Edit, tiny: ModelDefinition) -> None:
    later = edit('at: "06:00"', 'cron: "30 6 * * *"')
    assert later.feature_digests["machine_failures_3d"] != tiny.feature_digests["machine_failures_3d"]
