from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nightshift.monitoring import drift
from nightshift.monitoring.correlations import FourthMoments, fisher_z, learn_correlations, select_columns
from nightshift.monitoring.drift import measure_drift
from nightshift.monitoring.profile import BinnedRows, learn_bins, profile_rows
from nightshift.monitoring.reference import drift_baseline, make_reference, with_thresholds
from nightshift.registry.bins import Bins
from nightshift.registry.reference import NO_REFERENCE, SCORES, ModelReference
from nightshift.types import Measurement
from unit.monitoring.worlds import (
    CATEGORIES,
    FEATURES,
    NUMBERS,
    ONCE_IN_90,
    TYPES,
    baseline_of,
    dated,
    measured,
    night_of,
    of_night,
    reference_of,
    rows_of,
)

LAYERS = ("input_drift", "joint_drift", "prediction_drift")
OF_NUMBERS = ["psi", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "infinite_share", "missing_share"]
OF_CATEGORIES = ["psi", "jensen_shannon", "chi_square", "total_variation", "unknown_share", "missing_share"]


@pytest.fixture(scope="module")
def reference() -> ModelReference:
    return reference_of(60, 200)


def night(size: int = 500, **change: float) -> pa.Table:
    return rows_of(np.random.default_rng(4), size, **change)


def with_column(rows: pa.Table, name: str, values: Any) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, pa.array(values, rows.schema.field(name).type))


def of(measurements: list[Measurement], subject: str) -> dict[str, Measurement]:
    return {row.statistic: row for row in measurements if row.subject == subject}


@pytest.mark.slow
def test_every_statistic_of_every_feature_and_of_the_scores_has_a_threshold(
    reference: ModelReference,
) -> None:
    measurements = measured(reference, night())
    expected = [(name, row) for name in NUMBERS for row in OF_NUMBERS]
    expected += [(name, row) for name in CATEGORIES for row in OF_CATEGORIES]
    expected += [("night", "input_drift"), ("night", "weighted_drift"), ("night", "joint_drift")]
    expected += [*(("scores", row) for row in OF_NUMBERS), ("night", "prediction_drift")]
    assert [(row.subject, row.statistic) for row in measurements] == expected
    assert {row.verdict for row in measurements} == {"pass"}
    assert {(row.sample_size, row.model_version) for row in measurements} == {(500, 3)}
    bounded = [row for row in measurements if row.statistic != "weighted_drift"]
    assert all(row.value is not None and row.threshold is not None and row.value <= row.threshold for row in bounded)


def test_the_drift_of_a_night_is_its_largest_value_and_names_it(reference: ModelReference) -> None:
    measurements = measured(reference, night(shift=1.0, moved=0.3))
    overall = of_night(measurements)["input_drift"]
    ratios = {
        (row.subject, row.statistic): row.value / row.threshold
        for row in measurements
        if row.subject in FEATURES and row.value is not None and row.threshold
    }
    assert overall.value == pytest.approx(max(ratios.values()))
    assert (overall.threshold, overall.verdict) == (1.0, "warn")
    assert overall.detail.startswith("2 of 20 features beyond a threshold, most ")
    assert "number_0 (" in overall.detail and "category_0 (" in overall.detail
    assert {row.subject for row in measurements if row.subject in FEATURES and row.verdict == "warn"} == {
        "number_0",
        "category_0",
    }


def test_drift_is_weighted_by_importance(reference: ModelReference) -> None:
    """Importances are 0.3 and 0.1; the one below zero counts as none."""
    assert of_night(measured(reference, night(shift=1.0)))["weighted_drift"].value == pytest.approx(0.75)
    assert of_night(measured(reference, night(moved=0.3)))["weighted_drift"].value == pytest.approx(0.25)
    assert of_night(measured(reference, night()))["weighted_drift"].value == 0.0
    unweighted = replace(night_of(reference, night()), importance={})
    weighted = of_night(measure_drift(unweighted, baseline_of(reference)))["weighted_drift"]
    assert (weighted.value, weighted.verdict) == (None, "unknown")


