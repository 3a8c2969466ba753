"""What is usual: how a partition may differ from those of the same weekday before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import ceil, floor, fsum, isfinite, sqrt
from statistics import median
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic, UsualRowCount, UsualValues
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, PRESENT, ROW_COUNT, SPREAD, ExpectationSpec

FEWEST_WEEKS = 3  # before which nothing is usual
NORMAL = 1.4826  # times the median absolute deviation: the standard deviation, where values are normal
LEAST = 0.02  # of the usual value: so much is never a deviation
LEAST_SHARE = 0.005  # the same of a share
ROUNDING = 1e-9  # of the mean: a spread below is none


def same_weekdays(days: Sequence[date], day: date, weeks: int) -> list[date]:
    """Of some dates the last so many that are before a date and on its weekday; none if they are too few."""
    found = sorted(known for known in days if known < day and known.weekday() == day.weekday())[-weeks:]
    return found if len(found) >= FEWEST_WEEKS else []


def usual_rows(usual: UsualRowCount, day: date, counts: Mapping[date, int]) -> Iterator[ExpectationSpec]:
    """As many rows as the same weekday had in the weeks before; nothing is expected of the first weeks.

    Args:
        usual: What is declared.
        day: The date of the partition.
        counts: How many rows each published date has.
    """
    if before := same_weekdays(list(counts), day, usual.weeks):
        middle, weekday = median(counts[known] for known in before), f"{day:%A}"
        least, most = multiples(usual.min, usual.max, middle)
        bounds = (("min_value", least), ("max_value", most))
        note = f"{usual.min:g} to {usual.max:g} times {middle:g}, the median of the last {len(before)} {weekday}s"
        yield ExpectationSpec(ROW_COUNT, f"rows of a usual {weekday}", bounds, usual.severity, note)


def multiples(least: float, most: float, of: float) -> tuple[int, int]:
    """The fewest and the most rows that are so many times a number; those around where none is."""
    # As written: 1.15 times 100 rows are 115, which floats are not sure of.
    fewest, greatest = (Fraction(str(times)) * Fraction(of) for times in (least, most))
    bounds = ceil(fewest), floor(greatest)
    return min(bounds), max(bounds)


def usual_values(
    column: str, kind: str, usual: UsualValues, day: date, history: Sequence[ColumnDistribution]
) -> Iterator[ExpectationSpec]:
    """A column's distribution near that of the same weekday in the weeks before.

    Of each statistic the median of those weeks is expected, and so many times their deviation from it to either side:
    the median absolute deviation as a standard deviation, or the statistic's own sampling error where that is larger.

    Source: F. R. Hampel, The influence curve and its role in robust estimation, JASA 69 (1974).

    Args:
        column: The column.
        kind: Its type.
        usual: What is declared.
        day: The date of the partition.
        history: The column's profiles on the same weekdays before.
    """
    note = f"what the last {len(history)} {day:%A}s had"
    for statistic in STATISTICS[kind]:
        if not usual.of or statistic in usual.of:
            for expected, arguments in _EXPECTED[statistic](history, usual.deviations):
                given = (("column", column), *arguments.items())
                yield ExpectationSpec(expected, column, given, usual.severity, note)


def bounds(values: Sequence[float], error: float, deviations: float) -> tuple[float, float]:
    """The median of some values, less and plus so many of their deviations from it, each at least an error."""
    middle = median(values)
    deviation = max(NORMAL * median(abs(value - middle) for value in values), error)
    return middle - deviations * deviation, middle + deviations * deviation


def mix_distance(mix: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The total variation distance of two mixes: the share of rows that would need another value.

    Args:
        mix: The share of each value; adding up to 1.
        other: Another such mix.
    """
    # Exactly added up: the order of a set is another one in every process. Shares may add up to a little more than 1.
    apart = fsum(abs(mix.get(value, 0.0) - other.get(value, 0.0)) for value in {*mix, *other}) / 2
    return min(apart, 1.0)


Expected = Iterator[tuple[str, dict[str, Any]]]


def _mean(history: Sequence[ColumnDistribution], deviations: float) -> Expected:
    means, spreads = _known(history, "mean"), _known(history, "spread")
    if len(means) >= FEWEST_WEEKS:
        spread = median(spreads) if spreads else 0.0
        error = max(spread / sqrt(_present(history)), LEAST * abs(median(means)))
        yield MEAN, _between(*bounds(means, error, deviations))


def _spread(history: Sequence[ColumnDistribution], deviations: float) -> Expected:
    spreads = _known(history, "spread")
    if len(spreads) >= FEWEST_WEEKS:
        # The sampling error of a standard deviation, if values are normal.
        error = median(spreads) * max(1 / sqrt(2 * _present(history)), LEAST)
        error = max(error, ROUNDING * abs(median(_known(history, "mean"))))
        least, most = bounds(spreads, error, deviations)
        yield SPREAD, _between(max(least, 0.0), most)


def _missing(history: Sequence[ColumnDistribution], deviations: float) -> Expected:
    # Without any value, as where files did not have the column yet, a partition tells nothing of it.
    known = [one for one in history if one.missing < one.rows]
    if len(known) >= FEWEST_WEEKS:
        shares = [one.missing_share for one in known]
        share, rows = median(shares), median(one.rows for one in known)
        least, most = bounds(shares, max(sqrt(share * (1 - share) / rows), LEAST_SHARE), deviations)
        yield PRESENT, _between(max(1 - most, 0.0), min(1 - least, 1.0))


def _distinct(history: Sequence[ColumnDistribution], deviations: float) -> Expected:
    numbers = [float(one.distinct) for one in history if one.distinct]
    if len(numbers) >= FEWEST_WEEKS:
        least, most = bounds(numbers, max(LEAST * median(numbers), 0.5), deviations)
        yield DISTINCT, _between(max(floor(least), 1), ceil(most))


def _mix(history: Sequence[ColumnDistribution], deviations: float) -> Expected:
    mixes = [one.shares for one in history if one.counts]
    if len(mixes) >= FEWEST_WEEKS:
        away = [mix_distance(mix, _pooled([other for other in mixes if other is not mix])) for mix in mixes]
        _, most = bounds(away, LEAST_SHARE, deviations)
        yield MIX, {"shares": _pooled(mixes), "max_distance": min(most, 1.0)}


_EXPECTED: Mapping[Statistic, Callable[[Sequence[ColumnDistribution], float], Expected]] = {
    "mean": _mean, "spread": _spread, "missing": _missing, "distinct": _distinct, "mix": _mix,
}  # fmt: skip


def _known(history: Sequence[ColumnDistribution], statistic: str) -> list[float]:
    return [value for one in history if (value := getattr(one, statistic)) is not None and isfinite(value)]


def _present(history: Sequence[ColumnDistribution]) -> float:
    """How many values a usual partition has, of those that have any."""
    return median(one.rows - one.missing for one in history if one.missing < one.rows)


def _pooled(mixes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean share of each value."""
    values = sorted({value for mix in mixes for value in mix})
    return {value: sum(mix.get(value, 0.0) for mix in mixes) / len(mixes) for value in values}


def _between(least: float, most: float) -> dict[str, Any]:
    return {"min_value": least, "max_value": most}
