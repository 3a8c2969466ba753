"""The data that each night may read: the part of the feature computation that handles time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from nightshift.definition.calendar import date_range, newest_available, newest_partition, nights
from nightshift.definition.model import ModelDefinition

# Days that a tile spans, longest last. Each is a multiple of the one before, so that long tiles are built from shorter
# ones. A window of n days consists of about 7 + n/8 tiles up to 64 days, and of 14 + n/64 beyond.
SPANS = (1, 8, 64)
# A window up to this length consists of single days in a range of at least as many nights: the nights before and after
# read those days, too, and longer tiles would have to be built of them first.
LONGEST_OF_DAYS = 32


@dataclass(frozen=True, order=True)
class Tile:
    """Partial aggregates of `days` consecutive days of a source. Tiles of one span do not overlap."""

    start: date
    days: int

    @property
    def last(self) -> date:
        return self.start + timedelta(days=self.days - 1)

    @property
    def dates(self) -> Iterator[date]:
        return date_range(self.start, self.last)

    @property
    def parts(self) -> tuple[Tile, ...]:
        """The tiles of the next shorter span that it is built from; none for a single day."""
        if self.days == SPANS[0]:
            return ()
        span = SPANS[SPANS.index(self.days) - 1]
        return tuple(Tile(self.start + timedelta(days=offset), span) for offset in range(0, self.days, span))


@dataclass(frozen=True)
class VisibleTile:
    """A tile, or a version of an irregular source, that one night may read.

    Attributes:
        night: The score date.
        tile: The tile; all of its days were available at the night's cutoff.
        windows: The windows that contain it, in days.
    """

    night: date
    tile: Tile
    windows: tuple[int, ...] = ()


@dataclass(frozen=True)
class FeaturePlan:
    """The tiles and versions that a range of nights reads.

    Attributes:
        first: The first score date.
        last: The last score date.
        windows: For each aggregated source, the tiles of every night.
        versions: For each source that is looked up or whose newest version is observed, the version of every night.
    """

    first: date
    last: date
    windows: dict[str, tuple[VisibleTile, ...]]
    versions: dict[str, tuple[VisibleTile, ...]]

    def tiles(self, source: str) -> set[Tile]:
        """Every tile of a source that a night of the plan reads."""
        return {visible.tile for visible in self.windows[source]}

    def of_nights(self, first: date, last: date) -> FeaturePlan:
        """The plan of some of its nights, which read the same tiles."""

        def of(visible_tiles: Mapping[str, tuple[VisibleTile, ...]]) -> dict[str, tuple[VisibleTile, ...]]:
            return {
                name: tuple(visible for visible in of_source if first <= visible.night <= last)
                for name, of_source in visible_tiles.items()
            }

        return FeaturePlan(first, last, of(self.windows), of(self.versions))


def plan_features(
    definition: ModelDefinition, first: date, last: date, published: Mapping[str, Iterable[date]]
) -> FeaturePlan:
    """Plans the features of every night from `first` to `last`.

    Args:
        definition: The model definition.
        first: The first score date.
        last: The last score date.
        published: The dates of each source in its raw table.
    """
    lengths: dict[str, set[int]] = {}
    for aggregate in definition.features.aggregates.values():
        lengths.setdefault(aggregate.source, set()).update(window.days for window in aggregate.windows)
    windows = {name: tuple(_windows(definition, name, first, last, days)) for name, days in lengths.items()}
    looked_up = {lookup.source for lookup in definition.features.lookups.values()}
    observed = definition.observations.source
    if definition.sources[observed].cadence == "irregular":
        looked_up.add(observed)
    versions = {name: tuple(_versions(definition, name, first, last, published[name])) for name in looked_up}
    return FeaturePlan(first, last, windows, versions)


def cover(first: date, last: date, spans: Sequence[int] = SPANS) -> Iterator[Tile]:
    """The fewest tiles of some spans that cover the days from `first` to `last`, each day once."""
    day, end = first.toordinal(), last.toordinal()
    while day <= end:
        span = max(span for span in spans if day % span == 0 and day + span - 1 <= end)
        yield Tile(date.fromordinal(day), span)
        day += span


def _windows(
    definition: ModelDefinition, source: str, first: date, last: date, lengths: set[int]
) -> Iterator[VisibleTile]:
    score_dates = list(nights(definition.schedule, first, last))
    of_days = min(len(score_dates), LONGEST_OF_DAYS)
    for night in score_dates:
        newest = newest_partition(definition.schedule, definition.sources[source], night)
        windows: dict[Tile, list[int]] = {}
        for days in sorted(lengths):
            for tile in cover(newest - timedelta(days=days - 1), newest, SPANS[:1] if days <= of_days else SPANS):
                windows.setdefault(tile, []).append(days)
        yield from (VisibleTile(night, tile, tuple(containing)) for tile, containing in windows.items())


def _versions(
    definition: ModelDefinition, source: str, first: date, last: date, published: Iterable[date]
) -> Iterator[VisibleTile]:
    dates = tuple(published)
    for night in nights(definition.schedule, first, last):
        if version := newest_available(definition, source, night, dates):
            yield VisibleTile(night, Tile(version, 1))
