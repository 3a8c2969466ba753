"""Whether one model is better than another, and with what confidence."""

from __future__ import annotations

from nightshift.definition.gate import Gate
from nightshift.definition.metrics import LARGER_IS_BETTER, Metric
from nightshift.training.bootstrap import Estimate
from nightshift.training.results import RuleResult, format_number


def gain(metric: Metric, challenger: Estimate, reference: Estimate) -> Estimate:
    """By how much the challenger is better in a metric; below 0 where it is worse."""
    return challenger - reference if metric in LARGER_IS_BETTER else reference - challenger


def exceeds_with_confidence(
    rule: str, gained: Estimate, bound: float, gate: Gate, days: int, rows: int, sentence: str
) -> RuleResult:
    """Passes if the lower end of the gain's interval is above a bound.

    Args:
        rule: The rule's name.
        gained: The gain.
        bound: The value that the gain must exceed.
        gate: The gate, which sets the confidence and the fewest days.
        days: How many days the gain rests on.
        rows: How many rows the gain rests on.
        sentence: What was compared, to which the outcome is added.
    """
    if days < gate.min_days:
        few = f"{sentence}: {days} nights are too few to be {gate.confidence_text}, {gate.min_days} are needed"
        return RuleResult(rule, gained.value, bound, rows, False, few)
    low, high = gained.interval(days, gate.confidence)
    value, end, least = (format_number(number, 4, signed=True) for number in (gained.value, low, bound))
    outcome = f"{sentence}: {value}, {gate.confidence_text} above {end}, must be above {least}"
    return RuleResult(rule, gained.value, bound, rows, low > bound, outcome, low, high)
