from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.monitoring.profile import MOST_VALUES, BinnedRows, Profile, learn_bins, profile_rows, profile_slices
from nightshift.registry.bins import Bins, CategoryBins, NumberBins, bins_from_json

numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32), st.integers(-3, 3).map(float))
kinds = st.one_of(st.none(), st.sampled_from(["a", "b", "c", ""]))
rows_of_both = st.lists(st.tuples(numbers, kinds), max_size=20)
TYPES = {"load": "number", "kind": "category"}


def table(rows: list[tuple[float | None, str | None]]) -> pa.Table:
    loads, names = [row[0] for row in rows], [row[1] for row in rows]
    return pa.table({"load": pa.array(loads, pa.float64()), "kind": pa.array(names, pa.string())})


def counted(bins: Bins, values: list[float | None] | list[str | None]) -> list[int]:
    kind = pa.string() if isinstance(bins, CategoryBins) else pa.float64()
    counts: list[int] = profile_rows(pa.table({"it": pa.array(values, kind)}), {"it": bins}).counts["it"].tolist()
    return counts


def numbers_of(values: list[float | None]) -> NumberBins:
    bins = learn_bins(pa.table({"it": pa.array(values, pa.float64())}), {"it": "number"})["it"]
    assert isinstance(bins, NumberBins)
    return bins


def test_numbers_are_cut_at_the_deciles_of_the_reference() -> None:
    bins = numbers_of([float(n) for n in range(1000)])
    assert bins.edges == pytest.approx([99.9, 199.8, 299.7, 399.6, 499.5, 599.4, 699.3, 799.2, 899.1])
    assert bins.centers == pytest.approx([49.5 + 100 * n for n in range(10)])
    assert bins.spread == pytest.approx(np.arange(1000.0).std())
    assert counted(bins, [float(n) for n in range(1000)]) == [100] * 10 + [0, 0]


def test_a_number_falls_into_the_bin_whose_upper_edge_it_does_not_exceed() -> None:
    bins = NumberBins((1.0, 2.0), normal_scores=(0.0,) * 5)
    values = [0.5, 1.0, 1.5, 2.0, 2.5, float("-inf"), float("inf"), None, float("nan")]
    assert counted(bins, values) == [2, 2, 1, 2, 2]


def test_categories_have_a_bin_each_and_unknown_and_missing_values_too() -> None:
    bins = learn_bins(pa.table({"kind": ["b", "a", None, "b"]}), {"kind": "category"})["kind"]
    assert (bins.values, bins.rare) == (("a", "b"), ())
    assert counted(bins, ["c", "d", "a", None]) == [1, 0, 2, 1]


def test_rare_categories_share_a_bin_and_are_not_unknown() -> None:
    names = [f"v{number:03d}" for number in range(MOST_VALUES + 10)]
    values = [name for number, name in enumerate(names) for _ in range(len(names) - number)]
    bins = learn_bins(pa.table({"kind": values}), {"kind": "category"})["kind"]
    assert (bins.values, bins.rare) == (tuple(names[:MOST_VALUES]), tuple(names[MOST_VALUES:]))
    counts = counted(bins, [names[0], names[-1], names[-2], "new", None])
    assert counts == [1, *[0] * (MOST_VALUES - 1), 2, 1, 1]


@given(rows_of_both, rows_of_both)
def test_values_are_counted_as_by_a_plain_loop(
    reference: list[tuple[float | None, str | None]], night: list[tuple[float | None, str | None]]
) -> None:
    bins = learn_bins(table(reference), TYPES)
    profile = profile_rows(table(night), bins)
    edges, vocabulary = bins["load"].edges, bins["kind"].values
    assert list(edges) == sorted(set(edges))
    loads, names = [0] * (len(edges) + 3), [0] * (len(vocabulary) + 2)
    for load, kind in night:
        missing = load is None or np.isnan(load)
        loads[-1 if missing else -2 if np.isinf(load) else sum(edge < load for edge in edges)] += 1
        names[-1 if kind is None else vocabulary.index(kind) if kind in vocabulary else -2] += 1
    assert profile.counts["load"].tolist() == loads
    assert profile.counts["kind"].tolist() == names
    assert profile.rows == len(night)


