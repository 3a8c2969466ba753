"""From tiles to features: what every observation's windows hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, zip_longest
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.features import Aggregate, feature_name
from nightshift.features.partials import Numbers, Partials, lower, merge, stack, take
from nightshift.features.plan import SPANS, Tile, Visible
from nightshift.features.tiling import DAY, TileReader, key_codes, load_partials
from nightshift.lake.groups import Group, partial_types
from nightshift.lake.tables import TableSpec

NIGHT = "score_date"
# Where ranges begin and, exclusively, end.
Range: TypeAlias = tuple[Numbers, Numbers]
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Seen:
    """What a range of nights sees of a source.

    Attributes:
        spec: The tiles' table.
        groups: The aggregates by key.
        windows: The tiles that each night sees, and in which windows, as planned.
        files: The files of every tile there is.
    """

    spec: TableSpec
    groups: tuple[Group, ...]
    windows: tuple[Visible, ...]
    files: Mapping[Tile, tuple[str, ...]]


def observed_key(column: str) -> str:
    """A group's key in the observations: no feature can have such a name."""
    return f"_{column}"


def is_observed_key(name: str) -> bool:
    """Whether a column of the observations is a group's key."""
    return name.startswith(observed_key(""))


def window_features(observed: pa.Table, seen: Seen) -> Iterator[tuple[str, pa.Array]]:
    """Computes every aggregate over a source.

    Args:
        observed: Observations of one or more nights, with `score_date` and each group's key as `_<column>`.
        seen: What their nights see.

    Yields:
        Each feature with a value per observation; null where its window holds nothing for the observation's key.
    """
    nights = sorted(pc.unique(observed[NIGHT]).to_pylist())
    night = np.searchsorted(np.array(nights, "datetime64[D]"), observed[NIGHT].to_numpy())
    present = set(nights)
    visible = [one for one in seen.windows if one.night in present]
    tiles = sorted({one.tile for one in visible})
    places = _Places.of(tiles)
    lengths = {days for one in visible for days in one.windows}
    frames = {days: _frame(_runs(visible, nights, days), places) for days in lengths}
    reader = TileReader(seen.spec, seen.files)
    for group in seen.groups:
        keys = [observed[observed_key(column)].combine_chunks() for column in group.by]
        # Not kept here: columns are let go as they are used.
        yield from _group_features(
            group, reader.read(group, tiles, [pc.unique(key) for key in keys]), keys, night, frames, places
        )


def _runs(visible: Iterable[Visible], nights: Iterable[date], days: int) -> list[list[list[Tile]]]:
    """The tiles of each night's window, those of one span that lie side by side together."""
    tiles: dict[date, list[Tile]] = {night: [] for night in nights}
    for one in visible:
        if days in one.windows:
            tiles[one.night].append(one.tile)
    return [[list(run) for _, run in groupby(sorted(seen), lambda tile: tile.days)] for seen in tiles.values()]


@dataclass(frozen=True)
class _Places:
    """Gives every tile a number, such that tiles of a span that lie side by side have successive ones."""

    offsets: dict[int, int]
    width: int

    @classmethod
    def of(cls, tiles: Sequence[Tile]) -> _Places:
        offsets, width = {}, 0
        for span in SPANS:
            if numbers := [tile.start.toordinal() // span for tile in tiles if tile.days == span]:
                offsets[span] = width - min(numbers)
                width += max(numbers) - min(numbers) + 1
        return cls(offsets, width)

    def __getitem__(self, tile: Tile) -> int:
        return self.offsets[tile.days] + tile.start.toordinal() // tile.days

    def of_rows(self, rows: pa.Table) -> Numbers:
        """The place of each row's tile."""
        days, starts = rows["days"].to_numpy(), rows[DAY].cast(pa.int32()).to_numpy() + _EPOCH
        places = np.zeros(len(days), np.int64)
        for span, offset in self.offsets.items():
            places = np.where(days == span, offset + starts // span, places)
        return places


def _frame(nights: Sequence[list[list[Tile]]], places: _Places) -> list[Range]:
    """Windows of one length: for each run of tiles, where it begins and, exclusively, ends for each night."""
    return [
        (
            np.array([places[run[0]] if run else 0 for run in runs]),
            np.array([places[run[-1]] + 1 if run else 0 for run in runs]),
        )
        for runs in zip_longest(*nights, fillvalue=())
    ]


def _group_features(
    group: Group,
    rows: pa.Table,
    keys: Sequence[pa.Array],
    night: Numbers,
    frames: Mapping[int, list[Range]],
    places: _Places,
) -> Iterator[tuple[str, pa.Array]]:
    """The features of one group."""
    at = places.of_rows(rows)
    matched = _Matched.of([rows[name] for name in group.keys], at, places.width, keys, night)
    ranges = {days: matched.ranges(frame) for days, frame in frames.items()}
    for holder, kept in group.stored_aggregates.items():
        partials = take(load_partials(rows, holder, kept), matched.order)
        rows = rows.drop_columns(list(partial_types(holder, kept)))
        sharing = {name: a for name, a in group.aggregates.items() if group.holders[name] == holder}
        for days in sorted({window.days for a in sharing.values() for window in a.windows}):
            merged = _merge_runs(kept, partials, ranges[days])
            for name, aggregate in sharing.items():
                if days in {window.days for window in aggregate.windows}:
                    yield feature_name(name, days), lower(aggregate, merged).take(matched.back)


@dataclass(frozen=True)
class _Matched:
    """Rows of tiles in the order of their keys and places, and the observations' keys among them.

    Observations of a night that share a key share their features: each such pair is looked at once.

    Attributes:
        order: The order of the rows.
        at: For each row in this order a number that grows with its key and place.
        key: For each pair of key and night, where the rows of the key begin on this scale.
        night: The night of each pair.
        back: The pair of each observation.
    """

    order: Numbers
    at: Numbers
    key: Numbers
    night: Numbers
    back: pa.Array

    @classmethod
    def of(
        cls, held: Sequence[pa.ChunkedArray], places: Numbers, width: int, observed: Sequence[pa.Array], night: Numbers
    ) -> _Matched:
        """Matches the keys of rows, which lie at some of `width` places, with those of observations."""
        both = [pa.concat_arrays([ours, *theirs.chunks]) for ours, theirs in zip(observed, held, strict=True)]
        codes = key_codes(both, len(night) + len(places))
        ours, theirs = codes[: len(night)], codes[len(night) :]
        at = theirs * width + places
        order = np.argsort(at, kind="stable")
        # A null key is that of no row.
        nights, nobody = night.max() + 1, codes.max() + 1
        pairs, back = np.unique(np.where(ours < 0, nobody, ours) * nights + night, return_inverse=True)
        return cls(order, at[order], pairs // nights * width, pairs % nights, pa.array(back))

    def ranges(self, frame: list[Range]) -> list[Range]:
        """For each run of a window the rows that are in it, for each pair."""
        return [
            (
                np.searchsorted(self.at, self.key + begin[self.night]),
                np.searchsorted(self.at, self.key + end[self.night]),
            )
            for begin, end in frame
        ]


def _merge_runs(aggregate: Aggregate, partials: Partials, ranges: Sequence[Range]) -> Partials:
    """Merges each run, then the runs of a window."""
    merged = [merge(aggregate, partials, starts, stops) for starts, stops in ranges]
    if len(merged) == 1:
        return merged[0]
    runs, windows = len(merged), len(ranges[0][0])
    neighbours = np.arange(runs * windows).reshape(runs, windows).T.ravel()
    first = np.arange(0, runs * windows, runs)
    return merge(aggregate, take(stack(merged), neighbours), first, first + runs)
