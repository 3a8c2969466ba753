"""Distinct counts that merge: HyperLogLog sketches of Apache DataSketches, in the format that Spark uses."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor
from typing import Any

import pyarrow as pa
from datasketches import hll_sketch, hll_union

SKETCH_BITS = 12  # a relative standard error of 1.6 per cent


def union(sketches: pa.Array, ranges: Iterable[tuple[int, int]]) -> pa.Array:
    """Merges the sketches or texts of each range into a sketch; null where a range has none.

    Args:
        sketches: Sketches, or texts that are not in a sketch yet.
        ranges: Where each range begins and, exclusively, ends.
    """
    # Equal values, or equal sketches, are parsed once.
    encoded = sketches.dictionary_encode()
    parsed = [_sketch(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy()
    unions: list[bytes | None] = []
    for start, stop in ranges:
        merged: Any = None
        for code in set(codes[start:stop].tolist()) - {-1}:
            merged = merged or hll_union(SKETCH_BITS)
            merged.update(parsed[code])
        unions.append(merged and merged.get_result().serialize_compact())
    return pa.array(unions, pa.binary())


def _sketch(value: str | bytes) -> Any:
    if isinstance(value, bytes):
        return hll_sketch.deserialize(value)
    sketch = hll_sketch(SKETCH_BITS)
    # The library ignores an empty text: it is stored as "\0". A text that begins with "\0" gets one more.
    sketch.update(value if value and not value.startswith("\0") else f"\0{value}")
    return sketch


def estimate(sketch: bytes | None) -> float:
    """The estimated number of distinct values in a sketch: an integer, as Spark's `hll_sketch_estimate` returns it.

    The estimate of a merged sketch depends on its content only; that of a sketch that was never merged depends on the
    order of its values. So the sketch is merged with itself.
    """
    if sketch is None:
        return 0.0
    merged = hll_union(SKETCH_BITS)
    for operand in [_sketch(sketch)] * 2:
        merged.update(operand)
    return float(floor(merged.get_estimate() + 0.5))
