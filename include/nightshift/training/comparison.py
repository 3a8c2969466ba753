"""Whether one model is better than another, and how sure that is."""

from __future__ import annotations

from nightshift.definition.gate import LARGER_IS_BETTER, Gate, Metric
from nightshift.training.bootstrap import Estimate
from nightshift.training.results import RuleResult

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
        told = f"{sentence}: {days} days are too few to be {gate.sure}, {gate.days} are needed"
        return RuleResult(rule, gained.value, bound, rows, False, told)
    low, high = gained.interval(days, gate.confidence)
    told = f"{sentence}: {gained.value:+.4f}, {gate.sure} above {low:+.4f}; bound {bound:+.4f}"
    return RuleResult(rule, gained.value, bound, rows, low > bound, told, low, high)
