"""The gate of models that predict a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from nightshift.definition.gate import AgainstChampion, Gate, Slices
from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import NUMBER
from nightshift.training.bootstrap import metrics
from nightshift.training.results import Baseline, Holdout
from unit.training.test_gate import holdout_of, judged, result, unopposed
from unit.training.worlds import World, predicted

ALIKE = World(0.5, 0.5)
COMPARED: list[Metric] = ["mae", "rmse", "r2"]
GATE = Gate(minimum={"mae": 100.0})


def simulated(world: World, days: int = 14, rows: int = 100, seed: int = 1, **changes: Any) -> Holdout:
    challenger, champion = predicted(world, days, rows, seed)
    baseline = Baseline(float(challenger.labels.mean()), float(np.median(challenger.labels)))
    return holdout_of(challenger, champion, **{"baseline": baseline, "prediction": NUMBER} | changes)


def against(metric: Metric = "mae", margin: float | None = 0.5, **changes: Any) -> Gate:
    return Gate(against_champion=AgainstChampion(metric=metric, margin=margin, **changes))


@pytest.mark.parametrize(("metric", "theirs"), [("mae", mean_absolute_error), ("rmse", root_mean_squared_error)])
def test_an_error_has_to_be_within_its_bound(metric: Metric, theirs: Any) -> None:
    holdout = unopposed(simulated(ALIKE))
    value = theirs(holdout.labels, holdout.challenger)
    assert judged(Gate(minimum={metric: value + 1e-9}), holdout).passed
    report = judged(Gate(minimum={metric: value - 0.01}), holdout)
    assert report.summary() == f"{metric} {value:.3f}, bound ≤ {value - 0.01:.3f}"


def test_the_share_of_variance_explained_has_to_reach_its_bound() -> None:
    holdout = unopposed(simulated(ALIKE))
    value = r2_score(holdout.labels, holdout.challenger)
    assert judged(Gate(minimum={"r2": value - 1e-9}), holdout).passed
    assert judged(Gate(minimum={"r2": value + 0.01}), holdout).summary().startswith(f"r2 {value:.3f}, bound ≥ ")


def test_a_model_that_is_off_on_the_whole_is_refused_by_its_bias() -> None:
    holdout = unopposed(simulated(ALIKE))
    high = replace(holdout, challenger=holdout.challenger + 5)
    gate = Gate(minimum={"bias": 3.0})
    assert judged(gate, holdout).passed
    assert judged(gate, replace(holdout, challenger=holdout.challenger - 5)).summary().startswith("bias ")
    assert [outcome.rule for outcome in judged(gate, high).results if not outcome.passed] == ["minimum.bias"]


def test_the_report_has_every_metric_of_numbers() -> None:
    report = judged(GATE, simulated(ALIKE))
    assert list(report.metrics) == list(NUMBER.metrics.names)
    assert {outcome.rule for outcome in report.results} == {
        "rows", "labels", "scores", "leak", "minimum.mae", "baseline.mae", "smoke"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "constant"),
    [("mae", 5.0), ("rmse", 7.0), ("r2", 7.0)],
)
def test_the_constant_is_the_median_where_absolute_errors_count_and_the_mean_elsewhere(
    metric: Metric, constant: float
) -> None:
    holdout = unopposed(simulated(ALIKE, baseline=Baseline(mean=7.0, median=5.0)))
    gate = Gate(minimum={metric: -9.0 if metric == "r2" else 99.0})
    expected = metrics(holdout.labels, np.full(len(holdout.labels), constant), NUMBER.metrics.names)[metric]
    sentence = result(judged(gate, holdout), f"baseline.{metric}").sentence
    assert f"against a constant's {expected:.3f}" in sentence


@pytest.mark.parametrize("metric", COMPARED)
def test_a_model_that_knows_nothing_is_not_better_than_a_constant(metric: Metric) -> None:
    holdout = unopposed(simulated(ALIKE))
    shuffled = replace(holdout, challenger=np.random.default_rng(1).permutation(holdout.challenger))
    gate = Gate(minimum={metric: -9.0 if metric == "r2" else 99.0})
    assert judged(gate, holdout).passed
    assert [outcome.rule for outcome in judged(gate, shuffled).results if not outcome.passed] == [f"baseline.{metric}"]


def test_bias_alone_is_no_reason_to_spare_a_model_the_comparison_with_a_constant() -> None:
    assert "baseline.rmse" in {
        outcome.rule for outcome in judged(Gate(minimum={"bias": 9.0}), unopposed(simulated(ALIKE))).results
    }


@pytest.mark.parametrize(
    ("challenger", "says"),
    [
        (np.full(1400, 12.5), "every row has the score 12.500: the model does not distinguish rows"),
        (np.append(np.linspace(0, 40, 1399), np.nan), "1 of 1400 scores are no finite numbers"),
        (np.append(np.linspace(0, 40, 1398), [np.inf, -np.inf]), "2 of 1400 scores are no finite numbers"),
    ],
)
def test_predictions_that_say_nothing_are_refused(challenger: np.ndarray, says: str) -> None:
    report = judged(against(), replace(simulated(ALIKE), challenger=challenger))
    assert not report.passed and says in report.summary()
    assert report.metrics == {} and report.difference is None


def test_a_holdout_whose_labels_are_all_the_same_tells_no_model_from_another() -> None:
    report = judged(GATE, replace(simulated(ALIKE), labels=np.full(1400, 3.0)))
    assert "every row has the label 3.000" in report.summary()


def test_negative_and_large_predictions_are_no_fault() -> None:
    holdout = simulated(ALIKE)
    many = replace(holdout, labels=1e6 * holdout.labels, challenger=1e6 * holdout.challenger)
    report = judged(Gate(minimum={"mae": 1e9}), unopposed(many))
    assert report.passed, report.summary()
    assert "baseline.mae" in {outcome.rule for outcome in report.results}
    assert "e+" not in "".join(outcome.detail for outcome in report.results)


def test_a_model_that_explains_everything_is_suspected_to_know_the_label() -> None:
    holdout = simulated(ALIKE)
    knows = replace(holdout, challenger=holdout.labels + 0.01)
    report = judged(GATE, unopposed(knows))
    assert report.summary() == "r2 1.0000 is too good to be true (0.999 or more): does a feature know the label?"
    assert judged(GATE.model_copy(update={"leak": None}), unopposed(knows)).passed


@pytest.mark.parametrize("metric", COMPARED)
def test_a_better_model_passes_both_rules_and_a_worse_one_neither(metric: Metric) -> None:
    margin = 0.02 if metric == "r2" else 0.3
    better, worse = simulated(World(0.2, 1.0)), simulated(World(1.0, 0.2))
    superior = against(metric, None, rule="superior")
    assert judged(against(metric, margin), better).passed and judged(superior, better).passed
    assert not judged(against(metric, margin), worse).passed and not judged(superior, worse).passed


def test_a_model_that_is_worse_in_one_slice_is_refused_though_it_is_better_on_the_whole() -> None:
    holdout = simulated(World(0.1, 1.0), rows=300)
    airports = np.random.default_rng(1).choice(["EWR", "JFK", "LGA"], len(holdout.labels))
    spoilt = np.where(airports == "JFK", holdout.labels.mean(), holdout.challenger)
    airports[:250] = "one"
    same = np.where(airports == "one", 3.0, holdout.labels)
    slices = Slices(columns=("airport",), regression=0.5)
    gate = against("rmse", 0.5).model_copy(update={"slices": slices})
    report = judged(gate, replace(holdout, labels=same, challenger=spoilt, columns={"airport": airports}))
    assert [outcome.rule for outcome in report.results if outcome.passed is False] == ["slices.airport=JFK"]
    assert result(report, "slices.airport=one").sentence == "airport=one is not judged: all labels are the same"
