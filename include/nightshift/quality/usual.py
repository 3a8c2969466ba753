"""The usual range of a partition: how far it may differ from those of the same weekday, or just before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import ceil, floor, fsum, isfinite, sqrt
from statistics import median
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic, UsualRowCount, UsualValues
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, PRESENT, ROW_COUNT, SPREAD, ExpectationSpec

MIN_WEEKS = 3  # that a usual range needs
NORMAL = 1.4826  # times the median absolute deviation: the standard deviation, where values are normal
MIN_DEVIATION = 0.02  # of the usual value
MIN_SHARE_DEVIATION = 0.005  # of a share
ROUNDING = 1e-9  # of the mean: a smaller spread is a rounding error


def comparable_dates(days: Iterable[date], day: date, count: int, *, by_weekday: bool = True) -> list[date]:
    """The last dates before a date that it is compared with; none if they are too few.

    Args:
        days: The dates there are.
        day: The date.
        count: How many dates it is compared with.
        by_weekday: Whether only those of its weekday, one per week; otherwise the dates just before it.
    """
    before = sorted(d for d in days if d < day and (not by_weekday or d.weekday() == day.weekday()))[-count:]
    return before if len(before) >= MIN_WEEKS else []


def kind_of_date(day: date, *, by_weekday: bool) -> str:
    """What a date is compared with the last ones of, in words."""
    return f"{day:%A}" if by_weekday else "night"


def usual_rows(
    usual: UsualRowCount, day: date, counts: Mapping[date, int], *, by_weekday: bool = True
) -> Iterator[ExpectationSpec]:
    """Expects about as many rows as on the dates that a date is compared with; nothing in the first weeks.

    Args:
        usual: The declared usual range.
        day: The date of the partition.
        counts: The number of rows of each published date.
        by_weekday: See `comparable_dates`.
    """
    if dates := comparable_dates(counts, day, usual.weeks, by_weekday=by_weekday):
        middle, kind = median(counts[before] for before in dates), kind_of_date(day, by_weekday=by_weekday)
        least, most = multiples(usual.min, usual.max, middle)
        bounds = (("min_value", least), ("max_value", most))
        note = f"{usual.min:g} to {usual.max:g} times {middle:g}, the median of the last {len(dates)} {kind}s"
        yield ExpectationSpec(ROW_COUNT, f"rows of a usual {kind}", bounds, usual.severity, note)


def multiples(least: float, most: float, rows: float) -> tuple[int, int]:
    """The fewest and the most rows between two multiples of a number; those around it where there are none."""
    # Exact: 1.15 times 100 rows are 115, as floats 114.999…
    fewest, greatest = (Fraction(str(times)) * Fraction(rows) for times in (least, most))
    bounds = ceil(fewest), floor(greatest)
    return min(bounds), max(bounds)


def usual_values(
    column: str,
    kind: str,
    usual: UsualValues,
    day: date,
    history: Sequence[ColumnDistribution],
    *,
    by_weekday: bool = True,
) -> Iterator[ExpectationSpec]:
    """Expects a column's distribution to be near that of the dates that a date is compared with.

    Each statistic may differ from its median over those dates by a number of deviations: the median absolute deviation
    scaled to a standard deviation, or the statistic's sampling error where that is larger.

    Source: F. R. Hampel, The influence curve and its role in robust estimation, JASA 69 (1974).

    Args:
        column: The column.
        kind: Its type.
        usual: The declared usual range.
        day: The date of the partition.
        history: The column's distributions on the dates that it is compared with.
        by_weekday: See `comparable_dates`.
    """
    dates = f"the last {len(history)} {kind_of_date(day, by_weekday=by_weekday)}s"
    for statistic in STATISTICS[kind]:
        if not usual.of or statistic in usual.of:
            for expectation, bounds_or_mix in _EXPECTED[statistic](history, usual.deviations):
                note = f"the mix of {dates}" if expectation == MIX else f"the usual range of {dates}"
                arguments = (("column", column), *bounds_or_mix.items())
                yield ExpectationSpec(expectation, column, arguments, usual.severity, note)


def bounds(values: Sequence[float], error: float, deviations: float) -> tuple[float, float]:
    """The median of values minus and plus a number of deviations, of which each is at least the error."""
    middle = median(values)
    deviation = max(NORMAL * median(abs(value - middle) for value in values), error)
    return middle - deviations * deviation, middle + deviations * deviation


def mix_distance(mix: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """The total variation distance of two mixes: the share of rows that would need another value.

    Args:
        mix: The share of each value; the shares add up to 1.
        expected: The expected share of each value.
    """
    # An exact sum, since the order of a set differs between processes. Shares may add up to a little more than 1.
    half = fsum(abs(mix.get(value, 0.0) - expected.get(value, 0.0)) for value in {*mix, *expected}) / 2
    return min(half, 1.0)


Arguments = Iterator[tuple[str, dict[str, Any]]]  # the class and the arguments of an expectation


def _mean(history: Sequence[ColumnDistribution], deviations: float) -> Arguments:
    means, spreads = _finite(history, "mean"), _finite(history, "spread")
    if len(means) >= MIN_WEEKS:
        spread = median(spreads) if spreads else 0.0
        error = max(spread / sqrt(_present(history)), MIN_DEVIATION * abs(median(means)))
        yield MEAN, _between(*bounds(means, error, deviations))


def _spread(history: Sequence[ColumnDistribution], deviations: float) -> Arguments:
    spreads = _finite(history, "spread")
    if len(spreads) >= MIN_WEEKS:
        # The sampling error of a standard deviation, if values are normal.
        error = median(spreads) * max(1 / sqrt(2 * _present(history)), MIN_DEVIATION)
        error = max(error, ROUNDING * abs(median(_finite(history, "mean"))))
        least, most = bounds(spreads, error, deviations)
        yield SPREAD, _between(max(least, 0.0), most)


def _missing(history: Sequence[ColumnDistribution], deviations: float) -> Arguments:
    # A partition without any value, as before files had the column, is no evidence.
    filled = [distribution for distribution in history if distribution.missing < distribution.rows]
    if len(filled) >= MIN_WEEKS:
        shares = [distribution.missing_share for distribution in filled]
        share, rows = median(shares), median(distribution.rows for distribution in filled)
        least, most = bounds(shares, max(sqrt(share * (1 - share) / rows), MIN_SHARE_DEVIATION), deviations)
        yield PRESENT, _between(max(1 - most, 0.0), min(1 - least, 1.0))


def _distinct(history: Sequence[ColumnDistribution], deviations: float) -> Arguments:
    numbers = [float(distribution.distinct) for distribution in history if distribution.distinct]
    if len(numbers) >= MIN_WEEKS:
        least, most = bounds(numbers, max(MIN_DEVIATION * median(numbers), 0.5), deviations)
        yield DISTINCT, _between(max(floor(least), 1), ceil(most))


def _mix(history: Sequence[ColumnDistribution], deviations: float) -> Arguments:
    mixes = [distribution.shares for distribution in history if distribution.counts]
    if len(mixes) >= MIN_WEEKS:
        distances = [mix_distance(mix, _pooled([week for week in mixes if week is not mix])) for mix in mixes]
        _, most = bounds(distances, MIN_SHARE_DEVIATION, deviations)
        yield MIX, {"shares": _pooled(mixes), "max_distance": min(most, 1.0)}


_EXPECTED: Mapping[Statistic, Callable[[Sequence[ColumnDistribution], float], Arguments]] = {
    "mean": _mean, "spread": _spread, "missing": _missing, "distinct": _distinct, "mix": _mix,
}  # fmt: skip


def _finite(history: Sequence[ColumnDistribution], statistic: str) -> list[float]:
    values = [getattr(distribution, statistic) for distribution in history]
    return [value for value in values if value is not None and isfinite(value)]


def _present(history: Sequence[ColumnDistribution]) -> float:
    """The median number of values of the partitions that have any."""
    values = [distribution.rows - distribution.missing for distribution in history]
    return median(count for count in values if count > 0)


def _pooled(mixes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean share of each value."""
    values = sorted({value for mix in mixes for value in mix})
    return {value: sum(mix.get(value, 0.0) for mix in mixes) / len(mixes) for value in values}


def _between(least: float, most: float) -> dict[str, Any]:
    return {"min_value": least, "max_value": most}
