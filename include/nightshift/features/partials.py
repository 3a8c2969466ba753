"""The algebra of aggregates: each row is lifted to partials, partials merge in any order, and are lowered to a feature.

Merging is exactly associative and commutative, so that a feature is the same, bit for bit, however its days are
grouped and in whatever order the rows are read. Lift, merge and lower are the terms of Tangwongsan, Hirzel, Schneider
and Wu, "General incremental sliding-window aggregation" (VLDB 2015).

Sums of floating-point numbers are not associative, so they are kept as five limbs: each value is split, without
error, into multiples of 2^38, 2^12, 2^-14, 2^-40 and 2^-66, and each limb is summed by itself. The limbs' sums are
exact for up to 2^28 rows, so their order does not matter. Values are rounded to multiples of 2^-66 (1.4e-20); sums
may reach 2^91 (2.5e27). A standard deviation sums squares, so its values may reach about 1e13. This is the binned
summation of Demmel and Nguyen, "Fast reproducible floating-point summation" (ARITH 2013), with bins that do not
depend on the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.features import Aggregate
from nightshift.features.sketches import estimate, union
from nightshift.lake.groups import SQUARES_LIMBS, SUM_LIMBS, partial_names

LIMBS = (38, 12, -14, -40, -66)

Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]
# One value a row or group: numbers for sums; integers in the order of doubles for a minimum or maximum; instants in
# microseconds; Arrow arrays for the newest value and for sketches. A limb that is left out is 0 everywhere.
Partial: TypeAlias = Any
Partials: TypeAlias = dict[str, Partial]

_LIMBS = {*SUM_LIMBS, *SQUARES_LIMBS}
_LARGEST, _SMALLEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
# The value of an empty partial, and how two partials are merged.
_EMPTY = {"min": _LARGEST, "max": _SMALLEST, "at": _SMALLEST}
_MERGE = {"min": np.minimum, "max": np.maximum}


def lift(aggregate: Aggregate, operand: pa.Array, at: pa.Array | None = None) -> Partials:
    """The partials of each row by itself.

    Args:
        aggregate: The aggregate.
        operand: The values that it aggregates, one a row: booleans for a count or rate; texts for a distinct count;
            else numbers. Null where the row is not counted.
        at: The rows' instants; only for `last`.
    """
    valid = operand.is_valid().to_numpy(zero_copy_only=False)
    match aggregate.agg:
        case "count" | "rate":
            hits = operand.fill_null(False).to_numpy(zero_copy_only=False).astype(np.int64)
            return {"n": hits} if aggregate.agg == "count" else {"n": valid.astype(np.int64), "hits": hits}
        case "approx_distinct":
            return {"n": valid.astype(np.int64), "sketch": operand}
        case "last":
            assert at is not None
            dated = valid & at.is_valid().to_numpy(zero_copy_only=False)
            # -0.0 becomes 0.0: else the largest of the two would depend on the order of the rows.
            values = operand if aggregate.type == "category" else pc.add(operand, 0.0)
            return {"at": np.where(dated, _instants(at), _SMALLEST), partial_names(aggregate)[1]: values}
    values = operand.fill_null(0.0).to_numpy(zero_copy_only=False)
    if aggregate.agg in {"min", "max"}:
        return {aggregate.agg: np.where(valid, _ordered(values), _EMPTY[aggregate.agg])}
    lifted: Partials = {"n": valid.astype(np.int64)} | _limbs(SUM_LIMBS, values)
    if aggregate.agg == "stddev":
        with np.errstate(over="ignore"):
            lifted |= _limbs(SQUARES_LIMBS, values * values)
    return lifted


def merge(aggregate: Aggregate, partials: Partials, starts: Numbers, stops: Numbers) -> Partials:
    """Merges neighbours.

    Args:
        aggregate: The aggregate.
        partials: Its partials, one value each for some rows or groups.
        starts: Where each range begins. Ranges may overlap and may be empty; sorted by start they merge fastest.
        stops: Where each range ends, exclusively.

    Returns:
        The partials of each range.
    """
    if aggregate.agg == "last":
        return _newest(partials, partial_names(aggregate)[1], starts, stops)
    return {
        part: union(partial, zip(starts.tolist(), stops.tolist(), strict=True))
        if isinstance(partial, pa.Array)
        else _reduce(_MERGE.get(part, np.add), partial, starts, stops, _EMPTY.get(part, 0))
        for part, partial in partials.items()
    }


def merge_groups(aggregate: Aggregate, partials: Partials, groups: Numbers, count: int) -> Partials:
    """Merges the rows of each group, in any order.

    Args:
        aggregate: The aggregate.
        partials: Its partials, one value each for some rows.
        groups: The number of each row's group.
        count: The number of groups; each has a row.

    Returns:
        The partials of each group.
    """
    if aggregate.agg in {"last", "approx_distinct"}:
        # The narrowest type: NumPy sorts integers of two bytes with a radix sort, several times as fast.
        order = np.argsort(groups.astype(np.min_scalar_type(count)), kind="stable")
        starts = np.searchsorted(groups[order], np.arange(count + 1))
        return merge(aggregate, take(partials, order), starts[:-1], starts[1:])
    return {part: _reduce_groups(part, partial, groups, count) for part, partial in partials.items()}


def lower(aggregate: Aggregate, partials: Partials) -> pa.Array:
    """The feature of each range: null where nothing was aggregated."""
    match aggregate.agg:
        case "min" | "max":
            return store(aggregate.agg, partials[aggregate.agg])
        case "last":
            return partials[partial_names(aggregate)[1]]
    n: Numbers = partials["n"]
    # Infinite and huge values give infinities and NaN; NumPy's warnings add nothing.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = np.broadcast_to(_value(aggregate, partials, n.astype(np.float64)), n.shape)
    lacking = n < (2 if aggregate.agg == "stddev" else 1)
    return pa.array(values, pa.float64(), mask=lacking, from_pandas=False)


def take(partials: Mapping[str, Partial], rows: Numbers) -> Partials:
    """The partials of some rows, in their order."""
    return {
        name: part[rows] if isinstance(part, np.ndarray) else part.take(pa.array(rows))
        for name, part in partials.items()
    }


def store(part: str, partial: Partial) -> pa.Array:
    """A partial as a tile's column: null where it is empty."""
    if not isinstance(partial, np.ndarray):
        return partial
    if part not in _EMPTY:
        return pa.array(partial)
    empty = partial == _EMPTY[part]
    if part == "at":
        return pa.array(partial, pa.int64(), mask=empty).cast(pa.timestamp("us", "UTC"))
    return pa.array(_doubles(np.where(empty, 0, partial)), pa.float64(), mask=empty, from_pandas=False)


