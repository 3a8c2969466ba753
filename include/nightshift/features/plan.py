"""Which partitions each night may see: the part of the feature computation that knows about time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from nightshift.definition.calendar import newest_partition, nights
from nightshift.definition.model import ModelDefinition


@dataclass(frozen=True)
class Visible:
    """One partition of a source as seen from one night.

    Attributes:
        night: The score date.
        partition: A date of the source available at the night's cutoff.
        age: 0 for the newest partition available, 1 for the one before, …: a window of n days is age < n.
    """

    night: date
    partition: date
    age: int


@dataclass(frozen=True)
class FeaturePlan:
    """What a range of nights reads.

    Attributes:
        first: The first score date.
        last: The last score date.
        windows: For each source that is aggregated, every partition each night sees.
        versions: For each source that is looked up, the one version each night sees.
    """

    first: date
    last: date
    windows: dict[str, tuple[Visible, ...]]
    versions: dict[str, tuple[Visible, ...]]

    def dates(self, source: str) -> tuple[date, date] | None:
        """The first and last partition of a source that any night of the plan reads."""
        seen = [v.partition for v in (*self.windows.get(source, ()), *self.versions.get(source, ()))]
        return (min(seen), max(seen)) if seen else None


def plan_features(
    definition: ModelDefinition, first: date, last: date, published: dict[str, list[date]]
) -> FeaturePlan:
    """Plans the features of every night from `first` to `last`.

    Args:
        definition: The model definition.
        first: The first score date.
        last: The last score date.
        published: The dates each source has in its raw table.
    """
    longest: dict[str, int] = {}
    for aggregate in definition.features.aggregates.values():
        days = max(window.days for window in aggregate.windows)
        longest[aggregate.source] = max(days, longest.get(aggregate.source, 0))
    windows = {name: tuple(_window(definition, name, first, last, days)) for name, days in longest.items()}
    looked_up = {lookup.source for lookup in definition.features.lookups.values()}
    versions = {name: tuple(_versions(definition, name, first, last, published[name])) for name in looked_up}
    return FeaturePlan(first, last, windows, versions)


def _window(definition: ModelDefinition, source: str, first: date, last: date, days: int) -> list[Visible]:
    seen = []
    for night in nights(first, last):
        newest = newest_partition(definition.schedule, definition.sources[source], night)
        seen += [Visible(night, newest - timedelta(days=age), age) for age in range(days)]
    return seen


def _versions(
    definition: ModelDefinition, source: str, first: date, last: date, published: list[date]
) -> list[Visible]:
    seen = []
    for night in nights(first, last):
        newest = newest_partition(definition.schedule, definition.sources[source], night)
        known = [day for day in published if day <= newest]
        if known:
            seen.append(Visible(night, max(known), 0))
    return seen
