"""Sums of doubles that do not depend on the order of their terms."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.features import partials
from nightshift.features.partials import LIMBS
from unit.examples import examples
from unit.features.aggregates import aggregate, feature, lifted, merged, some_values

FINEST = Fraction(2) ** LIMBS[-1]
NAMES = tuple(f"sum{number}" for number in range(len(LIMBS)))

several = st.lists(some_values, min_size=1, max_size=60)


def limbs_of(values: Sequence[float]) -> list[list[float]]:
    """The limbs of each value as the code makes them; 0 for one that is left out."""
    limbs = partials._limbs(NAMES, np.array(values))
    return np.stack([limbs.get(name, np.zeros(len(values))) for name in NAMES], axis=1).tolist()


def documented(value: float) -> list[float]:
    """A value as multiples of ever smaller powers of two, with Python's floats."""
    limbs, rest = [], value
    for exponent in LIMBS:
        shift = 1.5 * 2.0 ** (52 + exponent)
        limbs.append((rest + shift) - shift)
        rest -= limbs[-1]
    return limbs


def summed(values: list[float]) -> list[float]:
    """Each limb summed by itself, as the code does it."""
    sums = merged(aggregate("sum"), lifted(aggregate("sum"), values), [(0, len(values))])
    return [float(sums[name][0]) if name in sums else 0.0 for name in NAMES]


def total(sums: list[float]) -> float:
    """The limbs' sum, as the code makes it."""
    [total_of_limbs] = np.broadcast_to(
        partials._total(NAMES, {n: np.array([s]) for n, s in zip(NAMES, sums, strict=True)}), 1
    )
    return float(total_of_limbs)


def rounded(value: float) -> Fraction:
    """A value as the nearest multiple of the finest limb."""
    return round(Fraction(value) / FINEST) * FINEST


def exact(values: list[float]) -> Fraction:
    return sum((rounded(value) for value in values), Fraction(0))


def ulp(value: Fraction) -> Fraction:
    return Fraction(math.ulp(float(value)))


@given(several)
def test_the_code_splits_values_as_documented(values: list[float]) -> None:
    assert limbs_of(values) == [documented(value) for value in values]


@examples(max_examples=300)
@given(st.one_of(some_values, st.floats(-(2.0**64), 2.0**64)))
def test_a_value_is_split_into_multiples_of_powers_of_two_that_add_up_to_it(value: float) -> None:
    [limbs] = limbs_of([value])
    assert all(Fraction(limb) % Fraction(2) ** e == 0 for limb, e in zip(limbs, LIMBS, strict=True))
    assert sum(map(Fraction, limbs)) == rounded(value)
    assert abs(rounded(value) - Fraction(value)) <= FINEST / 2
    # What makes their sums exact: below the first, no limb has more than 25 bits and a sign.
    assert all(abs(limb) <= 2.0 ** (e + 25) for limb, e in zip(limbs[1:], LIMBS[1:], strict=True))


def test_values_are_kept_to_a_hundredth_of_1e_18_and_sums_to_1e27() -> None:
    assert Fraction(1, 10**20) < FINEST <= Fraction(2, 10**20)
    first, second, large = limbs_of([3e-18, 3.02e-18, 1e19 + 2**20])
    assert sum(map(Fraction, first)) != sum(map(Fraction, second))
    assert sum(map(Fraction, [limb * 10**8 for limb in large])) == (Fraction(1e19) + 2**20) * 10**8


@given(several)
def test_only_limbs_that_are_zero_everywhere_are_left_out(values: list[float]) -> None:
    limbs = partials._limbs(NAMES, np.array(values))
    split = [documented(value) for value in values]
    assert list(limbs) == [name for name, limb in zip(NAMES, zip(*split, strict=True), strict=True) if any(limb)]


@examples(max_examples=300)
@given(several, st.randoms(use_true_random=False))
def test_sums_of_limbs_are_exact_and_the_same_in_every_order(values: list[float], chance: random.Random) -> None:
    sums = summed(values)
    assert sum(map(Fraction, sums)) == exact(values)
    assert summed(chance.sample(values, len(values))) == sums