def test_scores_that_moved_are_prediction_drift_alone(reference: ModelReference) -> None:
    rows = night()
    moved = with_column(rows, SCORES, np.sqrt(rows[SCORES].to_numpy()))
    measurements = of_night(measured(reference, moved))
    assert [measurements[layer].verdict for layer in LAYERS] == ["pass", "pass", "warn"]
    assert "1 of the scores beyond a threshold" in measurements["prediction_drift"].detail


# ---- bad input


def test_an_all_null_feature_is_drift_and_its_other_statistics_are_unknown(reference: ModelReference) -> None:
    measurements = measured(reference, with_column(night(), "number_3", [None] * 500))
    it = of(measurements, "number_3")
    assert (it["missing_share"].value, it["missing_share"].verdict) == (1.0, "warn")
    assert (it["wasserstein"].value, it["wasserstein"].verdict) == (None, "unknown")
    assert of_night(measurements)["input_drift"].verdict == "warn"


def test_a_feature_without_most_values_on_every_night_does_not_set_the_drift_of_the_night() -> None:
    def without_most(rows: pa.Table) -> pa.Table:
        values = [None if place % 10 else value for place, value in enumerate(rows["number_3"].to_pylist())]
        return with_column(rows, "number_3", values)

    def times(row: Measurement) -> float:
        assert row.value is not None and row.threshold is not None
        return row.value / row.threshold

    random = np.random.default_rng(1)
    days = dated([without_most(rows_of(random, 200)) for _ in range(30)])
    reference = make_reference(days.drop_columns([SCORES]), TYPES, days.select([SCORES, "score_date"]))
    reference = with_thresholds(reference, FEATURES, ONCE_IN_90)
    measurements = measured(reference, without_most(night()))
    overall, level = of_night(measurements)["input_drift"], of(measurements, "number_3")["missing_share"]
    assert times(overall) < times(level) < 1
    distances = [row for row in measurements if row.subject in FEATURES and row.statistic != "missing_share"]
    assert times(overall) == pytest.approx(max(map(times, distances)))
    assert times(of_night(measured(reference, with_column(night(), "number_3", [None] * 500)))["input_drift"]) > 1


def test_an_all_null_night_is_drift(reference: ModelReference) -> None:
    rows = night()
    for name in FEATURES:
        rows = with_column(rows, name, [None] * 500)
    measurements = of_night(measured(reference, rows))
    assert [measurements[layer].verdict for layer in LAYERS] == ["warn", "unknown", "pass"]


@pytest.mark.parametrize("size", [0, 1, 9])
def test_a_night_of_few_rows_is_unknown(reference: ModelReference, size: int) -> None:
    measurements = measured(reference, night(size))
    assert [(row.statistic, row.value, row.verdict) for row in measurements] == [
        (layer, None, "unknown") for layer in LAYERS
    ]
    assert measurements[0].detail == f"{size} rows are too few, 10 are needed"


def test_an_unknown_category_is_measured(reference: ModelReference) -> None:
    rows = night()
    values = ["new"] * 25 + rows["category_1"].to_pylist()[25:]
    it = of(measured(reference, with_column(rows, "category_1", values)), "category_1")
    assert (it["unknown_share"].value, it["unknown_share"].verdict) == (0.05, "warn")


def test_infinite_numbers_are_measured(reference: ModelReference) -> None:
    rows = night()
    values = [float("inf"), float("-inf")] * 10 + rows["number_1"].to_pylist()[20:]
    it = of(measured(reference, with_column(rows, "number_1", values)), "number_1")
    assert (it["infinite_share"].value, it["infinite_share"].verdict) == (0.04, "warn")
    assert it["wasserstein"].verdict == "pass"


def test_a_removed_or_new_feature_is_unknown_and_all_others_are_measured(reference: ModelReference) -> None:
    scored = night_of(reference, night(shift=1.0).drop_columns(["number_4"]))
    measurements = measure_drift(replace(scored, watched=[*FEATURES, "latest"]), baseline_of(reference))
    [removed], [new] = (list(of(measurements, name).values()) for name in ("number_4", "latest"))
    assert (removed.verdict, removed.detail) == ("unknown", "no longer in the table")
    assert (new.verdict, new.detail) == ("unknown", "version 3 has not learned it")
    layers = of_night(measurements)
    assert layers["input_drift"].detail.startswith("1 of 19 features beyond a threshold, most number_0")
    assert layers["joint_drift"].verdict == "pass"