def load(columns: Mapping[str, pa.ChunkedArray]) -> Partials:
    """The inverse of `store` for an aggregate's partials; a limb that is null everywhere is left out."""
    return {
        part: _load(part, column.combine_chunks())
        for part, column in columns.items()
        if part not in _LIMBS or column.null_count < len(column)
    }


def stack(blocks: Sequence[Partials]) -> Partials:
    """Concatenates the partials of several blocks of rows or groups."""
    return {
        part: np.concatenate([partials[part] for partials in blocks])
        if isinstance(first, np.ndarray)
        else pa.concat_arrays([partials[part] for partials in blocks])
        for part, first in blocks[0].items()
    }


def _load(part: str, column: pa.Array) -> Partial:
    if part in {"last", "last_text", "sketch"}:
        return column
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    filled = column.fill_null(0) if column.null_count else column
    match part:
        case "at":
            values = _instants(column)
        case "min" | "max":
            values = _ordered(filled.to_numpy())
        case _:
            return filled.to_numpy()
    return np.where(valid, values, _EMPTY[part])


def _value(aggregate: Aggregate, partials: Partials, n: Numbers) -> Numbers | float:
    """The feature of ranges with enough rows."""
    match aggregate.agg:
        case "count":
            return n
        case "rate":
            return np.asarray(partials["hits"] / n)
        case "approx_distinct":
            return np.array([estimate(sketch) for sketch in partials["sketch"].to_pylist()], np.float64)
        case "sum":
            return _total(SUM_LIMBS, partials)
        case "mean":
            return _total(SUM_LIMBS, partials) / n
        case _:
            return _spread(_total(SUM_LIMBS, partials), _total(SQUARES_LIMBS, partials), n)


