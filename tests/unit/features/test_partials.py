"""The arithmetic of exact sums, with Python's floats in place of Spark's columns: both are IEEE 754 doubles."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nightshift.definition.model import Aggregate
from nightshift.features import partials
from nightshift.features.partials import LIMBS, part_types, parts

FINEST = Fraction(2) ** LIMBS[-1]

# Integers, money, measurements, tiny rates, and whatever lies between; each as likely as the others.
some_values = st.one_of(
    st.floats(-1e15, 1e15, allow_nan=False),
    st.integers(-(10**15), 10**15).map(float),
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.floats(-1e-3, 1e-3, allow_nan=False),
    st.integers(-(10**6), 10**6).map(lambda steps: steps * 1e-18),
    st.sampled_from([0.0, -0.0, 2048.0, -2048.0, 2048.5, 6144.0, 2.0**-15, 3 * 2.0**-15, 2.0**-41, -(2.0**-67)]),
)
several = st.lists(some_values, min_size=1, max_size=60)


def limbs_of(value: float) -> list[float]:
    """A value as multiples of ever smaller powers of two, as documented."""
    found, rest = [], value
    for exponent in LIMBS:
        shift = 1.5 * 2.0 ** (52 + exponent)
        found.append((rest + shift) - shift)
        rest -= found[-1]
    return found


def summed(values: list[float]) -> list[float]:
    """Each limb summed by itself, one value after the other."""
    sums = [0.0] * len(LIMBS)
    for value in values:
        sums = [total + limb for total, limb in zip(sums, limbs_of(value), strict=True)]
    return sums


def total(sums: list[float]) -> float:
    """The limbs' sum, as the code makes it."""
    names = tuple(f"sum{number}" for number in range(len(LIMBS)))
    return float(partials._total(names, dict(zip(names, sums, strict=True)).__getitem__))


def rounded(value: float) -> Fraction:
    """A value as the nearest multiple of the finest limb."""
    return round(Fraction(value) / FINEST) * FINEST


def exact(values: list[float]) -> Fraction:
    return sum((rounded(value) for value in values), Fraction(0))


def ulp(value: Fraction) -> Fraction:
    return Fraction(math.ulp(float(value)))


@pytest.fixture(scope="module", autouse=True)
def floats() -> Iterator[None]:
    """Spark's columns are built by operators alone: with literals left as they are, numbers go through them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyspark.sql.functions.lit", lambda value: value)
        yield


@given(some_values)
def test_the_code_splits_values_as_documented(value: float) -> None:
    assert partials._limbs(value) == limbs_of(value)


@examples(max_examples=300)
@given(st.one_of(some_values, st.floats(-(2.0**64), 2.0**64)))
def test_a_value_is_split_into_multiples_of_powers_of_two_that_add_up_to_it(value: float) -> None:
    found = limbs_of(value)
    assert all(Fraction(limb) % Fraction(2) ** e == 0 for limb, e in zip(found, LIMBS, strict=True))
    assert sum(map(Fraction, found)) == rounded(value)
    assert abs(rounded(value) - Fraction(value)) <= FINEST / 2
    # What makes their sums exact: below the first, no limb has more than 25 bits and a sign.
    assert all(abs(limb) <= 2.0 ** (e + 25) for limb, e in zip(found[1:], LIMBS[1:], strict=True))


def test_values_are_kept_to_a_hundredth_of_1e_18_and_sums_to_1e27() -> None:
    assert Fraction(1, 10**20) < FINEST <= Fraction(2, 10**20)
    assert sum(map(Fraction, limbs_of(3e-18))) != sum(map(Fraction, limbs_of(3.02e-18)))
    sums = [total * 10**8 for total in limbs_of(1e19 + 2**20)]
    assert sum(map(Fraction, sums)) == (Fraction(1e19) + 2**20) * 10**8


@examples(max_examples=300)
@given(several, st.randoms(use_true_random=False))
def test_sums_of_limbs_are_exact_and_the_same_in_every_order(values: list[float], chance: random.Random) -> None:
    sums = summed(values)
    assert sum(map(Fraction, sums)) == exact(values)
    shuffled = chance.sample(values, len(values))
    assert summed(shuffled) == sums


@examples(max_examples=300)
@given(several, st.data())
def test_sums_of_limbs_are_the_same_however_the_rows_are_grouped(values: list[float], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(values)))))
    groups = [values[start:end] for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True)]
    merged = [sum(column) for column in zip(*(summed(group) for group in groups), strict=True)]
    assert merged == summed(values)


def cancelling(values: list[float]) -> list[float]:
    """Values with others that leave little of their sum."""
    return [*values, *(-value for value in values[1:]), -rounded_to(values[0], 2.0**-20)]


def rounded_to(value: float, step: float) -> float:
    return round(value / step) * step


@examples(max_examples=300)
@given(st.one_of(several, several.map(cancelling), several.map(lambda values: [abs(value) for value in values])))
def test_a_sum_is_right_to_the_last_place_or_the_one_before(values: list[float]) -> None:
    expected, found = exact(values), Fraction(total(summed(values)))
    assert abs(found - expected) <= 2 * ulp(expected)
    assert abs(found - Fraction(math.fsum(values))) <= 3 * ulp(expected) + len(values) * FINEST


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([2049.0, 2049.0, -4098.0, 1e-15], id="what is left is small"),
        pytest.param([3e3, 3e3, -6e3, 0.1, 1e-9], id="what is left is less small"),
        pytest.param([2100.7, 2100.7, -4201.4 + 1e-6], id="two readings and their reversal"),
        pytest.param([1e15, 1e15, -2e15, 2.0**-66], id="what is left is the least there is"),
    ],
)
def test_a_sum_whose_large_terms_cancel_is_what_is_left(values: list[float]) -> None:
    """Every limb's sum is exact: nothing is lost before the limbs are added up, and nothing need be then."""
    expected = exact(values)
    assert abs(Fraction(total(summed(values))) - expected) <= 2 * ulp(expected)


