from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from nightshift.monitoring.outcomes import measure_outcomes
from nightshift.types import Measurement

rows_of_both = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0.01, 0.99)), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def labelled(labels: list[float], scores: list[float]) -> pa.Table:
    return pa.table({"label": pa.array(labels, pa.float64()), "score": pa.array(scores, pa.float64())})


def values(measured: list[Measurement]) -> dict[str, float | None]:
    assert {m.subject for m in measured} == {"night"}
    return {m.statistic: m.value for m in measured}


def test_four_rows_of_five_are_measured_as_worked_out_by_hand() -> None:
    measured = measure_outcomes(labelled([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 5, 3)
    assert values(measured) == {
        "label_coverage": pytest.approx(0.8),
        "positive_share": pytest.approx(0.5),
        "mean_score": pytest.approx(0.4125),
        "brier": pytest.approx(0.158125),
        "log_loss": pytest.approx(-math.log(0.9 * 0.6 * 0.35 * 0.8) / 4),
        "roc_auc": pytest.approx(0.75),
    }
    assert {m.sample_size for m in measured} == {4}
    assert {m.model_version for m in measured} == {3}


@examples(max_examples=30)
@given(rows_of_both)
def test_the_values_are_those_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    labels, scores = [label for label, _ in rows], [score for _, score in rows]
    found = values(measure_outcomes(labelled(labels, scores), len(rows), 1))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores))
    assert found["log_loss"] == pytest.approx(log_loss(labels, scores))
    assert found["label_coverage"] == 1.0


@pytest.mark.parametrize(("label", "brier", "loss"), [(0.0, 0.1, -math.log(0.8 * 0.6) / 2), (1.0, 0.5, None)])
def test_a_night_with_one_outcome_only_has_every_value_but_the_area(
    label: float, brier: float, loss: float | None
) -> None:
    measured = measure_outcomes(labelled([label, label], [0.2, 0.4]), 2, 1)
    found = values(measured)
    assert found["roc_auc"] is None
    assert found["positive_share"] == label
    assert found["brier"] == pytest.approx(brier)
    assert found["log_loss"] == pytest.approx(loss or -math.log(0.2 * 0.4) / 2)
    assert measured[-1].detail == "all outcomes were the same"


def test_a_single_row_is_measured() -> None:
    found = values(measure_outcomes(labelled([1.0], [0.9]), 1, 1))
    assert found["brier"] == pytest.approx(0.01)
    assert found["log_loss"] == pytest.approx(-math.log(0.9))


@pytest.mark.parametrize(("observations", "coverage"), [(7, 0.0), (0, None)])
def test_a_night_without_labels_has_no_other_value_than_that(observations: int, coverage: float | None) -> None:
    assert values(measure_outcomes(labelled([], []), observations, 1)) == {"label_coverage": coverage}


def test_scores_of_zero_and_one_that_were_wrong_cost_much_but_not_everything() -> None:
    loss = values(measure_outcomes(labelled([1.0, 0.0], [0.0, 1.0]), 2, 1))["log_loss"]
    assert loss is not None
    assert 10 < loss < math.inf
