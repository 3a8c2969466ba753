from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from nightshift.monitoring.profile import bin_codes, learn_bins, profile_rows
from nightshift.monitoring.statistics import (
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    psi,
    statistics,
    total_variation,
    wasserstein,
)
from nightshift.registry.bins import CategoryBins, NumberBins

pairs = st.integers(1, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 5000), min_size=size, max_size=size)] * 2)
)
filled = pairs.filter(lambda both: sum(both[0]) > 0 and sum(both[1]) > 0)


def arrays(both: tuple[list[int], list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(both[0], dtype=float), np.array(both[1], dtype=float)


@pytest.mark.parametrize(
    ("reference", "night", "index"),
    [
        ([100, 100], [100, 100], 0.0),
        ([10, 20, 30], [30, 20, 10], 2 * (30.5 - 10.5) / 61.5 * math.log(30.5 / 10.5)),
        ([100, 100, 100, 100], [10, 20, 30, 40], 0.217994),
        ([1000, 0], [0, 10], 10.156701),
        ([5], [7], 0.0),
    ],
)
def test_the_stability_index_has_reference_values(reference: list[int], night: list[int], index: float) -> None:
    assert psi(*arrays((reference, night))) == pytest.approx(index, abs=1e-6)


@given(pairs)
def test_the_stability_index_is_the_divergence_in_both_directions(both: tuple[list[int], list[int]]) -> None:
    p, q = (counts + 0.5 for counts in arrays(both))
    assert psi(*arrays(both)) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-9)


@given(filled)
def test_the_jensen_shannon_distance_is_that_of_scipy(both: tuple[list[int], list[int]]) -> None:
    p, q = arrays(both)
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-6)


@given(filled)
def test_chi_square_is_that_of_a_contingency_table(both: tuple[list[int], list[int]]) -> None:
    p, q = arrays(both)
    present = (p + q) > 0
    expected = stats.chi2_contingency(np.array([p[present], q[present]]), correction=False).statistic
    assert chi_square(p, q) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(filled)
def test_total_variation_is_the_largest_difference_over_sets_of_categories(both: tuple[list[int], list[int]]) -> None:
    p, q = (counts / counts.sum() for counts in arrays(both))
    assert total_variation(*arrays(both)) == pytest.approx((p - q)[p > q].sum(), abs=1e-12)


SAMPLES = {
    "normal": lambda random, size: random.normal(size=size),
    "skewed": lambda random, size: random.lognormal(size=size),
    "lumpy": lambda random, size: random.integers(0, 4, size).astype(float),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_binned_numbers_are_within_the_stated_error_of_scipy_on_the_raw_values(name: str, shift: float) -> None:
    random = np.random.default_rng(5)
    reference, night = SAMPLES[name](random, 4000), SAMPLES[name](random, 3000) + shift
    bins = learn_bins(pa.table({"it": reference}), {"it": "number"})["it"]
    p, q = (
        profile_rows(pa.table({"it": values}), {"it": bins}).counts["it"][:-2].astype(float)
        for values in (reference, night)
    )
    binned, raw = float(kolmogorov_smirnov(p, q)), stats.ks_2samp(reference, night).statistic
    assert binned <= raw + 1e-12
    assert raw - binned <= max((p / p.sum()).max(), (q / q.sum()).max()) + 1e-12
    centers, spread = np.array(bins.centers), bins.spread
    distance = float(wasserstein(p, q, centers, spread))
    off = sum(np.abs(values - centers[bin_codes(values, bins)]).mean() for values in (reference, night)) / spread
    assert abs(distance - stats.wasserstein_distance(reference, night) / spread) <= off + 1e-12


@given(filled)
def test_every_statistic_is_zero_for_equals_and_never_negative(both: tuple[list[int], list[int]]) -> None:
    p, q = (np.append(counts, [0.0, 0.0]) for counts in arrays(both))
    number = NumberBins(tuple(range(len(p) - 3)), tuple(range(len(p) - 2)))
    for bins in (number, CategoryBins(())):
        same, different = statistics(bins, p, p), statistics(bins, p, q)
        assert all(value == pytest.approx(0, abs=1e-7) for value in same.values())
        assert all(value >= 0 for value in different.values())


def test_a_night_without_any_value_has_the_statistics_that_mean_something() -> None:
    bins = NumberBins((0.5,), (0.0, 1.0))
    values = statistics(bins, np.array([50.0, 50.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 100.0]))
    assert values["missing_share"] == 1.0
    assert values["psi"] > 5
    assert np.isnan(values["kolmogorov_smirnov"]) and np.isnan(values["wasserstein"])


def test_many_nights_are_measured_at_once() -> None:
    random = np.random.default_rng(2)
    night, reference = random.integers(0, 50, (7, 6)).astype(float), random.integers(1, 50, 6).astype(float)
    bins = CategoryBins(())
    for name, values in statistics(bins, reference, night).items():
        assert values == pytest.approx([float(statistics(bins, reference, counts)[name]) for counts in night])
