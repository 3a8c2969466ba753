"""Thresholds of drift statistics that hold one stated rate of false alarms over everything that is watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from nightshift.monitoring.days import Days, Draws
from nightshift.monitoring.profile import Vector
from nightshift.monitoring.statistics import statistics
from nightshift.monitoring.tail import START, Tail

DRAWS = 5_000
SIZES = (10, 50, 200, 1_000, 5_000, 20_000, 100_000, 300_000, 1_000_000)  # rows of a night
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
    simulated = _simulated(columns, sizes, draws)
    levels = [
        [
            _level(np.min([found.least[place] for found in nights.values()], axis=0), rate, others)
            for nights in simulated
        ]
        for place in range(len(sizes))
    ]
    bounds = {
        name: {
            statistic: tuple(
                max(
                    nights[name].tails[statistic][place].quantile(level)
                    for nights, level in zip(simulated, held, strict=True)
                )
                for place, held in enumerate(levels)
            )
            for statistic in found.tails
        }
        for name, found in simulated[0].items()
    }
    return Thresholds(tuple(sizes), bounds, tuple(min(held) for held in levels))


@dataclass(frozen=True)
class Simulated:
    """What a column's nights come to.

    Attributes:
        tails: By statistic, one a size.
        least: Of each night the smallest chance of all statistics, shape (sizes, draws).
    """

    tails: Mapping[str, Sequence[Tail]]
    least: Vector


def _simulated(columns: Mapping[str, Column], sizes: Sequence[int], draws: int) -> list[dict[str, Simulated]]:
    """Every column's nights with normal differences, and if any days differ, those with differences of whole days."""
    seeds = {group: SEED + place for place, group in enumerate(sorted({one.group for one in columns.values()}))}
    days = {(one.group, one.days.freedom): len(one.days.weekdays) for one in columns.values()}
    random = {of: Draws.of(count, of[1], draws, seeds[of[0]]) for of, count in days.items()}
    numbers = {name: number for number, name in enumerate(sorted(columns))}

    def simulate(names: Sequence[str], *, whole: bool) -> dict[str, Simulated]:
        def one(name: str) -> Simulated:
            column = columns[name]
            shares, expected = column.days.draw(random[column.group, column.days.freedom], whole=whole)
            return _simulate(column, shares, expected, sizes, [SEED, numbers[name]], TIED if whole else 0.0)

        # NumPy lets go of the interpreter, so that threads use all cores; how many they are changes nothing.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor() as pool:
            return dict(zip(names, pool.map(one, names), strict=True))

    normal = simulate(list(numbers), whole=False)
    differ = [name for name in numbers if columns[name].days.differ]
    return [normal, normal | simulate(differ, whole=True)] if differ else [normal]


def _simulate(
    column: Column, shares: Vector, expected: Vector, sizes: Sequence[int], seed: Sequence[int], tied: float
) -> Simulated:
    """A column's nights of such true shares, held against such expected ones, both of shape (draws, bins)."""
    tails: dict[str, list[Tail]] = {}
    least = np.ones((len(sizes), len(shares)))
    # Bin by bin in memory, which is what sums over bins are fast with.
    reference = np.asfortranarray(expected * column.days.rows)
    for place, size in enumerate(sizes):
        counts = np.random.default_rng(seed).multinomial(size, shares).astype(np.float64, order="F")
        for statistic, values in statistics(column.bins, reference, counts).items():
            known = np.where(values >= SMALLEST, values, 0.0)  # not a number counts as nothing
            # Whole days may be of a few kinds only, and then nights come to the very same values.
            tail = Tail.fit(known * (1 + tied))
            tails.setdefault(statistic, []).append(tail)
            least[place] = np.minimum(least[place], tail.chance(known))
    return Simulated(tails, least)


def _level(least: Vector, rate: float, others: int) -> float:
    """The level at which as many nights as the rate says have something beyond it."""
    levels = np.sort(least)
    beyond = 1 - (1 - np.arange(1, len(levels) + 1) / len(levels)) * (1 - levels) ** others
    held = levels[beyond <= rate]
    return float(min(held[-1], START / 2)) if len(held) and held[-1] > 0 else rate / (2 * len(levels))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
