from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from nightshift.definition.model import AgainstChampion, Gate, Metric
from nightshift.errors import TerminalError
from nightshift.training.gate import GateReport, Vector, judge, metrics

LABELS = np.array([0.0, 0.0, 1.0, 1.0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])

outcomes = st.lists(
    st.tuples(st.booleans(), st.integers(1, 99).map(lambda n: n / 100)), min_size=4, max_size=40
).filter(lambda rows: 0 < sum(label for label, _ in rows) < len(rows))


def vectors(rows: list[tuple[bool, float]]) -> tuple[Vector, Vector]:
    return np.array([float(label) for label, _ in rows]), np.array([score for _, score in rows])


def test_the_metrics_of_four_rows_are_those_worked_out_by_hand() -> None:
    found = metrics(LABELS, SCORES)
    assert found["roc_auc"] == pytest.approx(3 / 4)  # three of four pairs are in order
    assert found["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found["brier"] == pytest.approx((0.1**2 + 0.4**2 + 0.65**2 + 0.2**2) / 4)
    assert found["log_loss"] == pytest.approx(-math.log(0.9 * 0.6 * 0.35 * 0.8) / 4)


@examples(max_examples=50)
@given(outcomes)
def test_the_metrics_are_what_their_definitions_say(rows: list[tuple[bool, float]]) -> None:
    labels, scores = vectors(rows)
    found = metrics(labels, scores)
    positive, negative = scores[labels == 1], scores[labels == 0]
    pairs = mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
    assert found["roc_auc"] == pytest.approx(pairs)
    assert found["brier"] == pytest.approx(np.mean((scores - labels) ** 2))
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(np.where(labels == 1, scores, 1 - scores))))


def rule(metric: Metric, tolerance: float) -> Gate:
    return Gate(against_champion=AgainstChampion(metric=metric, tolerance=tolerance))


def scored(auc: float) -> Vector:
    """Scores of twenty labels, ten of each, with this share of pairs in order (in hundredths)."""
    wrong = round((1 - auc) * 100)
    order = [0.0] * 10 + [1.0] * 10
    scores = np.linspace(0.1, 0.9, 20)
    labels = np.array(order)
    # Each exchange of neighbours puts one more pair out of order.
    while wrong:
        for i in range(19):
            if wrong and scores[i] < scores[i + 1] and labels[i] == 0 and labels[i + 1] == 1:
                labels[i], labels[i + 1] = 1.0, 0.0
                wrong -= 1
    return scores[np.argsort(labels, kind="stable")]


TWENTY = np.array([0.0] * 10 + [1.0] * 10)


def against(metric: Metric, tolerance: float, challenger: Vector, champion: Vector) -> GateReport:
    return judge(rule(metric, tolerance), TWENTY, challenger, champion)


def test_a_first_model_has_to_reach_the_minimum() -> None:
    assert judge(Gate(minimum={"roc_auc": 0.75}), LABELS, SCORES, None).passed
    report = judge(Gate(minimum={"roc_auc": 0.76}), LABELS, SCORES, None)
    assert not report.passed
    assert report.rows == 4
    assert report.summary() == "roc_auc 0.750, bound ≥ 0.760"


def test_where_less_is_better_the_minimum_is_a_maximum() -> None:
    assert judge(Gate(minimum={"brier": 0.16}), LABELS, SCORES, None).passed
    report = judge(Gate(minimum={"brier": 0.15}), LABELS, SCORES, None)
    assert not report.passed
    assert report.summary() == "brier 0.158, bound ≤ 0.150"


def test_one_rule_that_fails_keeps_the_gate_shut_and_only_it_is_named() -> None:
    report = judge(Gate(minimum={"roc_auc": 0.7, "log_loss": 0.1}), LABELS, SCORES, None)
    assert [result.passed for result in report.results] == [True, False]
    assert not report.passed
    assert report.summary() == "log_loss 0.472, bound ≤ 0.100"


@pytest.mark.parametrize(
    ("challenger", "champion", "tolerance", "passed"),
    [
        (0.90, 0.80, 0.0, True),
        (0.80, 0.80, 0.0, True),
        (0.79, 0.80, 0.0, False),
        (0.78, 0.80, 0.03, True),
        (0.76, 0.80, 0.03, False),
    ],
)
def test_a_challenger_may_be_worse_than_the_champion_by_no_more_than_the_tolerance(
    challenger: float, champion: float, tolerance: float, passed: bool
) -> None:
    report = against("roc_auc", tolerance, scored(challenger), scored(champion))
    assert report.passed is passed
    [result] = report.results
    assert result.value == pytest.approx(challenger - champion)
    assert result.bound == pytest.approx(-tolerance)
    assert report.summary() == (
        f"roc_auc {challenger:.3f} against the champion's {champion:.3f}, tolerance {tolerance:.3f}"
    )


@pytest.mark.parametrize("metric", ["brier", "log_loss"])
def test_where_less_is_better_a_smaller_value_beats_the_champion(metric: Metric) -> None:
    better, worse = np.where(TWENTY == 1, 0.9, 0.1), np.where(TWENTY == 1, 0.7, 0.3)
    assert against(metric, 0.0, better, worse).passed
    assert not against(metric, 0.0, worse, better).passed
    assert against(metric, 1.0, worse, better).passed


@examples(max_examples=20)
@given(outcomes, st.floats(0, 0.2))
def test_a_model_is_never_refused_against_itself(rows: list[tuple[bool, float]], tolerance: float) -> None:
    labels, scores = vectors(rows)
    for metric in ("roc_auc", "average_precision", "brier", "log_loss"):
        assert judge(rule(metric, tolerance), labels, scores, scores.copy()).passed


def test_minimum_and_champion_have_both_to_be_met() -> None:
    gate = Gate(minimum={"roc_auc": 0.6}, against_champion=AgainstChampion(metric="roc_auc", tolerance=0.0))
    assert judge(gate, TWENTY, scored(0.8), scored(0.7)).passed
    assert not judge(gate, TWENTY, scored(0.65), scored(0.7)).passed
    assert not judge(gate, TWENTY, scored(0.5), scored(0.4)).passed


def test_a_gate_whose_only_rule_needs_a_champion_refuses_to_judge_a_first_model() -> None:
    with pytest.raises(TerminalError, match=r"no rule of the gate applies to a first model.*fix: add `minimum:`"):
        judge(rule("roc_auc", 0.01), LABELS, SCORES, None)
