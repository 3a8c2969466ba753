"""From tiles to features: aggregates the windows of every observation."""

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
from nightshift.features.plan import SPANS, Tile, VisibleTile
from nightshift.features.tiling import DAY, TileReader, key_codes, load_partials
from nightshift.lake.groups import Group, partial_types
from nightshift.lake.tables import TableSpec

NIGHT = "score_date"
# Where ranges begin and, exclusively, end.
Range: TypeAlias = tuple[Numbers, Numbers]
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class WindowInputs:
    """What the features over one source are computed from, for a range of nights.

    Attributes:
        spec: The tiles' table.
        groups: The aggregates by key.
        windows: The tiles that each night reads, with the windows that contain them, as planned.
        files: The files of every tile.
    """

    spec: TableSpec
    groups: tuple[Group, ...]
    windows: tuple[VisibleTile, ...]
    files: Mapping[Tile, tuple[str, ...]]


def observed_key(column: str) -> str:
    """The column of the observations with a column of a group's key: no feature can have such a name."""
    return f"_{column}"


def is_observed_key(name: str) -> bool:
    """Whether a column of the observations belongs to a group's key."""
    return name.startswith(observed_key(""))


def window_features(observed: pa.Table, inputs: WindowInputs) -> Iterator[tuple[str, pa.Array]]:
    """Computes every aggregate over a source.

    Args:
        observed: Observations of one or more nights, with `score_date` and each group's key as `_<column>`.
        inputs: The tiles of their nights.

    Yields:
        Each feature with a value per observation; null where no row in its window has the observation's key.
    """
    nights = sorted(pc.unique(observed[NIGHT]).to_pylist())
    night = np.searchsorted(np.array(nights, "datetime64[D]"), observed[NIGHT].to_numpy())
    present = set(nights)
    visible_tiles = [visible for visible in inputs.windows if visible.night in present]
    tiles = sorted({visible.tile for visible in visible_tiles})
    positions = _TilePositions.of(tiles)
    lengths = {days for visible in visible_tiles for days in visible.windows}
    frames = {days: _frame(_runs(visible_tiles, nights, days), positions) for days in lengths}
    reader = TileReader(inputs.spec, inputs.files)
    for group in inputs.groups:
        keys = [observed[observed_key(column)].combine_chunks() for column in group.by]
        # No reference is kept here: columns are released as they are used.
        yield from _group_features(
            group, reader.read(group, tiles, [pc.unique(key) for key in keys]), keys, night, frames, positions
        )


def _runs(visible_tiles: Iterable[VisibleTile], nights: Iterable[date], days: int) -> list[list[list[Tile]]]:
    """The tiles of each night's window, as runs of consecutive tiles of one span."""
    windows: dict[date, list[Tile]] = {night: [] for night in nights}
    for visible in visible_tiles:
        if days in visible.windows:
            windows[visible.night].append(visible.tile)
    return [[list(run) for _, run in groupby(sorted(tiles), lambda tile: tile.days)] for tiles in windows.values()]


@dataclass(frozen=True)
class _TilePositions:
    """Numbers the tiles such that consecutive tiles of a span have consecutive positions."""

    offsets: dict[int, int]
    width: int

    @classmethod
    def of(cls, tiles: Sequence[Tile]) -> _TilePositions:
        offsets, width = {}, 0
        for span in SPANS:
            if numbers := [tile.start.toordinal() // span for tile in tiles if tile.days == span]:
                offsets[span] = width - min(numbers)
                width += max(numbers) - min(numbers) + 1
        return cls(offsets, width)

    def __getitem__(self, tile: Tile) -> int:
        return self.offsets[tile.days] + tile.start.toordinal() // tile.days

    def of_rows(self, rows: pa.Table) -> Numbers:
        """The position of each row's tile."""
        days, starts = rows["days"].to_numpy(), rows[DAY].cast(pa.int32()).to_numpy() + _EPOCH
        positions = np.zeros(len(days), np.int64)
        for span, offset in self.offsets.items():
            positions = np.where(days == span, offset + starts // span, positions)
        return positions


def _frame(nights: Sequence[list[list[Tile]]], positions: _TilePositions) -> list[Range]:
    """Windows of one length: for each run of tiles, where it begins and, exclusively, ends for each night."""
    return [
        (
            np.array([positions[run[0]] if run else 0 for run in runs]),
            np.array([positions[run[-1]] + 1 if run else 0 for run in runs]),
        )
        for runs in zip_longest(*nights, fillvalue=())
    ]


def _group_features(
    group: Group,
    rows: pa.Table,
    keys: Sequence[pa.Array],
    night: Numbers,
    frames: Mapping[int, list[Range]],
    positions: _TilePositions,
) -> Iterator[tuple[str, pa.Array]]:
    """The features of one group."""
    tile_keys = [rows[name] for name in group.keys]
    match = _KeyMatch.of(tile_keys, positions.of_rows(rows), positions.width, keys, night)
    ranges = {days: match.ranges(frame) for days, frame in frames.items()}
    for holder, stored in group.stored_aggregates.items():
        partials = take(load_partials(rows, holder, stored), match.order)
        rows = rows.drop_columns(list(partial_types(holder, stored)))
        sharing = {name: a for name, a in group.aggregates.items() if group.holders[name] == holder}
        for days in sorted({window.days for a in sharing.values() for window in a.windows}):
            merged = _merge_runs(stored, partials, ranges[days])
            for name, aggregate in sharing.items():
                if days in {window.days for window in aggregate.windows}:
                    yield feature_name(name, days), lower(aggregate, merged).take(match.pairs)


@dataclass(frozen=True)
class _KeyMatch:
    """Rows of tiles sorted by key and position, and the observations' keys among them.

    Observations of a night that share a key share their features: each pair of key and night is computed once.

    Attributes:
        order: The order of the rows.
        offsets: For each row in this order a number that grows with its key and position.
        starts: For each pair of key and night, the offset at which the rows of the key begin.
        night: The night of each pair.
        pairs: The pair of each observation.
    """

    order: Numbers
    offsets: Numbers
    starts: Numbers
    night: Numbers
    pairs: pa.Array

    @classmethod
    def of(
        cls,
        tile_keys: Sequence[pa.ChunkedArray],
        positions: Numbers,
        width: int,
        observed_keys: Sequence[pa.Array],
        night: Numbers,
    ) -> _KeyMatch:
        """Matches the keys of tiles' rows, which have some of `width` positions, with those of observations."""
        keys = [
            pa.concat_arrays([observed, *stored.chunks])
            for observed, stored in zip(observed_keys, tile_keys, strict=True)
        ]
        codes = key_codes(keys, len(night) + len(positions))
        observed_codes, tile_codes = codes[: len(night)], codes[len(night) :]
        offsets = tile_codes * width + positions
        order = np.argsort(offsets, kind="stable")
        # A null key matches no row: it gets a code that no row has.
        nights, unmatched = night.max() + 1, codes.max() + 1
        observed_codes = np.where(observed_codes < 0, unmatched, observed_codes)
        pairs, inverse = np.unique(observed_codes * nights + night, return_inverse=True)
        return cls(order, offsets[order], pairs // nights * width, pairs % nights, pa.array(inverse))

    def ranges(self, frame: list[Range]) -> list[Range]:
        """For each run of tiles in a window, the range of its rows for each pair."""
        return [
            (
                np.searchsorted(self.offsets, self.starts + begin[self.night]),
                np.searchsorted(self.offsets, self.starts + end[self.night]),
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
