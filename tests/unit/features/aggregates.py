"""Aggregates of a few values, shared by tests of their algebra."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from nightshift.definition.features import Aggregate
from nightshift.features.partials import Partials, lift, load, lower, merge, store
from nightshift.lake.groups import partial_names

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

# Integers, money, measurements, tiny rates and values in between, all equally likely.
some_values = st.one_of(
    st.floats(-1e15, 1e15, allow_nan=False),
    st.integers(-(10**15), 10**15).map(float),
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.floats(-1e-3, 1e-3, allow_nan=False),
    st.integers(-(10**6), 10**6).map(lambda steps: steps * 1e-18),
    st.sampled_from([0.0, -0.0, 2048.0, -2048.0, 2048.5, 6144.0, 2.0**-15, 3 * 2.0**-15, 2.0**-41, -(2.0**-67)]),
)


def aggregate(agg: str, kind: str = "number") -> Aggregate:
    common = {"source": "s", "by": [], "agg": agg, "type": kind, "windows": ["7d"], "description": "d"}
    return Aggregate.model_validate(
        common | ({"where": "x"} if agg == "rate" else {} if agg == "count" else {"value": "x"})
    )


def lifted(agg: Aggregate, values: Sequence[Any], at: Sequence[int | None] | None = None) -> Partials:
    """The partials of single rows; instants in minutes."""
    kind = {"count": pa.bool_(), "rate": pa.bool_(), "approx_distinct": pa.string()}.get(agg.agg, pa.float64())
    kind = pa.string() if agg.type == "category" else kind
    when = [None if minute is None else EPOCH + timedelta(minutes=minute) for minute in at or []]
    operand = pa.array(values, kind, from_pandas=False)
    return lift(agg, operand, pa.array(when, pa.timestamp("us", "UTC")) if agg.agg == "last" else None)


def merged(agg: Aggregate, rows: Partials, ranges: Sequence[tuple[int, int]]) -> Partials:
    starts, stops = (np.array(ends, np.int64) for ends in (zip(*ranges, strict=True) if ranges else ([], [])))
    return merge(agg, rows, starts, stops)


def features(agg: Aggregate, rows: Partials, ranges: Sequence[tuple[int, int]]) -> list[Any]:
    return lower(agg, merged(agg, rows, ranges)).to_pylist()


def feature(agg: Aggregate, values: Sequence[Any], at: Sequence[int | None] | None = None) -> Any:
    """The feature of all rows, merged at once."""
    [value] = features(agg, lifted(agg, values, at), [(0, len(values))])
    return value


def regrouped(agg: Aggregate, rows: list[tuple[Any, int | None]], chance: random.Random) -> Any:
    """The same feature from shuffled rows, merged in groups that are stored as tiles, loaded and merged."""
    rows = chance.sample(rows, len(rows))
    cuts = sorted(chance.choices(range(len(rows) + 1), k=4))  # some groups are empty
    tiles = []
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        group = rows[start:stop]
        values, at = [value for value, _ in group], [minute for _, minute in group]
        tiles.append(stored(agg, merged(agg, lifted(agg, values, at), [(0, len(group))])))
    loaded = load({part: pa.chunked_array([tile[part] for tile in tiles]) for part in tiles[0]})
    [value] = features(agg, loaded, [(0, len(tiles))])
    return value


def stored(agg: Aggregate, partials: Partials) -> dict[str, pa.Array]:
    """The columns of a tile; a partial that is left out is a null column, as the writer writes it."""
    [rows] = {len(partial) for partial in partials.values()}
    return {
        name: store(name, partials[name]) if name in partials else pa.nulls(rows, pa.float64())
        for name in partial_names(agg)
    }


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal bit for bit; every NaN equals every NaN."""
    return repr(left) == repr(right)
