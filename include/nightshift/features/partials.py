"""The algebra of aggregates: partial aggregates that merge in any order, and what is made of them at the end.

Every aggregation is a set of partials. A partial is computed from the rows of a day, merged from partials of
several days, and finished into the feature. Merging is exactly associative and commutative, so that a feature
is the same, bit for bit, however its days were grouped and in whatever order Spark met the rows.

Sums of floating-point numbers are not associative, so they are kept as five limbs: each value is split, without
error, into multiples of 2^38, 2^12, 2^-14, 2^-40 and 2^-66, and each limb is summed by itself. The limbs' sums are
exact for up to 2^28 rows, so their order does not matter. Values are rounded to multiples of 2^-66 (1.4e-20); sums
may reach 2^91 (2.5e27). A standard deviation sums squares, so its values may reach about 1e13. This is the binned
summation of Demmel and Nguyen, "Fast reproducible floating-point summation" (ARITH 2013), with bins that do not
depend on the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nightshift.definition.model import Aggregate

if TYPE_CHECKING:
    from pyspark.sql import Column

LIMBS = (38, 12, -14, -40, -66)
SKETCH_BITS = 12  # of a distinct count's HyperLogLog sketch: a relative standard error of 1.6 per cent

Get = Callable[[str], "Column"]

_SUM = tuple(f"sum{limb}" for limb in range(len(LIMBS)))
_SQUARES = tuple(f"squares{limb}" for limb in range(len(LIMBS)))

_PARTS: dict[str, tuple[str, ...]] = {
    "count": ("n",),
    "rate": ("n", "hits"),
    "sum": ("n", *_SUM),
    "mean": ("n", *_SUM),
    "stddev": ("n", *_SUM, *_SQUARES),
    "min": ("min",),
    "max": ("max",),
    "approx_distinct": ("n", "sketch"),
}
_TYPES = {"n": "integer", "hits": "integer", "at": "timestamp", "last_text": "string", "sketch": "binary"}


def parts(aggregate: Aggregate) -> tuple[str, ...]:
    """The names of an aggregate's partials."""
    if aggregate.agg == "last":
        return ("at", "last_text" if aggregate.type == "category" else "last")
    return _PARTS[aggregate.agg]


def part_types(name: str, aggregate: Aggregate) -> dict[str, str]:
    """An aggregate's columns in a tile, with their types."""
    return {f"{name}__{part}": _TYPES.get(part, "number") for part in parts(aggregate)}


def from_rows(aggregate: Aggregate) -> dict[str, Column]:
    """Each partial over the rows of a group. A `last` needs the rows' instant as the column `_at`."""
    from pyspark.sql import functions as F

    if aggregate.agg in {"count", "rate"}:
        condition = F.expr(aggregate.where) if aggregate.where else F.lit(True)
        made = {"n": F.count_if(condition)}
        return made if aggregate.agg == "count" else {"n": F.count(condition), "hits": F.count_if(condition)}
    value = F.expr(str(aggregate.value))
    value = F.when(F.expr(aggregate.where), value) if aggregate.where else value
    match aggregate.agg:
        case "approx_distinct":
            return {"n": F.count(value), "sketch": F.hll_sketch_agg(value.cast("string"), SKETCH_BITS)}
        case "last":
            return _last(parts(aggregate)[1], F.col("_at"), value)
    number = value.cast("double")
    made = {"n": F.count(number), "min": F.min(number), "max": F.max(number)}
    made |= {name: F.sum(limb) for name, limb in zip(_SUM, _limbs(number), strict=True)}
    made |= {name: F.sum(limb) for name, limb in zip(_SQUARES, _limbs(number * number), strict=True)}
    return {part: made[part] for part in parts(aggregate)}


def from_parts(aggregate: Aggregate, part: Get) -> dict[str, Column]:
    """Each partial merged over partials of the same group.

    Args:
        aggregate: The aggregate.
        part: Gives the column of a partial by its name; null where it is not to be counted.
    """
    from pyspark.sql import functions as F

    if aggregate.agg == "last":
        name = parts(aggregate)[1]
        return _last(name, part("at"), part(name))
    merge: dict[str, Callable[[Column], Column]] = {"min": F.min, "max": F.max, "sketch": F.hll_union_agg}
    return {name: merge.get(name, F.sum)(part(name)) for name in parts(aggregate)}


def finish(aggregate: Aggregate, part: Get) -> Column:
    """The feature from its merged partials: null where nothing was aggregated."""
    from pyspark.sql import functions as F

    match aggregate.agg:
        case "count":
            return F.nullif(part("n"), F.lit(0)).cast("double")
        case "min" | "max":
            return part(aggregate.agg)
        case "last":
            return part(parts(aggregate)[1])
    return F.when(part("n") > 0, _value(aggregate, part))


def _value(aggregate: Aggregate, part: Get) -> Column:
    """The feature of at least one row."""
    from pyspark.sql import functions as F

    match aggregate.agg:
        case "rate":
            return part("hits").cast("double") / part("n")
        case "approx_distinct":
            # The estimate of a sketch that was merged depends on nothing but what it holds; that of one that never
            # was depends on the order of its values.
            return F.hll_sketch_estimate(F.hll_union(part("sketch"), part("sketch"))).cast("double")
        case "sum":
            return _total(_SUM, part)
        case "mean":
            return _total(_SUM, part) / part("n")
        case _:
            return _spread(_total(_SUM, part), _total(_SQUARES, part), part("n").cast("double"))


def _spread(total: Column, squares: Column, n: Column) -> Column:
    """The sample standard deviation; null for a single row.

    What is left when squares of nearly equal numbers cancel is rounding, not spread: below 2^-48 of the
    squares it is 0.
    """
    from pyspark.sql import functions as F

    left = squares - total * total / n
    # Spark takes NaN for the largest number of all.
    left = F.when(~F.isnan(left) & (left <= squares * F.lit(2.0**-48)), F.lit(0.0)).otherwise(left)
    return F.when(n > 1, F.sqrt(left / (n - 1)))


def _last(name: str, at: Column, value: Column) -> dict[str, Column]:
    """The value of the latest instant, the largest among equals; a row without a value or instant is none."""
    from pyspark.sql import functions as F

    known = at.isNotNull() & value.isNotNull()
    order = F.when(known, F.struct(at, value))
    return {"at": F.max(F.when(known, at)), name: F.max_by(value, order)}


def _limbs(value: Column) -> list[Column]:
    """Splits numbers into multiples of powers of two that add up to them exactly.

    Adding and subtracting 1.5·2^(52+e) rounds a double to the nearest multiple of 2^e.
    """
    from pyspark.sql import functions as F

    limbs, rest = [], value
    for exponent in LIMBS:
        shift = F.lit(1.5 * 2.0 ** (52 + exponent))
        limbs.append((rest + shift) - shift)
        rest = rest - limbs[-1]
    return limbs


def _total(names: tuple[str, ...], part: Get) -> Column:
    """The limbs' sum: what a limb holds beyond its size is carried first, so that nothing large is left to cancel."""
    from pyspark.sql import functions as F

    rests, carry = [], F.lit(0.0)
    for name, exponent in zip(reversed(names[1:]), reversed(LIMBS[:-1]), strict=True):
        limb, shift = part(name) + carry, F.lit(1.5 * 2.0 ** (52 + exponent))
        carry = (limb + shift) - shift
        rests.append(limb - carry)
    total = rests[0]
    for rest in rests[1:]:
        total = total + rest
    return total + (part(names[0]) + carry)