@given(rows_of_both, st.lists(rows_of_both, min_size=1, max_size=4))
def test_the_profiles_of_parts_add_up_to_that_of_the_whole(
    reference: list[tuple[float | None, str | None]], parts: list[list[tuple[float | None, str | None]]]
) -> None:
    bins = learn_bins(table(reference), TYPES)
    together = profile_rows(table([row for part in parts for row in part]), bins)
    first, *rest = [profile_rows(table(part), bins) for part in parts]
    merged = sum(rest, first)
    assert merged.rows == together.rows
    assert all((merged.counts[name] == together.counts[name]).all() for name in TYPES)
    sum_of_parts, of_all = merged.moments["load"], together.moments["load"]
    assert sum_of_parts.count == of_all.count
    assert (sum_of_parts.mean, sum_of_parts.m2) == (
        pytest.approx(of_all.mean, rel=1e-9),
        pytest.approx(of_all.m2, rel=1e-6, abs=1e-9),
    )
    np.testing.assert_allclose(merged.sums, together.sums, atol=1e-9)
    np.testing.assert_allclose(merged.products, together.products, atol=1e-9)


def test_moments_are_those_of_the_finite_values() -> None:
    values = [1.0, 2.0, 4.0, None, float("nan"), float("inf")]
    bins = numbers_of(values)
    moments = profile_rows(pa.table({"it": pa.array(values, pa.float64())}), {"it": bins}).moments["it"]
    assert (moments.count, moments.mean) == (3, pytest.approx(7 / 3))
    assert moments.spread == pytest.approx(np.std([1.0, 2.0, 4.0]))


def test_products_of_places_are_a_rank_correlation_that_no_value_outweighs() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=20_000)
    y = 0.6 * x + 0.8 * random.normal(size=20_000)
    x[0], y[0] = 1e12, -1e12
    rows = pa.table({"x": x, "y": np.exp(np.clip(y, -50, 50))})
    bins = learn_bins(rows, {"x": "number", "y": "number"})
    profile = profile_rows(rows, bins)
    assert profile.sums == pytest.approx([0, 0], abs=1e-1)
    assert profile.products.diagonal() == pytest.approx([20_000, 20_000], rel=1e-3)
    assert 0.55 < profile.products[0, 1] / 20_000 < 0.6  # deciles lose a little


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_feature_without_any_value_has_a_profile_too(values: list[float | None]) -> None:
    bins = numbers_of(values)
    assert bins.edges == ()
    assert counted(bins, values) == [0, 0, len(values)]
    assert counted(bins, [1.0, None]) == [1, 0, 1]


def test_a_feature_that_never_changes_has_few_bins() -> None:
    bins = numbers_of([3.0] * 100)
    assert bins.edges == (3.0,)
    assert counted(bins, [3.0] * 5) == [5, 0, 0, 0]
    assert counted(bins, [4.0] * 5) == [0, 5, 0, 0]


def test_slices_are_profiled_apart_and_add_up() -> None:
    rows = table([(1.0, "a"), (2.0, "a"), (3.0, "b"), (4.0, None)])
    bins = learn_bins(rows, {"load": "number"})
    profiles = profile_slices(BinnedRows.of(rows, bins), rows, ["kind"])
    assert {name: profile.rows for name, profile in profiles.items()} == {"kind=a": 2, "kind=b": 1}
    assert profiles["kind=b"].moments["load"].mean == 3.0


def test_bins_and_profiles_survive_the_way_through_json() -> None:
    rows = table([(1.0, "a"), (None, "b"), (2.5, None)])
    bins = learn_bins(rows, TYPES)
    assert {name: bins_from_json(json.loads(json.dumps(part.to_json()))) for name, part in bins.items()} == bins
    profile = profile_rows(rows, bins)
    again = Profile.from_json(json.loads(json.dumps(profile.to_json())))
    assert again.to_json() == profile.to_json()
    assert (again + profile).rows == 6
