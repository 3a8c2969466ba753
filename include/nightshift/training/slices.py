"""The gate's rule for slices of the holdout: a model that is better overall may be worse in a slice.

Every slice is compared with its bound separately, at the gate's confidence, and all slices have to pass. That is an
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
from nightshift.training.comparison import exceeds_with_confidence, gain
from nightshift.training.methods import METHODS
from nightshift.training.results import Holdout, RuleResult, format_number


def judge_slices(gate: Gate, metric: Metric, holdout: Holdout, drawn: Draws) -> list[RuleResult]:
    """Compares challenger and champion in every slice; slices that are too small are listed as not judged.

    Args:
        gate: The gate, which declares the slices and their bound.
        metric: The metric to compare.
        holdout: The outcomes and both models' scores.
        drawn: The resamples of the holdout.
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
    unfit = METHODS[holdout.prediction].unfit_labels(challenger.labels)
    small = {
        f"{count} rows, fewer than {gate.slices.minimum}": count < gate.slices.minimum,
        unfit: bool(unfit),
        f"{days} nights, fewer than {gate.min_days}": days < gate.min_days,
    }
    if why := next((why for why, applies in small.items() if applies), None):
        return RuleResult(f"slices.{name}", None, None, count, None, f"{name} is not judged: {why}")
    values = estimate(metric, challenger, drawn), estimate(metric, champion, drawn)
    of_challenger, of_champion = (format_number(estimated.value, 3) for estimated in values)
    sentence = f"{name}: {metric} {of_challenger} against the champion's {of_champion}"
    gained = gain(metric, *values)
    return exceeds_with_confidence(f"slices.{name}", gained, -gate.slices.regression, gate, days, count, sentence)
