"""How often a comparison lets a worse model pass and keeps a better one out: metric by metric, and the whole gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from unit.training import test_gate, test_number_gate, test_slices
from unit.training.worlds import World, predicted, scored

from nightshift.definition.gate import AgainstChampion, Gate, Slices
from nightshift.definition.metrics import LARGER_IS_BETTER, Metric
from nightshift.training.bootstrap import Sample, draw_days, estimate, metrics
from simulations.sizes import chance_limit, full

SMALL, FULL = 40, 200
PROBABILITIES: list[Metric] = ["roc_auc", "average_precision", "brier", "log_loss"]
NUMBERS: list[Metric] = ["mae", "rmse", "r2"]

WORSE = World(challenger_noise=0.5, champion_noise=0.3)
STORMY = World(challenger_noise=0.5, champion_noise=0.3, days=0.6, moods=0.6)
BETTER = World(challenger_noise=0.3, champion_noise=0.9)
WORSE_NUMBERS, BETTER_NUMBERS = World(0.6, 0.3), World(0.2, 0.9)
ALIKE_NUMBERS = World(0.5, 0.5, moods=0.0)


def rarely(trials: int, rate: float = 0.05) -> float:
    """How large a share an event of at most this rate may have: the rate itself, if the trials are many."""
    return rate if trials == FULL else chance_limit(rate, trials)


def by_days(sample: Sample) -> Sample:
    return sample


def by_rows(sample: Sample) -> Sample:
    """The same rows as if each was a day of its own."""
    return Sample(sample.labels, sample.scores, np.arange(len(sample.labels)))


def passing_comparison(
    world: World, metric: Metric, margin: float, trials: int, blocks: Callable[[Sample], Sample] = by_days
) -> float:
    """The share of holdouts of two weeks by which the challenger is not worse than the champion by the margin."""
    passed = 0
    for trial in range(trials):
        challenger, champion = map(blocks, scored(world, 14, 100, trial))
        drawn = draw_days(int(challenger.days.max()) + 1, 400, 1)
        difference = estimate(metric, challenger, drawn) - estimate(metric, champion, drawn)
        gained = difference if metric in LARGER_IS_BETTER else -difference
        passed += gained.interval(drawn.shape[1], 0.95)[0] > -margin
    return passed / trials


def passing_gate(world: World, gate: Gate, trials: int) -> float:
    """The share of holdouts of two weeks on which the challenger passes every rule."""
    reports = (test_gate.judged(gate, test_gate.simulated(world, seed=trial)) for trial in range(trials))
    return sum(report.passed for report in reports) / trials


def passing_number_gate(world: World, gate: Gate, trials: int) -> float:
    """The same of a model that predicts a number."""
    reports = (test_gate.judged(gate, test_number_gate.simulated(world, seed=trial)) for trial in range(trials))
    return sum(report.passed for report in reports) / trials


@cache
def true_gain(world: World, metric: Metric, holdout: Callable[..., tuple[Sample, Sample]] = scored) -> float:
    """What the challenger gains over so many days that nothing is left to chance."""
    challenger, champion = (
        metrics(sample.labels, sample.scores, (metric,))[metric] for sample in holdout(world, 3000, 100, 10**6)
    )
    return challenger - champion if metric in LARGER_IS_BETTER else champion - challenger


each_probability = pytest.mark.parametrize(
    ("metric", "trials"), [("roc_auc", SMALL), *(full(metric, FULL) for metric in PROBABILITIES)]
)
each_number = pytest.mark.parametrize(
    ("metric", "trials"), [("mae", SMALL), *(full(metric, FULL) for metric in NUMBERS)]
)
each_size = pytest.mark.parametrize("trials", [SMALL, full(FULL)])


@each_probability
def test_a_model_that_is_worse_by_more_than_the_margin_is_promoted_no_more_often_than_one_in_twenty(
    metric: Metric, trials: int
) -> None:
    loss = -true_gain(WORSE, metric)
    assert loss > 0.005
    assert passing_comparison(WORSE, metric, 0.9 * loss, trials) <= rarely(trials)
    assert passing_comparison(WORSE, metric, 3 * loss, trials) > 0.9  # the margin is much larger than the loss


@each_probability
def test_a_model_that_is_better_is_promoted_nearly_always(metric: Metric, trials: int) -> None:
    assert true_gain(BETTER, metric) > 0.01
    assert passing_comparison(BETTER, metric, 0.01, trials) > 0.9


@each_size
def test_were_rows_drawn_and_not_days_a_worse_model_would_be_promoted_too_often(trials: int) -> None:
    margin = -0.8 * true_gain(STORMY, "log_loss")
    assert passing_comparison(STORMY, "log_loss", margin, trials) <= rarely(trials)
    assert passing_comparison(STORMY, "log_loss", margin, trials, by_rows) > 0.05


@each_size
def test_the_gate_promotes_a_worse_model_no_more_often_than_one_in_twenty_and_a_better_one_nearly_always(
    trials: int,
) -> None:
    minimum = {"minimum": {"roc_auc": 0.6}}
    gate = test_gate.against(margin=0.01, resamples=400).model_copy(update=minimum)
    assert passing_gate(WORSE, gate, trials) <= rarely(trials)
    assert passing_gate(BETTER, gate, trials) > 0.9
    assert passing_gate(WORSE, test_gate.superior().model_copy(update=minimum), trials) <= rarely(trials)


@each_number
def test_a_model_of_numbers_that_is_worse_than_the_margin_is_promoted_no_more_often_than_one_in_twenty(
    metric: Metric, trials: int
) -> None:
    loss = -true_gain(WORSE_NUMBERS, metric, predicted)
    against = test_number_gate.against
    assert loss > 0.01
    assert passing_number_gate(WORSE_NUMBERS, against(metric, 0.9 * loss, resamples=400), trials) <= rarely(trials)
    assert passing_number_gate(WORSE_NUMBERS, against(metric, 3 * loss, resamples=400), trials) > 0.9


@each_number
def test_a_model_of_numbers_that_is_better_is_promoted_nearly_always_and_a_like_one_is_hardly_ever_superior(
    metric: Metric, trials: int
) -> None:
    superior = test_number_gate.against(metric, None, rule="superior", resamples=400)
    assert true_gain(BETTER_NUMBERS, metric, predicted) > 0.01
    assert passing_number_gate(BETTER_NUMBERS, superior, trials) > 0.9
    assert passing_number_gate(ALIKE_NUMBERS, superior, trials) <= rarely(trials, 0.07)


@pytest.mark.parametrize("trials", [10, full(100)])
def test_a_challenger_that_is_worse_in_a_slice_by_more_than_allowed_passes_no_more_often_for_their_number(
    trials: int,
) -> None:
    """Twelve slices, in one of which it is worse: the chance to pass is that of the one slice at most."""
    passed = 0
    gate = Gate(
        against_champion=AgainstChampion(metric="roc_auc", margin=0.05, resamples=200),
        slices=Slices(columns=("airport",), regression=0.08),
    )
    for trial in range(trials):
        challenger, champion = scored(World(0.3, 0.3), 14, 600, trial)
        slices = np.random.default_rng(trial).integers(0, 12, len(challenger.labels)).astype(str)
        worse = scored(World(1.2, 0.3), 14, 600, trial)[0].scores  # of the same rows
        mixed = replace(challenger, scores=np.where(slices == "7", worse, challenger.scores))
        report = test_slices.judged(gate, mixed, champion, {"airport": slices})
        passed += all(result.passed for result in test_slices.slices_of(report))
    assert passed <= (5 if trials == 100 else chance_limit(0.05, trials) * trials)
