from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightshift.monitoring.histograms import Histogram, histograms
from nightshift.monitoring.night_profile import NightProfile
from nightshift.monitoring.profile import learn_bins, profile_rows
from nightshift.registry.reference import SCORES, ModelReference, ReferenceColumn

REFERENCE = pa.table({"kind": ["a", "a", "b", None], "busy": [0.0, 1.0, 2.0, 3.0]})
BINS = learn_bins(REFERENCE, {"kind": "category", "busy": "number"})
COUNTS = profile_rows(REFERENCE, BINS).counts
COLUMNS = {name: ReferenceColumn(bins, tuple(COUNTS[name].tolist())) for name, bins in BINS.items()}
STORED = ModelReference(COLUMNS)


def profiled(**columns: list[object]) -> NightProfile:
    rows = pa.table({"kind": pa.array(columns["kind"], pa.string()), "busy": pa.array(columns["busy"], pa.float64())})
    return NightProfile(profile_rows(rows, BINS), NightProfile.empty(0).scores)


def test_shares_of_a_category_include_new_and_missing_values() -> None:
    night = profiled(kind=["a", "c", "c", None], busy=[1.0] * 4)
    assert histograms(["kind"], STORED, night) == [
        Histogram("kind", ["a", "b", "new", "missing"], [0.5, 0.25, 0.0, 0.25], [0.25, 0.0, 0.5, 0.25])
    ]


def test_numbers_are_named_by_the_edges_of_their_bins() -> None:
    [histogram] = histograms(["busy"], STORED, profiled(kind=["a"] * 2, busy=[99.0, None]))
    assert histogram.bins[-2:] == ["> 2.7", "missing"]
    assert histogram.night[-2:] == [0.5, 0.5] and histogram.reference[-1] == 0.0
    assert sum(histogram.reference) == sum(histogram.night) == 1.0


def test_features_without_rows_on_both_sides_are_left_out() -> None:
    night = profiled(kind=[], busy=[])
    assert histograms(["kind", "scores", "new feature"], STORED, night) == []
    assert (
        histograms(["gone"], ModelReference(COLUMNS | {"gone": COLUMNS["busy"]}), profiled(kind=["a"], busy=[1.0]))
        == []
    )


def test_scores_have_the_name_that_drift_gives_them() -> None:
    bins = learn_bins(pa.table({SCORES: np.linspace(0, 1, 11)}), {SCORES: "number"})
    counted = profile_rows(pa.table({SCORES: [0.05, 0.95]}), bins)
    reference = ModelReference({}, ReferenceColumn(bins[SCORES], tuple(counted.counts[SCORES].tolist())))
    night = NightProfile(profiled(kind=["a"], busy=[1.0]).features, counted)
    assert [histogram.feature for histogram in histograms(["scores"], reference, night)] == ["scores"]
