"""Thresholds of drift statistics that hold one stated rate of false alarms over everything that is watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nightshift.monitoring.days import Days, Draws
from nightshift.monitoring.profile import Vector
from nightshift.monitoring.statistics import statistics
from nightshift.monitoring.tail import START, Tail

DRAWS = 10_000
SIZES = tuple(round(10 ** (half / 2)) for half in range(2, 13))  # rows of a night: 10 to a million
SEED = 20130101
TIED = 0.05  # by how much of themselves equal values may differ, between sizes and by their digits
SMALLEST = 1e-7  # of a threshold: below, values differ by their digits alone


@dataclass(frozen=True)
class Column:
    """A column that is watched: its bins, how its days differ, and which columns have the same days."""

    bins: Mapping[str, Any]
    days: Days
    group: str


@dataclass(frozen=True)
class Thresholds:
    """What every statistic of every column may come to, by how many rows a night has.

    Attributes:
        sizes: Rows of a night, ascending.
        bounds: By column and statistic, one a size.
        levels: The chance of a single column to be beyond by chance, one a size.
    """

    sizes: tuple[int, ...]
    bounds: Mapping[str, Mapping[str, tuple[float, ...]]]
    levels: tuple[float, ...]

    def bound(self, column: str, statistic: str, rows: int) -> float:
        """The threshold of a night of so many rows; between two sizes it follows a power of them."""
        known = np.array(self.bounds[column][statistic])
        where = np.log(min(max(rows, self.sizes[0]), self.sizes[-1]))
        at = np.log(self.sizes)
        if (known <= 0).any():
            return max(float(np.interp(where, at, known)), SMALLEST)
        return max(float(np.exp(np.interp(where, at, np.log(known)))), SMALLEST)

    def level(self, rows: int) -> float:
        """The chance of a single column at so many rows."""
        return float(np.interp(np.log(max(rows, 1)), np.log(self.sizes), self.levels))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "sizes": list(self.sizes),
            "levels": [_rounded(one) for one in self.levels],
            "bounds": {
                column: {name: [_rounded(one) for one in bounds] for name, bounds in by_name.items()}
                for column, by_name in self.bounds.items()
            },
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Thresholds:
        """The inverse of `to_json`."""
        bounds = {
            column: {name: tuple(one) for name, one in by_name.items()} for column, by_name in told["bounds"].items()
        }
        return cls(tuple(told["sizes"]), bounds, tuple(told["levels"]))


def calibrate(
    columns: Mapping[str, Column], rate: float, *, sizes: Sequence[int] = SIZES, draws: int = DRAWS, others: int = 0
) -> Thresholds:
    """Simulates nights that are like the reference's days, and finds what is exceeded as rarely as is tolerated.

    A night's true shares are drawn around what the days let one expect, with how days differ and how uncertain the
    expectation is; its rows are drawn from those. All statistics of all columns are held to one level, which is chosen
    so that a night on which anything at all is beyond its threshold is as rare as the rate says.

    The nights are drawn twice, with differences of whole days and with normal ones (`Days.draw`), and the higher
    threshold counts. The rows of two columns are drawn apart; where columns are dependent within a night, false alarms
    are rarer.

    Args:
        columns: By name.
        rate: False alarms a night, altogether.
        sizes: Rows of a night, ascending.
        draws: How many nights are simulated of each size.
        others: How many further tests, each apart from all columns, share the rate at the same level.
    """
    groups = {column.group: len(column.days.weekdays) for column in columns.values()}
    random = {group: Draws.of(days, draws, SEED + place) for place, (group, days) in enumerate(sorted(groups.items()))}
    simulated = [_simulate(columns, random, sizes, draws, whole=False)]
    if any(column.days.differ for column in columns.values()):
        simulated.append(_simulate(columns, random, sizes, draws, whole=True))
    levels = [[_level(chance, rate, others) for chance in least] for _, least in simulated]
    bounds = {
        name: {
            statistic: tuple(
                max(
                    tails[name][statistic][place].quantile(held[place])
                    for (tails, _), held in zip(simulated, levels, strict=True)
                )
                for place in range(len(sizes))
            )
            for statistic in by_statistic
        }
        for name, by_statistic in simulated[0][0].items()
    }
    return Thresholds(tuple(sizes), bounds, tuple(min(at) for at in zip(*levels, strict=True)))


Tails = dict[str, dict[str, list[Tail]]]  # by column and statistic, one a size


def _simulate(
    columns: Mapping[str, Column], random: Mapping[str, Draws], sizes: Sequence[int], draws: int, *, whole: bool
) -> tuple[Tails, Vector]:
    """The tail of every statistic of every column, and of each night the smallest chance of all: (sizes, draws)."""
    tails: Tails = {}
    least = np.ones((len(sizes), draws))
    for number, (name, column) in enumerate(sorted(columns.items())):
        shares, expected = column.days.draw(random[column.group], whole=whole)
        tails[name] = {}
        for place, size in enumerate(sizes):
            counts = np.random.default_rng([SEED, number]).multinomial(size, shares).astype(np.float64)
            for statistic, values in statistics(column.bins, expected * column.days.rows, counts).items():
                known = np.where(np.isnan(values), 0.0, values)
                # Whole days may be of a few kinds only, and then nights come to the very same values.
                tail = Tail.fit(known * (1 + TIED) if whole else known)
                tails[name].setdefault(statistic, []).append(tail)
                least[place] = np.minimum(least[place], tail.chance(known))
    return tails, least


def _level(least: Vector, rate: float, others: int) -> float:
    """The level at which as many nights as the rate says have something beyond it."""
    levels = np.sort(least)
    beyond = 1 - (1 - np.arange(1, len(levels) + 1) / len(levels)) * (1 - levels) ** others
    held = levels[beyond <= rate]
    return float(min(held[-1], START / 2)) if len(held) and held[-1] > 0 else rate / (2 * len(levels))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
