from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from nightshift.definition.gate import AgainstChampion, Gate
from nightshift.definition.metrics import Metric
from nightshift.training.bootstrap import Sample, Vector, metrics
from nightshift.training.gate import judge
from nightshift.training.results import Baseline, GateReport, Holdout, RuleResult, SmokeResult
from unit.training.worlds import World, scored

GOOD, FAIR, BAD = 0.2, 0.5, 3.0
ALIKE = World(FAIR, FAIR)
STORED = SmokeResult(size=1.5, rows=100, speed=20_000.0)
LARGER = ["roc_auc", "average_precision"]
SMALLER = ["brier", "log_loss"]


def holdout_of(challenger: Sample, champion: Sample | None, **changes: Any) -> Holdout:
    dates = tuple(date(2024, 1, 1) + timedelta(days=n) for n in range(int(challenger.days.max()) + 1))
    theirs = champion.scores if champion else None
    baseline = Baseline(float(challenger.labels.mean()), float(np.median(challenger.labels)))
    return replace(Holdout(challenger.labels, challenger.days, dates, challenger.scores, theirs, baseline), **changes)


def simulated(world: World, days: int = 14, rows: int = 100, seed: int = 1, **changes: Any) -> Holdout:
    return holdout_of(*scored(world, days, rows, seed), **changes)


def unopposed(holdout: Holdout) -> Holdout:
    return replace(holdout, champion=None)


def judged(gate: Gate, holdout: Holdout, smoke: SmokeResult = STORED) -> GateReport:
    return judge(gate, holdout, smoke, seed=1)


def result(report: GateReport, rule: str) -> RuleResult:
    [outcome] = [outcome for outcome in report.results if outcome.rule == rule]
    return outcome


def against(metric: Metric = "roc_auc", margin: float | None = 0.02, **changes: Any) -> Gate:
    return Gate(against_champion=AgainstChampion(metric=metric, margin=margin, **changes))


def superior(metric: Metric = "roc_auc") -> Gate:
    return against(metric, None, rule="superior")


# Absolute rules.


@pytest.mark.parametrize("metric", LARGER)
def test_a_first_model_has_to_reach_the_minimum(metric: Metric) -> None:
    holdout = unopposed(simulated(ALIKE))
    value = metrics(holdout.labels, holdout.challenger)[metric]
    assert judged(Gate(minimum={metric: value - 1e-9}), holdout).passed
    report = judged(Gate(minimum={metric: value + 0.001}), holdout)
    assert not report.passed
    assert report.summary() == f"{metric} {value:.3f}, bound ≥ {value + 0.001:.3f}"


@pytest.mark.parametrize("metric", [*SMALLER, "calibration_error"])
def test_where_less_is_better_the_minimum_is_a_maximum(metric: Metric) -> None:
    holdout = unopposed(simulated(ALIKE))
    value = metrics(holdout.labels, holdout.challenger)[metric]
    assert judged(Gate(minimum={metric: value + 1e-9}), holdout).passed
    report = judged(Gate(minimum={metric: value - 0.001}), holdout)
    assert not report.passed
    assert report.summary() == f"{metric} {value:.3f}, bound ≤ {value - 0.001:.3f}"


def test_one_rule_that_fails_keeps_the_gate_shut_and_only_it_is_named() -> None:
    report = judged(Gate(minimum={"roc_auc": 0.6, "log_loss": 0.1}), unopposed(simulated(ALIKE)))
    assert [outcome.rule for outcome in report.results if not outcome.passed] == ["minimum.log_loss"]
    assert report.summary().startswith("log_loss 0.") and report.summary().endswith("bound ≤ 0.100")


def test_every_result_tells_what_it_rests_on() -> None:
    report = judged(against().model_copy(update={"minimum": {"roc_auc": 0.6}}), simulated(ALIKE))
    for rule in ("minimum.roc_auc", "baseline.roc_auc", "against_champion.roc_auc"):
        outcome = result(report, rule)
        assert outcome.rows == report.rows == 1400
        assert outcome.low is not None and outcome.high is not None and outcome.value is not None
        assert outcome.low < outcome.value < outcome.high
        assert f"interval {outcome.low:.4f} to {outcome.high:.4f}, 1400 rows" in outcome.detail


def test_the_same_holdout_gets_the_same_verdict() -> None:
    first, second = (judged(against(), simulated(ALIKE)) for _ in range(2))
    assert first.results == second.results


@pytest.mark.parametrize("metric", [*LARGER, *SMALLER])
def test_a_model_that_knows_nothing_is_not_better_than_a_constant(metric: Metric) -> None:
    bounds = {"roc_auc": 0.0, "average_precision": 0.0, "brier": 1.0, "log_loss": 9.0}
    gate = Gate(minimum={metric: bounds[metric]})
    assert judged(gate, unopposed(simulated(World(GOOD, FAIR)))).passed
    holdout = unopposed(simulated(ALIKE))
    random = np.random.default_rng(1).uniform(0, 1, 1400)
    report = judged(gate, replace(holdout, challenger=random))
    assert [outcome.rule for outcome in report.results if not outcome.passed] == [f"baseline.{metric}"]
    assert "against a constant's" in report.summary()
    assert judged(gate.model_copy(update={"baseline": False}), replace(holdout, challenger=random)).passed


