"""Proposes what is usual of a column and of the rows, by counting the dates that would have raised an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic, UsualRowCount, UsualValues
from nightshift.profiling.bounds import round_outward
from nightshift.profiling.proposal import ProposedValue
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, PRESENT, SPREAD, ExpectationSpec
from nightshift.quality.usual import comparable_dates, mix_distance, usual_values

DEVIATIONS = (8.0, 10.0, 15.0, 20.0)  # the first that rarely alarms is proposed
MAX_ALARM_SHARE = 0.01  # of the dates
MIN_DATES = 14  # with a history: five weeks of files
ROWS_FACTOR = 1.5  # times the largest distance of a date from the usual number of rows
MIN_ROWS_ROOM = 0.3  # of the usual number of rows

DEFAULTS = UsualValues()


def propose_usual(
    name: str, kind: str, distributions: Mapping[date, ColumnDistribution], statistics: Sequence[Statistic]
) -> ProposedValue | None:
    """Proposes the `usual` of a column: the statistics that rarely alarm, with the fewest deviations that allow it.

    Args:
        name: The column.
        kind: Its type.
        distributions: Its distribution on each date.
        statistics: The statistics that are informative for the column.
    """
    candidates = list(statistics)
    while candidates:
        for deviations in DEVIATIONS:
            usual = UsualValues(of=tuple(candidates), deviations=deviations)
            outside, days = alarms(name, kind, usual, distributions)
            if days < MIN_DATES:
                return None
            if len(outside) <= MAX_ALARM_SHARE * days:
                return ProposedValue(_shortest_form(kind, usual, distributions), alarm_evidence(outside, days))
        counts = {
            statistic: len(alarms(name, kind, usual.model_copy(update={"of": (statistic,)}), distributions)[0])
            for statistic in candidates
        }
        candidates.remove(max(candidates, key=lambda statistic: counts[statistic]))
    return None


def _shortest_form(kind: str, usual: UsualValues, distributions: Mapping[date, ColumnDistribution]) -> Any:
    """The shortest way to write a `usual` in a definition."""
    irrelevant = {"missing"} if not any(daily.missing for daily in distributions.values()) else set()
    entries: dict[str, Any] = {}
    if not set(STATISTICS[kind]) - irrelevant <= set(usual.of):
        entries["of"] = list(usual.of)
    if usual.deviations != DEFAULTS.deviations:
        entries["deviations"] = int(usual.deviations)
    return entries or "warn"


def alarms(
    name: str, kind: str, usual: UsualValues, distributions: Mapping[date, ColumnDistribution]
) -> tuple[list[date], int]:
    """The dates on which a column would have raised an alarm, and the number of dates that have a history."""
    outside, measured = [], 0
    for day, distribution in distributions.items():
        history = [distributions[before] for before in comparable_dates(list(distributions), day, usual.weeks)]
        expectations = list(usual_values(name, kind, usual, day, history))
        measured += bool(expectations)
        if not all(_holds(expectation, distribution) for expectation in expectations):
            outside.append(day)
    return outside, measured


def alarm_evidence(outside: Sequence[date], days: int) -> str:
    """The number of dates that would have raised an alarm, in words."""
    first = f", {outside[0]}" if len(outside) == 1 else f", the first {outside[0]}" if outside else ""
    return f"{len(outside)} of {days} dates outside the range of the same weekdays before{first}"


def propose_usual_rows(rows: Mapping[date, int]) -> ProposedValue | None:
    """Proposes `rows.usual`: 1.5 times the largest distance of a date from the median of its weekday."""
    ratios = row_ratios(rows, UsualRowCount().weeks)
    if len(ratios) < MIN_DATES:
        return None
    least, most = min(ratios.values()), max(ratios.values())
    below, above = (max(ROWS_FACTOR * distance, MIN_ROWS_ROOM) for distance in (1 - least, most - 1))
    lowest, highest = round_outward(1 - below, 0.1, upper=False), round_outward(1 + above, 0.1, upper=True)
    evidence = f"{least:.2f} to {most:.2f} times the median of the same weekday on {len(ratios)} dates"
    return ProposedValue({"min": max(lowest, 0), "max": highest}, evidence)


def row_ratios(rows: Mapping[date, int], weeks: int) -> dict[date, float]:
    """The number of rows as a multiple of the median of the same weekdays before, of each date with a history."""
    ratios = {}
    for day, count in rows.items():
        history = [rows[before] for before in comparable_dates(list(rows), day, weeks)]
        if history and median(history):
            ratios[day] = count / median(history)
    return ratios


def _holds(expectation: ExpectationSpec, distribution: ColumnDistribution) -> bool:
    arguments = dict(expectation.arguments)
    if expectation.kind == MIX:
        if not distribution.counts:
            return True
        return mix_distance(distribution.shares, arguments["shares"]) <= float(arguments["max_distance"])
    observed = {
        MEAN: distribution.mean, SPREAD: distribution.spread, PRESENT: 1 - distribution.missing_share,
        DISTINCT: distribution.distinct,
    }[expectation.kind]  # fmt: skip
    measured = observed is not None and (expectation.kind != DISTINCT or distribution.rows > distribution.missing)
    return not measured or bool(arguments["min_value"] <= observed <= arguments["max_value"])