def test_a_version_without_daily_counts_says_so(reference: ModelReference) -> None:
    assert drift_baseline(NO_REFERENCE, FEATURES, ONCE_IN_90) is None
    measurements = measure_drift(night_of(reference, night()), None)
    assert {(row.statistic, row.verdict) for row in measurements} == {(layer, "unknown") for layer in LAYERS}
    assert measurements[0].detail == "no daily behaviour is stored with version 3: train a new version"


def test_a_layer_that_fails_does_not_stop_the_others(
    reference: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr(drift, "_joint", fail)
    measurements = of_night(measured(reference, night(shift=1.0)))
    assert [measurements[layer].verdict for layer in LAYERS] == ["warn", "unknown", "pass"]
    assert measurements["joint_drift"].detail == "not measured: ZeroDivisionError: by accident"


def test_a_reference_of_too_few_days_leaves_everything_unknown() -> None:
    random = np.random.default_rng(1)
    rows = dated([rows_of(random, 100) for _ in range(4)])
    few = make_reference(rows.drop_columns([SCORES]), TYPES, rows.select([SCORES, "score_date"]))
    measurements = of_night(measured(with_thresholds(few, FEATURES, ONCE_IN_90), night()))
    assert [measurements[layer].verdict for layer in LAYERS] == ["unknown"] * 3
    assert "fewer than 5 days" in measurements["input_drift"].detail


def test_a_reference_survives_json(reference: ModelReference) -> None:
    again = ModelReference.from_json(json.loads(json.dumps(reference.to_json())))
    assert again == reference
    assert measured(again, night()) == measured(reference, night())


# ---- joint drift


def pair(random: np.random.Generator, size: int, correlation: float, curve: float = 1.0) -> pa.Table:
    x = random.normal(size=size)
    y = correlation * x + np.sqrt(1 - correlation**2) * random.normal(size=size)
    return pa.table({"x": x, "y": np.sign(y) * np.abs(y) ** curve})


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.9])
def test_the_sampling_variance_of_a_correlation_is_that_of_many_samples(correlation: float) -> None:
    random, types = np.random.default_rng(2), {"x": "number", "y": "number"}
    bins = learn_bins(pair(random, 50_000, correlation), types)
    samples = [profile_rows(pair(random, 400, correlation), bins) for _ in range(1500)]
    learned = learn_correlations(samples, _fourth(pair(random, 100_000, correlation), bins), list(bins))
    assert learned is not None
    assert learned.within[0] / 397 + learned.between[0] == pytest.approx(learned.within[0] / 397, rel=0.15)
    z = np.array([_z(sample) for sample in samples])
    assert z.var() == pytest.approx(learned.within[0] / 397, rel=0.15)
    assert learned.mean[0] == pytest.approx(z.mean())


def _z(profile: Any) -> float:
    return float(fisher_z(profile, [0, 1])[0, 1])


def _fourth(rows: pa.Table, bins: dict[str, Bins]) -> FourthMoments:
    return FourthMoments.of(BinnedRows.of(rows, bins).normal_scores())


def test_a_feature_that_stands_still_within_days_has_no_correlation() -> None:
    random = np.random.default_rng(3)
    rows = dated(
        [pair(random, 100, 0.5).append_column("still", pa.array(np.full(100, float(day)))) for day in range(20)]
    )
    types = {"x": "number", "y": "number", "still": "number"}
    scores = pa.table({SCORES: random.random(rows.num_rows), "score_date": rows["score_date"]})
    correlations = make_reference(rows, types, scores).correlations
    assert correlations is not None
    assert (correlations.names, correlations.pairs) == (("x", "y", "still"), ((0, 1),))
    assert select_columns(correlations, ["x", "still"]) is None
    assert select_columns(correlations, ["x", "y"]) is not None
