"""Which time zone the dates of files are of, by the instants in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from nightshift.profiling.column_profile import ColumnHistory

DEFAULT_ZONE = "UTC"
# A zone or more for each offset of many people: of several that fit, the first is proposed, and a person decides.
ZONES = (
    DEFAULT_ZONE, "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Kolkata", "Asia/Shanghai",
    "America/Los_Angeles", "America/Chicago", "Asia/Tokyo", "America/Sao_Paulo", "Europe/Istanbul", "Europe/Athens",
    "America/Denver", "Asia/Bangkok", "Asia/Dhaka", "Asia/Karachi", "Asia/Dubai", "Australia/Sydney",
    "America/Phoenix", "America/Halifax", "America/Anchorage", "Pacific/Auckland", "Pacific/Honolulu",
)  # fmt: skip


def zones_of(history: ColumnHistory) -> list[str]:
    """The zones by whose clocks every instant of a column is of its file's date; none without an instant."""
    instants = {day: profile.instants for day, profile in history.profiles.items() if profile.instants is not None}
    return [zone for zone in ZONES if instants and _are_of_their_dates(instants, zone)]


def common_zone(histories: Iterable[ColumnHistory]) -> str:
    """The first zone that fits the most columns, those of them that any zone fits; UTC if there is none."""
    fitting = [zones for history in histories if (zones := zones_of(history))]
    return max(ZONES, key=lambda zone: sum(zone in zones for zones in fitting))


def _are_of_their_dates(instants: Mapping[date, tuple[datetime, datetime]], zone: str) -> bool:
    clock = ZoneInfo(zone)
    return all(
        _midnight(day, clock) <= first and last < _midnight(day + timedelta(days=1), clock)
        for day, (first, last) in instants.items()
    )


def _midnight(day: date, clock: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), clock).astimezone(UTC)