def _spread(total: Numbers | float, squares: Numbers | float, n: Numbers) -> Numbers:
    """The sample standard deviation.

    Where the squares of nearly equal numbers cancel, the rest is rounding error, not spread: it is 0 below 2^-48 of the
    squares plus the error of keeping each of them to 2^-66.
    """
    deviations = squares - total * total / n
    deviations = np.where(deviations <= squares * 2.0**-48 + n * 2.0 ** LIMBS[-1], 0.0, deviations)
    return np.asarray(np.sqrt(deviations / (n - 1)))


def _reduce(operation: np.ufunc, values: Numbers, starts: Numbers, stops: Numbers, empty: int) -> Numbers:
    # reduceat reduces from each index to the next: every second result is a range of ours. The padding after the last
    # row lets a range end with it.
    padded = np.append(values, values.dtype.type(empty))
    indices = np.stack([starts, stops], axis=1).ravel()
    with np.errstate(invalid="ignore"):
        merged = operation.reduceat(padded, indices)[::2] if len(starts) else padded[:0]
    return np.where(starts < stops, merged, padded[-1])


def _reduce_groups(part: str, values: Numbers, groups: Numbers, count: int) -> Numbers:
    if part not in _MERGE:
        # Sums are exact in doubles whatever they count, see the limbs.
        return np.bincount(groups, values, count).astype(values.dtype)
    reduced = np.full(count, _EMPTY[part])
    _MERGE[part].at(reduced, groups, values)
    return reduced


def _newest(partials: Partials, name: str, starts: Numbers, stops: Numbers) -> Partials:
    """The value of the latest instant, the largest among equals."""
    at, values = partials["at"], partials[name]
    if not len(at):
        return {"at": np.full(len(starts), _SMALLEST), name: pa.nulls(len(starts), values.type)}
    # Every row's rank in the order of instants and values; -1 for a row that has none.
    order = np.lexsort((pc.rank(values, tiebreaker="dense").to_numpy(), at))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    ranks[at == _SMALLEST] = -1
    newest = _reduce(np.maximum, ranks, starts, stops, -1)
    rows, empty = order[newest], newest < 0
    return {"at": np.where(empty, _SMALLEST, at[rows]), name: values.take(pa.array(rows, mask=empty))}


def _limbs(names: Sequence[str], values: Numbers) -> Partials:
    """Splits numbers into multiples of powers of two that add up to them exactly.

    Adding and subtracting 1.5·2^(52+e) rounds a double to the nearest multiple of 2^e. A limb that is 0 in every
    number, as most outer limbs are, is left out.
    """
    limbs, rest = {}, values
    with np.errstate(invalid="ignore", over="ignore"):
        for name, exponent in zip(names, LIMBS, strict=True):
            shift = 1.5 * 2.0 ** (52 + exponent)
            limbs[name] = (rest + shift) - shift
            rest = rest - limbs[name]
    return {name: limb for name, limb in limbs.items() if limb.any()}


def _total(names: Sequence[str], partials: Mapping[str, Any]) -> Numbers | float:
    """The sum of the limbs: the excess of each limb is carried to the next first, so that no large values cancel."""
    rests: list[Numbers | float] = []
    carry: Numbers | float = 0.0
    for name, exponent in zip(reversed(names[1:]), reversed(LIMBS[:-1]), strict=True):
        limb, shift = partials.get(name, 0.0) + carry, 1.5 * 2.0 ** (52 + exponent)
        carry = (limb + shift) - shift
        rests.append(limb - carry)
    total: Numbers | float = sum(rests[1:], rests[0]) + (partials.get(names[0], 0.0) + carry)
    return total


def _ordered(values: Numbers) -> Numbers:
    """Doubles as integers in the same order; NaN is the largest, as in Spark."""
    return _flipped(np.where(np.isnan(values), np.nan, values).view(np.int64))


def _doubles(ordered: Numbers) -> Numbers:
    """The inverse of `_ordered`."""
    return _flipped(ordered).view(np.float64)


def _flipped(bits: Numbers) -> Numbers:
    """Inverts the bits of negative numbers except the sign: doubles order them by magnitude."""
    return np.asarray(bits ^ ((bits >> 63) & _LARGEST))


def _instants(at: pa.Array) -> Numbers:
    instants: Numbers = at.cast(pa.timestamp("us", at.type.tz)).cast(pa.int64()).fill_null(0).to_numpy()
    return instants
