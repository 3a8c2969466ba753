"""Distinct counts that merge: HyperLogLog sketches of Apache DataSketches, the format of Spark's own."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor
from typing import Any

import pyarrow as pa
from datasketches import hll_sketch, hll_union

SKETCH_BITS = 12  # a relative standard error of 1.6 per cent


def union(sketches: pa.Array, ranges: Iterable[tuple[int, int]]) -> pa.Array:
    """A sketch of what each range holds; null where that is nothing.

    Args:
        sketches: Sketches, or texts that are in no sketch yet.
        ranges: Where each range begins and, exclusively, ends.
    """
    # Equal values, or equal sketches, are read once.
    encoded = sketches.dictionary_encode()
    read = [_sketch(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy()
    found: list[bytes | None] = []
    for start, stop in ranges:
        merged: Any = None
        for code in set(codes[start:stop].tolist()) - {-1}:
            merged = merged or hll_union(SKETCH_BITS)
            merged.update(read[code])
        found.append(merged and merged.get_result().serialize_compact())
    return pa.array(found, pa.binary())


def _sketch(value: str | bytes) -> Any:
    if isinstance(value, bytes):
        return hll_sketch.deserialize(value)
    sketch = hll_sketch(SKETCH_BITS)
    # The library takes an empty text for none; it gets a character of its own, and what begins with that another one.
    sketch.update(value if value and not value.startswith("\0") else f"\0{value}")
    return sketch


def estimate(sketch: bytes | None) -> float:
    """How many different values a sketch holds: a whole number, as Spark's `hll_sketch_estimate` gives.

    The estimate of a sketch that was merged depends on nothing but what it holds; that of one that never was depends
    on the order of its values.
    """
    if sketch is None:
        return 0.0
    merged = hll_union(SKETCH_BITS)
    for one in [_sketch(sketch)] * 2:
        merged.update(one)
    return float(floor(merged.get_estimate() + 0.5))