@pytest.mark.parametrize(
    ("metric", "constant"), [("roc_auc", 0.5), ("average_precision", 0.25), ("brier", 0.19), ("log_loss", None)]
)
def test_the_constant_is_the_training_periods_base_rate(metric: Metric, constant: float | None) -> None:
    challenger, _ = scored(ALIKE, 14, 100, 1)
    labels = np.zeros(1400)
    labels[np.argsort(-challenger.scores)[:350]] = 1.0
    labels[[0, 5]] = 1 - labels[[0, 5]]  # not quite without a fault, which would be taken for a leak
    holdout = holdout_of(replace(challenger, labels=labels), None, baseline=Baseline(0.3, 0.0))
    report = judged(Gate(minimum={metric: 9.0 if metric == "log_loss" else 0.0}, leak=None), holdout)
    share = labels.mean()
    expected = constant or -(share * np.log(0.3) + (1 - share) * np.log(0.7))
    sentence = result(report, f"baseline.{metric}").sentence
    assert f"against a constant's {expected:.3f}" in sentence


def test_calibration_alone_is_no_reason_to_spare_a_model_the_comparison_with_a_constant() -> None:
    report = judged(Gate(minimum={"calibration_error": 0.5}), unopposed(simulated(ALIKE)))
    assert "baseline.log_loss" in {outcome.rule for outcome in report.results}


# What makes a holdout or a model unfit.


def labelled(positive: int, rows: int) -> Holdout:
    labels = np.zeros(rows)
    labels[:positive] = 1.0
    scores = np.linspace(0.9, 0.1, rows)
    return holdout_of(Sample(labels, scores, np.arange(rows) % 7), None)


@pytest.mark.parametrize(
    ("holdout", "gate", "says"),
    [
        (labelled(40, 99), Gate(minimum={"roc_auc": 0.5}), "99 labelled rows of 7 nights, at least 100 are needed"),
        (
            labelled(9, 120),
            Gate(minimum={"roc_auc": 0.5}),
            "9 positive and 111 negative rows, at least 10 of each are needed",
        ),
        (
            labelled(111, 120),
            Gate(minimum={"brier": 0.5}),
            "111 positive and 9 negative rows, at least 10 of each are needed",
        ),
        (labelled(0, 120), Gate(minimum={"brier": 0.5}), "0 positive and 120 negative rows"),
        (
            replace(labelled(40, 120), challenger=np.full(120, 0.3)),
            Gate(minimum={"brier": 0.5}),
            "every row has the score 0.300: the model does not distinguish rows",
        ),
        (
            replace(labelled(40, 120), challenger=np.append(np.linspace(0, 1, 119), np.nan)),
            Gate(minimum={"brier": 0.5}),
            "1 of 120 scores are no probabilities",
        ),
        (
            replace(labelled(40, 120), challenger=np.linspace(0, 1.5, 120)),
            Gate(minimum={"brier": 0.5}),
            "40 of 120 scores are no probabilities",
        ),
    ],
)
def test_a_holdout_that_says_nothing_and_scores_that_are_none_are_refused(
    holdout: Holdout, gate: Gate, says: str
) -> None:
    report = judged(gate, holdout)
    assert not report.passed
    assert says in report.summary()
    assert report.metrics == {} and report.difference is None


def test_how_many_rows_are_enough_can_be_told() -> None:
    holdout = unopposed(simulated(World(GOOD, GOOD), days=6, rows=20))
    assert judged(Gate(minimum={"roc_auc": 0.5}, rows=120), holdout).passed
    assert not judged(Gate(minimum={"roc_auc": 0.5}, rows=121), holdout).passed


def test_a_model_that_tells_the_classes_apart_without_a_fault_is_suspected() -> None:
    holdout = labelled(40, 120)
    report = judged(Gate(minimum={"roc_auc": 0.6}), holdout)
    assert report.summary() == ("roc_auc 1.0000 is too good to be true (0.999 or more): does a feature know the label?")
    assert judged(Gate(minimum={"roc_auc": 0.6}, leak=None), holdout).passed


# Against the champion.


@pytest.mark.parametrize("metric", [*LARGER, *SMALLER, "calibration_error"])
def test_a_model_with_the_champions_scores_is_not_worse_and_not_better(metric: Metric) -> None:
    holdout = simulated(ALIKE)
    same = replace(holdout, champion=holdout.challenger.copy())
    report = judged(against(metric, 0.001), same)
    assert report.passed
    assert result(report, f"against_champion.{metric}").value == 0
    assert not judged(superior(metric), same).passed


@pytest.mark.parametrize("metric", [*LARGER, *SMALLER])
def test_a_better_model_passes_both_rules_and_a_worse_one_neither(metric: Metric) -> None:
    better, worse = simulated(World(GOOD, BAD)), simulated(World(BAD, GOOD))
    assert judged(against(metric), better).passed and judged(superior(metric), better).passed
    assert not judged(against(metric), worse).passed and not judged(superior(metric), worse).passed
    outcome = result(judged(against(metric), worse), f"against_champion.{metric}")
    assert outcome.value is not None and outcome.value < -0.02 and outcome.bound == -0.02


