"""How often what is usual would not have held on the dates that were seen, and what would have held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median
from typing import Any

from nightshift.definition.checks import STATISTICS, Statistic, UsualRowCount, UsualValues
from nightshift.profiling.ranges import rounded
from nightshift.profiling.text import Told
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, PRESENT, SPREAD, ExpectationSpec
from nightshift.quality.usual import distance, same_weekdays, usual_values

DEVIATIONS = (8.0, 10.0, 15.0, 20.0)  # of which the first is taken that rarely alarms
RARELY = 0.01  # of the dates
FEWEST_DATES = 14  # with a history: five weeks of files
WIDER = 1.5  # times as far from the usual number of rows as any date was
LEAST_ROOM = 0.3  # of the usual number of rows

DEFAULTS = UsualValues()


def propose_usual(
    name: str, kind: str, profiles: Mapping[date, ColumnDistribution], wanted: Sequence[Statistic]
) -> Told | None:
    """What to declare as usual of a column: the statistics that hold, and the fewest deviations within which they do.

    Args:
        name: The column.
        kind: Its type.
        profiles: How it is distributed on each date.
        wanted: The statistics that would say something.
    """
    kept = list(wanted)
    while kept:
        for deviations in DEVIATIONS:
            usual = UsualValues(of=tuple(kept), deviations=deviations)
            outside, days = alarms(name, kind, usual, profiles)
            if days < FEWEST_DATES:
                return None
            if len(outside) <= RARELY * days:
                return Told(_as_declared(kind, usual, profiles), told_alarms(outside, days))
        most = {one: len(alarms(name, kind, usual.model_copy(update={"of": (one,)}), profiles)[0]) for one in kept}
        kept.remove(max(kept, key=lambda one: most[one]))
    return None


def _as_declared(kind: str, usual: UsualValues, profiles: Mapping[date, ColumnDistribution]) -> Any:
    """As short as a definition can say it."""
    never = {"missing"} if not any(one.missing for one in profiles.values()) else set()
    told: dict[str, Any] = {}
    if not set(STATISTICS[kind]) - never <= set(usual.of):
        told["of"] = list(usual.of)
    if usual.deviations != DEFAULTS.deviations:
        told["deviations"] = int(usual.deviations)
    return told or "warn"


def alarms(
    name: str, kind: str, usual: UsualValues, profiles: Mapping[date, ColumnDistribution]
) -> tuple[list[date], int]:
    """The dates on which a column would not have been as usual, and on how many there was a history to say so."""
    outside, measured = [], 0
    for day, profile in profiles.items():
        history = [profiles[known] for known in same_weekdays(list(profiles), day, usual.weeks)]
        expected = list(usual_values(name, kind, usual, day, history))
        measured += bool(expected)
        if not all(_holds(one, profile) for one in expected):
            outside.append(day)
    return outside, measured


def told_alarms(outside: Sequence[date], days: int) -> str:
    """How often something unusual was seen."""
    when = f", {outside[0]}" if len(outside) == 1 else f", the first {outside[0]}" if outside else ""
    return f"{len(outside)} of {days} dates were further from the same weekdays before{when}"


def propose_usual_rows(rows: Mapping[date, int]) -> Told | None:
    """The number of rows as multiples of that of the same weekday: half as far again from 1 as any date was."""
    ratios = row_ratios(rows, UsualRowCount().weeks)
    if len(ratios) < FEWEST_DATES:
        return None
    least, most = min(ratios.values()), max(ratios.values())
    below, above = (max(WIDER * away, LEAST_ROOM) for away in (1 - least, most - 1))
    bounds = {"min": max(rounded(1 - below, 0.1, upper=False), 0), "max": rounded(1 + above, 0.1, upper=True)}
    return Told(bounds, f"{least:.2f} to {most:.2f} times the same weekday's on {len(ratios)} dates")


def row_ratios(rows: Mapping[date, int], weeks: int) -> dict[date, float]:
    """Of each date with a history the number of rows, as a multiple of the median of the same weekdays before."""
    ratios = {}
    for day, count in rows.items():
        before = [rows[known] for known in same_weekdays(list(rows), day, weeks)]
        if before and median(before):
            ratios[day] = count / median(before)
    return ratios


def _holds(expected: ExpectationSpec, profile: ColumnDistribution) -> bool:
    given = dict(expected.arguments)
    if expected.kind == MIX:
        return not profile.counts or distance(profile.shares, given["shares"]) <= given["max_distance"]
    observed = {
        MEAN: profile.mean, SPREAD: profile.spread, PRESENT: 1 - profile.missing_share, DISTINCT: profile.distinct,
    }[expected.kind]  # fmt: skip
    measured = observed is not None and (expected.kind != DISTINCT or profile.rows > profile.missing)
    return not measured or bool(given["min_value"] <= observed <= given["max_value"])
