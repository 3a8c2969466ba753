from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.monitoring.profile import count_bins, reference_profile

numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32), st.integers(-3, 3).map(float))
kinds = st.one_of(st.none(), st.sampled_from(["a", "b", "c", ""]))


def column(values: list[float | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.float64())])


def words(values: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def is_missing(value: float | None) -> bool:
    return value is None or value != value


def test_numbers_are_cut_at_the_deciles_of_the_reference() -> None:
    rows = pa.table({"load": np.arange(1000, dtype=float)})
    profile = reference_profile(rows, {"load": "number"})
    assert profile["load"]["counts"] == [100] * 10 + [0]
    assert profile["load"]["edges"] == pytest.approx([99.9, 199.8, 299.7, 399.6, 499.5, 599.4, 699.3, 799.2, 899.1])


def test_categories_are_counted_by_value_with_a_bin_for_new_and_one_for_missing_ones() -> None:
    profile = reference_profile(pa.table({"kind": ["b", "a", None, "b"]}), {"kind": "category"})
    assert profile["kind"] == {"type": "category", "values": ["a", "b"], "counts": [1, 2, 0, 1]}
    assert count_bins(words(["c", "d", "a", None]), profile["kind"]) == [1, 0, 2, 1]


def test_a_number_falls_into_the_bin_whose_upper_edge_it_does_not_exceed() -> None:
    bins = {"type": "number", "edges": [1.0, 2.0]}
    values = [0.5, 1.0, 1.5, 2.0, 2.5, float("-inf"), float("inf"), None, float("nan")]
    assert count_bins(column(values), bins) == [3, 2, 2, 2]


@given(st.lists(numbers, max_size=30), st.lists(numbers, max_size=30))
def test_numbers_are_counted_as_one_would_by_hand(reference: list[float | None], night: list[float | None]) -> None:
    bins = reference_profile(pa.table({"load": column(reference)}), {"load": "number"})["load"]
    edges = bins["edges"]
    assert edges == sorted(set(edges))
    expected = [0] * (len(edges) + 2)
    for value in night:
        place = len(edges) + 1 if is_missing(value) else sum(edge < value for edge in edges)
        expected[place] += 1
    assert count_bins(column(night), bins) == expected


@given(st.lists(kinds, max_size=30), st.lists(kinds, max_size=30))
def test_categories_are_counted_as_one_would_by_hand(reference: list[str | None], night: list[str | None]) -> None:
    bins = reference_profile(pa.table({"kind": words(reference)}), {"kind": "category"})["kind"]
    known = bins["values"]
    new = sum(value is not None and value not in known for value in night)
    expected = [*(night.count(value) for value in known), new, night.count(None)]
    assert count_bins(words(night), bins) == expected


@given(st.lists(st.lists(numbers, max_size=10), min_size=1, max_size=5), st.lists(numbers, max_size=20))
def test_counts_of_numbers_add_up_however_they_are_split(
    parts: list[list[float | None]], reference: list[float | None]
) -> None:
    bins = reference_profile(pa.table({"load": column(reference)}), {"load": "number"})["load"]
    whole = count_bins(column([value for part in parts for value in part]), bins)
    assert [sum(counts) for counts in zip(*(count_bins(column(part), bins) for part in parts), strict=True)] == whole
    assert count_bins(pa.chunked_array([pa.array(part, pa.float64()) for part in parts]), bins) == whole
    assert sum(whole) == sum(map(len, parts))


@given(st.lists(st.lists(kinds, max_size=10), min_size=1, max_size=5), st.lists(kinds, max_size=20))
def test_counts_of_categories_add_up_however_they_are_split(
    parts: list[list[str | None]], reference: list[str | None]
) -> None:
    bins = reference_profile(pa.table({"kind": words(reference)}), {"kind": "category"})["kind"]
    whole = count_bins(words([value for part in parts for value in part]), bins)
    assert [sum(counts) for counts in zip(*(count_bins(words(part), bins) for part in parts), strict=True)] == whole
    assert sum(whole) == sum(map(len, parts))


def test_a_feature_that_never_changes_has_few_bins_and_never_drifts_from_itself() -> None:
    bins = reference_profile(pa.table({"load": [3.0] * 100}), {"load": "number"})["load"]
    assert bins["edges"] == [3.0]
    assert count_bins(column([3.0] * 5), bins) == [5, 0, 0]
    assert count_bins(column([4.0] * 5), bins) == [0, 5, 0]


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_feature_without_any_value_has_a_profile_too(values: list[float | None]) -> None:
    bins = reference_profile(pa.table({"load": column(values)}), {"load": "number"})["load"]
    assert bins == {"type": "number", "edges": [], "counts": [0, len(values)]}
    assert count_bins(column([1.0, None]), bins) == [1, 1]


def test_a_profile_survives_the_way_through_json() -> None:
    rows = pa.table({"load": column([1.0, None, 2.5]), "kind": ["a", "b", None]})
    profile = reference_profile(rows, {"load": "number", "kind": "category"})
    assert json.loads(json.dumps(profile)) == profile