@examples(max_examples=300)
@given(several, st.data())
def test_sums_of_limbs_are_the_same_however_the_rows_are_grouped(values: list[float], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(values)))))
    ranges = list(zip([0, *cuts], [*cuts, len(values)], strict=True))
    agg = aggregate("sum")
    groups = merged(agg, lifted(agg, values), ranges)
    again = merged(agg, groups, [(0, len(ranges))])
    assert [float(again[name][0]) if name in again else 0.0 for name in NAMES] == summed(values)


def cancelling(values: list[float]) -> list[float]:
    """Values with others that leave little of their sum."""
    return [*values, *(-value for value in values[1:]), -rounded_to(values[0], 2.0**-20)]


def rounded_to(value: float, step: float) -> float:
    return round(value / step) * step


@examples(max_examples=300)
@given(st.one_of(several, several.map(cancelling), several.map(lambda values: [abs(value) for value in values])))
def test_a_sum_is_right_to_the_last_place_or_the_one_before(values: list[float]) -> None:
    expected, computed = exact(values), Fraction(feature(aggregate("sum"), values))
    assert abs(computed - expected) <= 2 * ulp(expected)
    assert abs(computed - Fraction(math.fsum(values))) <= 3 * ulp(expected) + len(values) * FINEST


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
    assert abs(Fraction(feature(aggregate("sum"), values)) - expected) <= 2 * ulp(expected)


@pytest.mark.parametrize("rows", [1, 2**10, 2**28])
@pytest.mark.parametrize("value", [2.0**62 / 3, -(2.0**40) / 3, 100 / 3, 0.001, -(2.0**-30) / 3])
def test_the_sum_of_as_many_rows_as_promised_is_right_to_the_last_place_or_the_one_before(
    value: float, rows: int
) -> None:
    [limbs] = limbs_of([value])
    sums = [float(limb * rows) for limb in map(Fraction, limbs)]
    expected = rounded(value) * rows
    assert abs(Fraction(total(sums)) - expected) <= 2 * ulp(expected)


def test_a_million_rows_of_the_largest_limb_are_summed_exactly_in_any_order() -> None:
    """Sums of squares grow fast: those of a thousand million are 1e18 each."""
    squares, ones = [1e18 + 2**12] * 500_000, [float(2**12)] * 500_001
    assert summed(squares + ones) == summed(ones + squares)
    expected = 500_000 * Fraction(squares[0]) + 500_001 * Fraction(ones[0])
    assert sum(map(Fraction, summed(squares + ones))) == expected


@pytest.mark.parametrize("value", [2.0**62 / 3, 2.0**40 / 3, 100 / 3, 0.001, 2.0**-30 / 3])
def test_limbs_of_as_many_rows_as_promised_are_still_exact_to_the_last_row(value: float) -> None:
    """Sums of 2^28 - 1 equal rows and one that is as small as can be: nothing of it is lost."""
    odd = 2**28 - 1
    [limbs] = limbs_of([value])
    sums = [float(limb * odd) for limb in map(Fraction, limbs)]
    assert sum(map(Fraction, sums)) == rounded(value) * odd
    finest = [2.0**exponent for exponent in LIMBS]
    more = [limb + step for limb, step in zip(sums, finest, strict=True)]
    assert [Fraction(after) - Fraction(before) for after, before in zip(more, sums, strict=True)] == finest


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_a_standard_deviation_is_that_of_exact_arithmetic(values: list[float]) -> None:
    fractions = list(map(Fraction, values))
    mean = sum(fractions) / len(fractions)
    expected = math.sqrt(sum((value - mean) ** 2 for value in fractions) / (len(fractions) - 1))
    # What is left where squares cancel: half of the digits of the largest value, and of the finest limb.
    scale = max(map(abs, values))
    assert feature(aggregate("stddev"), values) == pytest.approx(expected, rel=1e-6, abs=scale * 2**-23 + 2**-32)


@given(some_values, st.integers(2, 9))
def test_equal_values_have_no_standard_deviation(value: float, rows: int) -> None:
    value = value if abs(value) < 1e13 else value / 100
    deviation = feature(aggregate("stddev"), [value] * rows)
    # Squares are rounded to multiples of the finest limb: of small values that is not nothing.
    assert deviation == 0.0 if abs(value) >= 2.0**-8 else deviation <= 2.0**-32