def test_it_is_the_lower_end_that_decides_and_not_the_value() -> None:
    holdout = simulated(ALIKE)
    outcome = result(judged(against(), holdout), "against_champion.roc_auc")
    assert outcome.low is not None and outcome.value is not None
    assert outcome.low < -0.002 and abs(outcome.value) < abs(outcome.low)
    assert judged(against(margin=-outcome.low + 1e-6), holdout).passed
    refused = judged(against(margin=-outcome.low), holdout)
    assert not refused.passed  # it must be above the bound, not at it
    assert f"95% sure above {outcome.low:+.4f}, must be above {outcome.low:+.4f}" in refused.summary()


def test_to_be_surer_takes_more() -> None:
    holdout, lows = simulated(ALIKE), []
    for confidence in (0.8, 0.95, 0.99):
        low = result(judged(against(confidence=confidence), holdout), "against_champion.roc_auc").low
        assert low is not None
        lows.append(low)
    assert lows[0] > lows[1] > lows[2]


def test_minimum_and_champion_have_both_to_be_met() -> None:
    gate = against().model_copy(update={"minimum": {"roc_auc": 0.7}})
    assert judged(gate, simulated(World(GOOD, FAIR))).passed
    assert not judged(gate, simulated(World(FAIR, 0.0))).passed
    assert not judged(gate, simulated(World(BAD, BAD * 1.5))).passed


def test_without_a_champion_nothing_is_compared() -> None:
    report = judged(against(), unopposed(simulated(ALIKE)))
    assert report.passed and report.difference is None
    assert not [outcome for outcome in report.results if outcome.rule.startswith("against")]


def test_too_few_days_say_nothing_however_many_rows_they_have() -> None:
    few = simulated(World(GOOD, BAD), days=4, rows=2000)
    report = judged(against(), few)
    assert not report.passed
    assert "4 nights are too few to be 95% sure, 5 are needed" in report.summary()
    assert judged(against(), simulated(World(GOOD, BAD), days=5, rows=2000)).passed


def test_a_class_that_is_on_one_day_alone_says_nothing() -> None:
    challenger, champion = scored(World(GOOD, BAD), 14, 100, 1)
    labels = np.where(challenger.days == 3, challenger.labels, 0.0)
    holdout = holdout_of(replace(challenger, labels=labels), replace(champion, labels=labels))
    report = judged(against(), holdout)
    assert result(report, "against_champion.roc_auc").low == -np.inf
    assert not report.passed


# The stored artifact.


@pytest.mark.parametrize(
    ("gate", "smoke", "failed", "says"),
    [
        ({}, replace(STORED, problem="in a process of its own it could not score: x"), "smoke", "could not score: x"),
        ({"speed": 20_001}, STORED, "speed", "20,000 rows a second, bound ≥ 20,001"),
        ({"speed": 1}, replace(STORED, speed=None), "speed", "its speed could not be measured"),
        ({"size": 1.4}, STORED, "size", "1.5 MiB, bound ≤ 1.4"),
    ],
)
def test_the_stored_artifact_has_to_work_as_demanded(
    gate: dict[str, float], smoke: SmokeResult, failed: str, says: str
) -> None:
    report = judged(Gate.model_validate({"minimum": {"roc_auc": 0.6}, **gate}), unopposed(simulated(ALIKE)), smoke)
    assert [outcome.rule for outcome in report.results if not outcome.passed] == [failed]
    assert says in report.summary()


def test_an_artifact_that_is_fast_and_small_enough_passes() -> None:
    gate = Gate(minimum={"roc_auc": 0.6}, speed=20_000, size=1.5)
    report = judged(gate, unopposed(simulated(ALIKE)))
    assert report.passed
    assert result(report, "speed").value == 20_000 and result(report, "size").value == 1.5
    assert {"speed", "size"}.isdisjoint(
        outcome.rule for outcome in judged(Gate(minimum={"roc_auc": 0.6}), unopposed(simulated(ALIKE))).results
    )


def test_an_unfit_holdout_does_not_hide_that_the_artifact_does_not_load() -> None:
    report = judged(Gate(minimum={"roc_auc": 0.5}), labelled(1, 20), replace(STORED, problem="it does not load"))
    assert [outcome.rule for outcome in report.results if not outcome.passed] == [
        "rows",
        "classes",
        "smoke",
    ]


def test_a_long_list_of_failures_is_cut() -> None:
    failed = tuple(RuleResult(f"slices.a={n}", 0.0, 1.0, 9, False, f"sentence {n}") for n in range(8))
    assert GateReport(failed, 9).summary().endswith("sentence 4; and 3 more")


def test_scores_are_not_changed_by_being_judged() -> None:
    holdout = simulated(ALIKE)
    before: Vector = holdout.challenger.copy()
    judged(against(), holdout)
    assert np.array_equal(holdout.challenger, before)
