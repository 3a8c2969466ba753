from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nightshift.definition.calendar import (
    available_at,
    cutoff,
    date_range,
    newest_labelled,
    newest_partition,
    nights,
    parse_night,
)
from nightshift.definition.model import ModelDefinition
from nightshift.definition.schedule import Schedule
from nightshift.definition.source import Availability, Column, Source
from nightshift.errors import TerminalError

ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
# The clocks of New York change on 2013-03-10 and 2013-11-03.
CHANGES = [date(2013, 3, 10), date(2013, 11, 3)]

some_nights = st.one_of(
    st.dates(date(2012, 1, 1), date(2014, 12, 31)),
    st.sampled_from(CHANGES).flatmap(lambda d: st.integers(-3, 3).map(lambda n: d + timedelta(days=n))),
)
some_delays = st.integers(-48 * 60, 72 * 60).map(lambda minutes: timedelta(minutes=minutes))
some_times = st.times().map(lambda t: f"{t.hour:02d}:{t.minute:02d}")


def schedule_at(at: str, zone: str) -> Schedule:
    return Schedule(timezone=zone, at=at, start=date(2013, 1, 1))


def source_after(after: timedelta, zone: str | None = None) -> Source:
    columns, available = {"machine": Column(type="string")}, Availability(after=after)
    return Source(description="a source", path="{date}.csv", available=available, timezone=zone, columns=columns)


@given(some_nights, some_delays, some_times, st.sampled_from(ZONES))
def test_the_newest_partition_is_the_last_one_whose_wall_clock_availability_is_not_after_the_cutoff(
    night: date, after: timedelta, at: str, zone: str
) -> None:
    limit = datetime.combine(night, time.fromisoformat(at))
    days = [night + timedelta(days=offset) for offset in range(-6, 7)]
    schedule, source = schedule_at(at, zone), source_after(after)
    # An instant the clocks skip in spring is later than the clocks say: see below.
    assume(
        all(
            _exists(instant)
            for instant in (cutoff(schedule, night), *(available_at(schedule, source, d) for d in days))
        )
    )
    expected = max(d for d in days if datetime.combine(d, time()) + after <= limit)
    assert newest_partition(schedule, source, night) == expected


@given(some_nights, some_delays, some_times, st.sampled_from(ZONES))
def test_nothing_that_arrived_after_the_cutoff_is_ever_used(night: date, after: timedelta, at: str, zone: str) -> None:
    schedule, source = schedule_at(at, zone), source_after(after)
    arrived, limit = available_at(schedule, source, newest_partition(schedule, source, night)), cutoff(schedule, night)
    # An instant the clocks skip in spring has no place on the real time line.
    assume(_exists(arrived) and _exists(limit))
    assert arrived.astimezone(UTC) <= limit.astimezone(UTC)


def _exists(instant: datetime) -> bool:
    there_and_back = instant.astimezone(UTC).astimezone(instant.tzinfo)
    return there_and_back.replace(tzinfo=None) == instant.replace(tzinfo=None)


@pytest.mark.parametrize("night", [date(2013, 3, 11), date(2013, 11, 4)])
def test_six_in_the_morning_stays_six_in_the_morning_when_the_clocks_change(night: date) -> None:
    schedule, source = schedule_at("06:00", "America/New_York"), source_after(timedelta(hours=30))
    assert available_at(schedule, source, night - timedelta(days=1)).time() == time(6)
    assert newest_partition(schedule, source, night) == night - timedelta(days=1)
    assert newest_partition(schedule_at("05:59", "America/New_York"), source, night) == night - timedelta(days=2)


def test_the_cutoff_is_the_declared_local_time_of_the_night() -> None:
    assert cutoff(schedule_at("06:30", "America/New_York"), date(2013, 7, 4)) == datetime(
        2013, 7, 4, 10, 30, tzinfo=UTC
    )
    assert cutoff(schedule_at("06:30", "America/New_York"), date(2013, 1, 4)) == datetime(
        2013, 1, 4, 11, 30, tzinfo=UTC
    )


def test_the_example_scores_a_night_from_its_own_plan_and_the_arrivals_of_two_days_before(
    flight_delay: ModelDefinition,
) -> None:
    night = date(2013, 7, 4)
    sources, schedule = flight_delay.sources, flight_delay.schedule
    assert newest_partition(schedule, sources["schedule"], night) == date(2013, 7, 4)
    assert newest_partition(schedule, sources["arrivals"], night) == date(2013, 7, 2)
    assert newest_labelled(flight_delay, night) == date(2013, 7, 2)


def test_every_date_is_a_night_of_a_schedule_of_a_time_and_both_ends_are_included() -> None:
    daily, days = schedule_at("06:00", "UTC"), [date(2013, 2, 27), date(2013, 2, 28), date(2013, 3, 1)]
    assert list(nights(daily, days[0], days[-1])) == list(date_range(days[0], days[-1])) == days
    assert list(nights(daily, days[0], days[0])) == days[:1]
    assert list(nights(daily, days[-1], days[0])) == []


@given(st.dates())
def test_a_night_reads_back_from_its_iso_date(night: date) -> None:
    assert parse_night(night.isoformat()) == night


