"""The gate's rule for parts of the holdout: a model that is better on the whole may be worse for some.

Every slice is held against its bound on its own, at the gate's confidence, and all of them have to pass. That is an
intersection-union test (Berger, Multiparameter Hypothesis Testing and Acceptance Sampling, 1982): a challenger that is
worse by `regression` in even one judged slice passes no more often than one minus the confidence, however many slices
there are, so nothing has to be corrected for their number. What grows with their number, and the smaller they are, is
the chance to refuse a challenger that is worse nowhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nightshift.definition.gate import Gate
from nightshift.definition.metrics import Metric
from nightshift.training.bootstrap import Draws, estimate
from nightshift.training.comparison import gain, surely_above, unfit
from nightshift.training.results import Holdout, RuleResult, told


def judge_slices(gate: Gate, metric: Metric, holdout: Holdout, drawn: Draws) -> list[RuleResult]:
    """Holds every slice against the champion; those that are too small are listed as not judged.

    Args:
        gate: Which slices, and what is demanded of them.
        metric: What is compared.
        holdout: The outcomes and both models' scores.
        drawn: The resamples: the whole holdout's.
    """
    if gate.slices is None or holdout.champion is None:
        return []
    return [
        _slice(f"{column}={value}", holdout.columns[column] == value, gate, metric, holdout, drawn)
        for column in gate.slices.columns
        for value in np.unique(holdout.columns[column])
    ]


def _slice(
    name: str, rows: npt.NDArray[np.bool_], gate: Gate, metric: Metric, holdout: Holdout, drawn: Draws
) -> RuleResult:
    assert gate.slices is not None and holdout.champion is not None
    challenger, champion = holdout.sample(holdout.challenger, rows), holdout.sample(holdout.champion, rows)
    count, days = len(challenger.labels), len(np.unique(challenger.days))
    alike = unfit(challenger.labels, holdout.regression)
    small = {
        f"{count} rows, fewer than {gate.slices.minimum}": count < gate.slices.minimum,
        alike: bool(alike),
        f"{days} days, fewer than {gate.days}": days < gate.days,
    }
    if why := next((why for why, holds in small.items() if holds), None):
        return RuleResult(f"slices.{name}", None, None, count, None, f"{name} is not judged: {why}")
    found, other = estimate(metric, challenger, drawn), estimate(metric, champion, drawn)
    sentence = f"{name}: {metric} {told(found.value, 3)} against the champion's {told(other.value, 3)}"
    gained = gain(metric, found, other)
    return surely_above(f"slices.{name}", gained, -gate.slices.regression, gate, days, count, sentence)