@pytest.mark.parametrize("values", [[math.nan], [1.0, math.nan, 2.0], [math.inf, -math.inf], [-math.inf, 1.0]])
def test_a_sum_with_what_is_not_finite_is_not_finite(values: list[float]) -> None:
    assert not math.isfinite(total(summed(values)))


@pytest.mark.parametrize("rows", [1, 2**10, 2**28])
@pytest.mark.parametrize("value", [2.0**62 / 3, -(2.0**40) / 3, 100 / 3, 0.001, -(2.0**-30) / 3])
def test_the_sum_of_as_many_rows_as_promised_is_right_to_the_last_place_or_the_one_before(
    value: float, rows: int
) -> None:
    sums = [float(limb * rows) for limb in map(Fraction, limbs_of(value))]
    expected = rounded(value) * rows
    assert abs(Fraction(total(sums)) - expected) <= 2 * ulp(expected)


def test_a_million_rows_of_the_largest_limb_are_summed_exactly_in_any_order() -> None:
    """Sums of squares grow fast: those of a thousand million are 1e18 each."""
    squares, ones = [1e18 + 2**12] * 2000, [float(2**12)] * 2001
    assert summed(squares + ones) == summed(ones + squares)
    assert sum(map(Fraction, summed(squares + ones))) == exact(squares + ones)


@pytest.mark.parametrize("value", [2.0**62 / 3, 2.0**40 / 3, 100 / 3, 0.001, 2.0**-30 / 3])
def test_limbs_of_as_many_rows_as_promised_are_still_exact_to_the_last_row(value: float) -> None:
    """Sums of 2^28 - 1 equal rows and one that is as small as can be: nothing of it is lost."""
    odd = 2**28 - 1
    sums = [float(limb * odd) for limb in map(Fraction, limbs_of(value))]
    assert sum(map(Fraction, sums)) == rounded(value) * odd
    finest = [2.0**exponent for exponent in LIMBS]
    more = [limb + step for limb, step in zip(sums, finest, strict=True)]
    assert [Fraction(after) - Fraction(before) for after, before in zip(more, sums, strict=True)] == finest


# ---- which partials there are


def aggregate(agg: str, kind: str = "number") -> Aggregate:
    told = {"source": "s", "by": [], "agg": agg, "type": kind, "windows": ["7d"], "description": "d"}
    return Aggregate.model_validate(
        told | ({"where": "x"} if agg == "rate" else {} if agg == "count" else {"value": "x"})
    )


@pytest.mark.parametrize(
    ("agg", "expected"),
    [
        ("count", {"a__n": "integer"}),
        ("rate", {"a__n": "integer", "a__hits": "integer"}),
        ("min", {"a__min": "number"}),
        ("max", {"a__max": "number"}),
        ("approx_distinct", {"a__n": "integer", "a__sketch": "binary"}),
        ("last", {"a__at": "timestamp", "a__last": "number"}),
    ],
)
def test_each_aggregation_has_its_partials(agg: str, expected: dict[str, str]) -> None:
    assert part_types("a", aggregate(agg)) == expected


def test_the_last_of_a_text_is_kept_as_a_text() -> None:
    assert part_types("a", aggregate("last", "category")) == {"a__at": "timestamp", "a__last_text": "string"}


@pytest.mark.parametrize(("agg", "sums"), [("sum", 1), ("mean", 1), ("stddev", 2)])
def test_what_is_added_up_has_a_partial_for_every_limb(agg: str, sums: int) -> None:
    kinds = part_types("a", aggregate(agg))
    assert len(kinds) == 1 + sums * len(LIMBS)
    assert kinds.pop("a__n") == "integer"
    assert set(kinds.values()) == {"number"}
    assert len(parts(aggregate(agg))) == len(set(parts(aggregate(agg))))