@pytest.mark.parametrize("text", ["", "yesterday", "2013-02-30", "2013-7-4", "2013-07-04T00:00:00", "04.07.2013"])
def test_a_score_date_that_is_not_a_date_is_refused_with_what_was_received_and_what_to_do(text: str) -> None:
    with pytest.raises(TerminalError) as caught:
        parse_night(text)
    assert f"received {text!r}; allowed: an ISO date such as 2013-07-04; fix: trigger" in str(caught.value)


def test_a_missing_score_date_is_refused() -> None:
    with pytest.raises(TerminalError, match="the score date is missing or not a date"):
        parse_night(None)


# ---- sources with a time zone of their own

FAR = ["America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]


@given(some_nights, some_delays, some_times, st.sampled_from(FAR), st.sampled_from(FAR))
def test_the_newest_partition_of_a_source_in_another_zone_is_the_last_available_at_the_cutoff(
    night: date, after: timedelta, at: str, zone: str, source_zone: str
) -> None:
    assume(zone != source_zone)
    schedule, source = schedule_at(at, zone), source_after(after, source_zone)
    limit = cutoff(schedule, night).astimezone(UTC)

    def available_there(day: date) -> datetime:
        shown = datetime.combine(day, time()) + after
        return shown.replace(tzinfo=ZoneInfo(source_zone)).astimezone(UTC)

    days = [night + timedelta(days=offset) for offset in range(-8, 9)]
    assert newest_partition(schedule, source, night) == max(day for day in days if available_there(day) <= limit)
    for day in days:
        assert available_at(schedule, source, day).astimezone(UTC) == available_there(day)


@pytest.mark.parametrize(
    ("zone", "at", "source_zone", "hours", "ahead"),
    [
        ("UTC", "00:00", None, 0, 0),
        ("UTC", "00:00", "Asia/Tokyo", 9, 0),
        ("UTC", "00:00", "Asia/Tokyo", 10, -1),
        ("UTC", "14:59", "Asia/Tokyo", 0, 0),
        ("UTC", "15:00", "Asia/Tokyo", 0, 1),
        ("UTC", "04:59", "America/New_York", 0, -1),
        ("UTC", "05:00", "America/New_York", 0, 0),
        # As far apart as clocks can be: 26 hours.
        ("Etc/GMT+12", "21:59", "Pacific/Kiritimati", 0, 1),
        ("Etc/GMT+12", "22:00", "Pacific/Kiritimati", 0, 2),
        ("Etc/GMT+12", "23:59", "Pacific/Kiritimati", 25, 1),
        ("Pacific/Kiritimati", "00:00", "Etc/GMT+12", 0, -2),
        ("Pacific/Kiritimati", "01:59", "Etc/GMT+12", -24, -1),
        ("Pacific/Kiritimati", "02:00", "Etc/GMT+12", -24, 0),
    ],
)
def test_dates_begin_sooner_where_the_clock_is_ahead_and_later_where_it_is_behind(
    zone: str, at: str, source_zone: str | None, hours: int, ahead: int
) -> None:
    source, night = source_after(timedelta(hours=hours), source_zone), date(2013, 1, 15)
    assert newest_partition(schedule_at(at, zone), source, night) == night + timedelta(days=ahead)


def test_naming_the_schedules_time_zone_changes_nothing() -> None:
    schedule = schedule_at("06:00", "America/New_York")
    for day in (*CHANGES, date(2013, 7, 4)):
        with_zone, without_zone = (
            source_after(timedelta(hours=2, minutes=30), zone) for zone in ("America/New_York", None)
        )
        assert available_at(schedule, with_zone, day) == available_at(schedule, without_zone, day)


def test_a_delay_is_by_the_sources_clock_when_that_clock_changes() -> None:
    """30 hours past a midnight of Lord Howe Island is six in the morning there, in summer and in winter."""
    schedule, source = schedule_at("00:00", "UTC"), source_after(timedelta(hours=30), "Australia/Lord_Howe")
    for day, offset in [
        (date(2013, 4, 6), 10.5),
        (date(2013, 4, 5), 11),
        (date(2013, 10, 5), 11),
        (date(2013, 10, 4), 10.5),
    ]:
        shown = datetime.combine(day + timedelta(days=1), time(6)) - timedelta(hours=offset)
        assert available_at(schedule, source, day).astimezone(UTC) == shown.replace(tzinfo=UTC)


# ---- hours that clocks skip

GAP = date(2013, 3, 10)  # New York goes from 02:00 to 03:00


@pytest.mark.parametrize("zone", [None, "America/New_York", "US/Eastern"])
@pytest.mark.parametrize(
    ("at", "newest"), [("03:00", GAP - timedelta(days=1)), ("03:29", GAP - timedelta(days=1)), ("03:30", GAP)]
)
def test_a_partition_due_within_a_skipped_hour_is_available_after_it(zone: str | None, at: str, newest: date) -> None:
    """Two and a half hours past that midnight it is half past three, whatever the zone's name is."""
    schedule, source = schedule_at(at, "America/New_York"), source_after(timedelta(hours=2, minutes=30), zone)
    night = newest_partition(schedule, source, GAP)
    assert available_at(schedule, source, night).astimezone(UTC) <= cutoff(schedule, GAP).astimezone(UTC)
    assert night == newest


def test_a_cutoff_within_a_repeated_hour_is_the_first() -> None:
    schedule = schedule_at("01:30", "America/New_York")
    assert cutoff(schedule, date(2013, 11, 3)).astimezone(UTC) == datetime(2013, 11, 3, 5, 30, tzinfo=UTC)
