from __future__ import annotations

import math
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from nightshift.definition.prediction import NUMBER
from nightshift.monitoring.expected_performance import ErrorModel, ExpectedPerformance, MetricBand
from nightshift.monitoring.outcomes import measure_outcomes, settle_labels
from nightshift.training.bootstrap import metrics
from nightshift.types import Measurement
from unit.examples import examples
from unit.tables import day

rows_of_both = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0.01, 0.99)), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)

STATISTICS = {
    "label_coverage", "positive_share", "mean_score",
    "roc_auc", "average_precision", "brier", "log_loss", "calibration_error",
}  # fmt: skip


ERRORS = partial(
    metrics, wanted=[name for name in NUMBER.metrics.names if name != "bias"]
)  # which is kept with its sign


def labelled(labels: list[float], scores: list[float]) -> pa.Table:
    return pa.table({"label": pa.array(labels, pa.float64()), "score": pa.array(scores, pa.float64())})


def of_night(measured: list[Measurement]) -> dict[str, Measurement]:
    return {m.statistic: m for m in measured if m.subject == "night"}


def values(measured: list[Measurement]) -> dict[str, float | None]:
    return {name: m.value for name, m in of_night(measured).items()}


def test_the_metrics_of_four_labelled_rows_of_five() -> None:
    measured = measure_outcomes(labelled([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 5, 3, metrics)
    night = values(measured)
    assert set(night) == STATISTICS
    expected = {
        "label_coverage": 0.8,
        "positive_share": 0.5,
        "mean_score": 0.4125,
        "brier": 0.158125,
        "log_loss": -math.log(0.9 * 0.6 * 0.35 * 0.8) / 4,
        "roc_auc": 0.75,
    }
    assert {name: night[name] for name in expected} == pytest.approx(expected)
    assert {m.sample_size for m in measured} == {4}
    assert {m.model_version for m in measured} == {3}
    assert {m.verdict for m in measured} == {"pass"}


@examples(max_examples=30)
@given(rows_of_both)
def test_the_values_are_those_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    labels, scores = [label for label, _ in rows], [score for _, score in rows]
    night = values(measure_outcomes(labelled(labels, scores), len(rows), 1, metrics))
    assert night["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert night["brier"] == pytest.approx(brier_score_loss(labels, scores))
    assert night["log_loss"] == pytest.approx(log_loss(labels, scores))
    assert night["label_coverage"] == 1.0


@pytest.mark.parametrize(("label", "brier", "loss"), [(0.0, 0.1, -math.log(0.8 * 0.6) / 2), (1.0, 0.5, None)])
def test_a_night_with_one_outcome_only_has_every_value_but_the_area(
    label: float, brier: float, loss: float | None
) -> None:
    night = of_night(measure_outcomes(labelled([label, label], [0.2, 0.4]), 2, 1, metrics))
    assert set(night) == STATISTICS
    assert night["roc_auc"].value is None
    assert (night["roc_auc"].verdict, night["roc_auc"].detail) == ("unknown", "all labels are the same")
    assert night["positive_share"].value == label
    assert night["brier"].value == pytest.approx(brier)
    assert night["brier"].detail == ""
    assert night["log_loss"].value == pytest.approx(loss or -math.log(0.2 * 0.4) / 2)


def test_a_single_row_is_measured() -> None:
    night = values(measure_outcomes(labelled([1.0], [0.9]), 1, 1, metrics))
    assert night["brier"] == pytest.approx(0.01)
    assert night["log_loss"] == pytest.approx(-math.log(0.9))


@pytest.mark.parametrize(("observations", "coverage"), [(7, 0.0), (0, None)])
def test_a_night_without_labels_has_a_row_per_statistic_and_all_are_unknown(
    observations: int, coverage: float | None
) -> None:
    night = of_night(measure_outcomes(labelled([], []), observations, 1, metrics))
    assert set(night) == STATISTICS
    assert night["label_coverage"].value == coverage
    assert {m.verdict for m in night.values()} == {"unknown"}
    assert {m.value for name, m in night.items() if name != "label_coverage"} == {None}


def test_wrong_scores_of_zero_and_one_have_a_large_finite_loss() -> None:
    loss = values(measure_outcomes(labelled([1.0, 0.0], [0.0, 1.0]), 2, 1, metrics))["log_loss"]
    assert loss is not None
    assert 10 < loss < math.inf


def test_scores_that_are_not_finite_are_excluded_and_the_labels_counted() -> None:
    night = of_night(measure_outcomes(labelled([0, 1, 1], [0.2, 0.7, math.nan]), 3, 1, metrics))
    assert night["label_coverage"].value == 1.0
    assert (night["roc_auc"].value, night["roc_auc"].sample_size) == (1.0, 2)


def test_predicted_numbers_are_measured_by_their_errors() -> None:
    night = values(measure_outcomes(labelled([3.0, 5.5], [4.0, 4.0]), 2, 1, ERRORS, prediction=NUMBER))
    errors = {"mae": 1.25, "rmse": math.sqrt(1.625), "bias": -0.25, "r2": 1 - 3.25 / 3.125}
    assert night == pytest.approx({"label_coverage": 1, "mean_label": 4.25, "mean_score": 4} | errors)


@pytest.mark.parametrize("rows", [0, 1])
def test_of_few_numbers_every_statistic_has_a_row(rows: int) -> None:
    few = labelled([3.0, 5.0], [4.0, 4.5]).slice(0, rows)
    night = of_night(measure_outcomes(few, 2, 1, ERRORS, prediction=NUMBER))
    assert set(night) == {"label_coverage", "mean_label", "mean_score", *NUMBER.metrics.names}
    assert night["r2"].verdict == "unknown"
    assert night["mae"].value == (1.0 if rows else None)


@pytest.mark.parametrize(("bound", "verdict"), [(0.9, "warn"), (0.7, "pass"), (None, "pass")])
def test_a_value_is_compared_with_the_worst_expected_value(bound: float | None, verdict: str) -> None:
    expected = ExpectedPerformance(ErrorModel((), (1.0,), (1.0,)), {"roc_auc": MetricBand(0.95, bound)}, {})
    measured = measure_outcomes(labelled([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4, 1, metrics, expected)
    area = of_night(measured)["roc_auc"]
    assert (area.value, area.threshold, area.verdict) == (0.75, bound, verdict)
    assert [(m.subject, m.statistic, m.value) for m in measured if m.subject != "night"] == [
        ("reference", "roc_auc", 0.95)
    ]


@pytest.mark.parametrize(("bound", "verdict"), [(0.1, "warn"), (0.2, "pass")])
def test_of_errors_less_is_better(bound: float, verdict: str) -> None:
    expected = ExpectedPerformance(ErrorModel((), (1.0,), (1.0,)), {"brier": MetricBand(0.1, bound)}, {})
    measured = measure_outcomes(labelled([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4, 1, metrics, expected)
    assert of_night(measured)["brier"].verdict == verdict


def label_rows(*rows: tuple[int, str, float]) -> pa.Table:
    days: list[date] = [day(number) for number, _, _ in rows]
    return pa.table({
        "score_date": pa.array(days, pa.date32()), "machine": [name for _, name, _ in rows],
        "label": [label for *_, label in rows], "extra": list(range(len(rows))),
    })  # fmt: skip


def test_a_duplicate_label_counts_once_and_different_labels_do_not_count() -> None:
    labels = label_rows((1, "a", 1.0), (1, "b", 0.0), (1, "a", 1.0), (1, "c", 0.0), (1, "c", 1.0), (2, "c", 1.0))
    settled, doubtful = settle_labels(labels, ("machine",))
    assert doubtful == 1
    assert settled.to_pylist() == [labels.to_pylist()[place] for place in (0, 1, 5)]


def test_unique_labels_are_not_changed() -> None:
    labels = label_rows((1, "b", 1.0), (1, "a", 0.0))
    assert settle_labels(labels, ("machine",)) == (labels, 0)
    assert settle_labels(labels.slice(0, 0), ("machine",)) == (labels.slice(0, 0), 0)


def test_labels_that_landed_twice_are_counted_once() -> None:
    random = np.random.default_rng(1)
    labels = label_rows(*[(1, f"m{n}", float(random.integers(0, 2))) for n in range(50)])
    settled, doubtful = settle_labels(pa.concat_tables([labels, labels]), ("machine",))
    assert (settled, doubtful) == (labels, 0)
