from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from nightshift.monitoring.drift import measure_drift, population_stability_index
from nightshift.monitoring.profile import reference_profile

pairs = st.integers(1, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 5000), min_size=size, max_size=size)] * 2)
)


def test_the_index_of_two_small_histograms_is_the_one_worked_out_by_hand() -> None:
    # Shares of 10.5, 20.5 and 30.5 of 61.5 against the same turned around: the middle bin adds nothing.
    expected = 2 * (30.5 - 10.5) / 61.5 * math.log(30.5 / 10.5)
    assert population_stability_index([10, 20, 30], [30, 20, 10]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("reference", "night", "index"),
    [
        ([100, 100], [100, 100], 0.0),
        ([10, 20, 30], [30, 20, 10], 0.693562),
        ([100, 100, 100, 100], [10, 20, 30, 40], 0.217994),
        ([1000, 0], [0, 10], 10.156701),
        ([5], [7], 0.0),
    ],
)
def test_the_index_keeps_its_known_values(reference: list[int], night: list[int], index: float) -> None:
    assert population_stability_index(reference, night) == pytest.approx(index, abs=1e-6)


@given(pairs)
def test_the_index_is_the_divergence_in_both_directions(histograms: tuple[list[int], list[int]]) -> None:
    p, q = (np.array(counts) + 0.5 for counts in histograms)
    assert population_stability_index(*histograms) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-9)


@given(pairs)
def test_the_index_is_never_negative_the_same_both_ways_and_zero_for_equals(
    histograms: tuple[list[int], list[int]],
) -> None:
    reference, night = histograms
    index = population_stability_index(reference, night)
    assert index >= 0
    assert index == pytest.approx(population_stability_index(night, reference), abs=1e-12)
    assert population_stability_index(reference, reference) == 0


def test_the_index_does_not_depend_on_the_order_of_the_bins() -> None:
    assert population_stability_index([1, 2, 3], [9, 5, 1]) == pytest.approx(
        population_stability_index([3, 1, 2], [1, 9, 5])
    )


FEATURES = {"same": "number", "moved": "number", "kind": "category"}


def rows(count: int, shift: float, kinds: str) -> pa.Table:
    random = np.random.default_rng(count)
    same, moved = random.normal(size=(2, count))
    return pa.table({"same": same, "moved": moved + shift, "kind": [kinds[i % len(kinds)] for i in range(count)]})


REFERENCE = reference_profile(rows(2000, 0.0, "ab"), FEATURES)


def test_a_night_like_the_reference_has_not_drifted() -> None:
    measured = measure_drift(REFERENCE, rows(1000, 0.0, "ab"), 0.2, 0.3, 4)
    assert [(m.subject, m.statistic, m.verdict) for m in measured] == [
        ("same", "psi", "pass"),
        ("moved", "psi", "pass"),
        ("kind", "psi", "pass"),
        ("night", "drifted_share", "pass"),
    ]
    assert measured[-1].value == 0.0
    assert measured[-1].detail == "0 of 3 features drifted"
    assert {m.sample_size for m in measured} == {1000}
    assert {m.model_version for m in measured} == {4}


def test_every_measured_value_is_kept_with_its_threshold_and_the_worst_are_named() -> None:
    measured = measure_drift(REFERENCE, rows(1000, 1.5, "abcd"), 0.2, 0.3, 4)
    same, moved, kind, night = measured
    assert [m.verdict for m in measured] == ["pass", "warn", "warn", "warn"]
    assert {m.threshold for m in measured[:3]} == {0.2}
    assert (night.value, night.threshold) == (pytest.approx(2 / 3), 0.3)
    assert same.value is not None and moved.value is not None and kind.value is not None
    worst = sorted([moved, kind], key=lambda m: -(m.value or 0))
    listed = ", ".join(f"{m.subject} {m.value:.2f}" for m in worst)
    assert night.detail == f"2 of 3 features drifted, most {listed}"


@pytest.mark.parametrize(("share", "verdict"), [(0.3, "warn"), (1 / 3, "pass"), (0.5, "pass")])
def test_a_night_has_drifted_if_more_than_the_allowed_share_of_its_features_has(share: float, verdict: str) -> None:
    night = measure_drift(REFERENCE, rows(1000, 1.5, "ab"), 0.2, share, 4)[-1]
    assert night.value == pytest.approx(1 / 3)
    assert night.verdict == verdict


def test_missing_values_that_were_not_there_before_are_drift() -> None:
    night = rows(1000, 0.0, "ab")
    half = pa.array([value if i % 2 else None for i, value in enumerate(night["same"].to_pylist())])
    measured = measure_drift(REFERENCE, night.set_column(0, "same", half), 0.2, 0.3, 4)
    assert [m.verdict for m in measured[:3]] == ["warn", "pass", "pass"]


def test_only_the_features_of_the_reference_are_measured() -> None:
    watched = {"kind": REFERENCE["kind"]}
    measured = measure_drift(watched, rows(1000, 1.5, "ab"), 0.2, 0.3, 4)
    assert [m.subject for m in measured] == ["kind", "night"]


def test_without_any_feature_to_watch_nothing_has_drifted() -> None:
    [night] = measure_drift({}, rows(10, 0.0, "ab"), 0.2, 0.3, 4)
    assert (night.value, night.verdict) == (0.0, "pass")
