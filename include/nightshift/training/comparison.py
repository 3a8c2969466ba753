"""Whether one model is better than another, and how sure that is."""

from __future__ import annotations

import numpy as np

from nightshift.definition.gate import Gate
from nightshift.definition.metrics import LARGER_IS_BETTER, Metric
from nightshift.training.bootstrap import Estimate, Vector
from nightshift.training.results import RuleResult, told

OF_A_CLASS = 10  # rows: with fewer, no metric says anything


def gain(metric: Metric, challenger: Estimate, other: Estimate) -> Estimate:
    """By how much the challenger is better in a metric; below 0 where it is worse."""
    return challenger - other if metric in LARGER_IS_BETTER else other - challenger


def surely_above(
    rule: str, gained: Estimate, bound: float, gate: Gate, days: int, rows: int, sentence: str
) -> RuleResult:
    """Holds if the lower end of the gain's interval is above a bound.

    Args:
        rule: The rule's name.
        gained: The gain.
        bound: What it must be above.
        gate: How sure it must be.
        days: How many days it rests on.
        rows: How many rows it rests on.
        sentence: What was compared, to which the outcome is added.
    """
    if days < gate.days:
        few = f"{sentence}: {days} days are too few to be {gate.sure}, {gate.days} are needed"
        return RuleResult(rule, gained.value, bound, rows, False, few)
    low, high = gained.interval(days, gate.confidence)
    value, end, least = (told(number, 4, signed=True) for number in (gained.value, low, bound))
    found = f"{sentence}: {value}, {gate.sure} above {end}, must be above {least}"
    return RuleResult(rule, gained.value, bound, rows, low > bound, found, low, high)


def unfit(labels: Vector, regression: bool) -> str:
    """Why labels are no ground for a comparison, in words; empty if they are."""
    if regression:
        return "all labels are the same" if len(np.unique(labels)) < 2 else ""
    positive = int(labels.sum())
    few = min(positive, len(labels) - positive) < OF_A_CLASS
    return f"fewer than {OF_A_CLASS} rows of a class" if few else ""
