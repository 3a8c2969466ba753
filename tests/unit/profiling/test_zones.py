"""The time zone of files' dates is proposed by the instants in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from nightshift.profiling.column_profile import ColumnHistory, ColumnProfile
from nightshift.profiling.zones import common_zone, zones_of
from nightshift.quality.distributions import ColumnDistribution

DAYS = [date(2026, 1, 15) + timedelta(days=n) for n in range(180)]  # both sides of the clock's change


def history(zone: str, first: time = time(0, 30), last: time = time(23, 30)) -> ColumnHistory:
    """A column whose instants begin and end at some times of day by a zone's clock."""
    clock = ZoneInfo(zone)
    ends = {day: tuple(datetime.combine(day, at, clock).astimezone(UTC) for at in (first, last)) for day in DAYS}
    profiles = {day: ColumnProfile(ColumnDistribution(2, 0), instants=(a, b)) for day, (a, b) in ends.items()}
    return ColumnHistory("timestamp", profiles)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney"])
def test_the_zone_whose_clock_every_instant_fits_is_proposed(zone: str) -> None:
    assert zones_of(history(zone)) == [zone]
    assert common_zone([history(zone)]) == zone


def test_utc_is_proposed_where_it_fits_as_well_and_where_nothing_does() -> None:
    noon = history("America/New_York", time(11), time(12))
    assert "America/New_York" in zones_of(noon) and common_zone([noon]) == "UTC"
    assert common_zone([]) == common_zone([ColumnHistory("number", {})]) == "UTC"
    delivery = history("UTC", time(0), time(23, 59))
    later = {day: ColumnProfile(p.distribution, instants=(p.instants[0], p.instants[1] + timedelta(days=3)))
             for day, p in delivery.profiles.items() if p.instants}  # fmt: skip
    assert zones_of(ColumnHistory("timestamp", later)) == []


def test_a_zone_that_fits_most_columns_is_preferred() -> None:
    noon, shop = history("America/New_York", time(11), time(12)), history("America/New_York")
    assert common_zone([noon, shop]) == "America/New_York"
