"""Tiles by their position in the calendar, for tests."""

from __future__ import annotations

from datetime import date, timedelta

from nightshift.features.plan import Tile

DAY = timedelta(days=1)
# The first day of a tile of 64 days, and so of one of 8 and of one of 1.
START = date.fromordinal(date(2024, 1, 1).toordinal() // 64 * 64)

Versions = dict[date, str]


def tile_at(offset: int, days: int) -> Tile:
    return Tile(START + offset * DAY, days)


def versions(first: int, last: int, version: str = "a") -> Versions:
    return {START + n * DAY: version for n in range(first, last + 1)}
