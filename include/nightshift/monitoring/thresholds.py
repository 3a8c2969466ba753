"""Calibrates the thresholds of drift statistics: one declared rate of false alarms over everything monitored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from nightshift.monitoring.day_model import DayDraws, DayModel
from nightshift.monitoring.profile import Vector
from nightshift.monitoring.statistics import statistics
from nightshift.monitoring.tail import START, ParetoTail
from nightshift.registry.bins import Bins
from nightshift.registry.drift_thresholds import SMALLEST, DriftThresholds

DRAWS = 5_000
SIZES = (10, 50, 200, 1_000, 5_000, 20_000, 100_000, 300_000, 1_000_000)  # rows of a night
SEED = 20130101
TIE_MARGIN = 0.05  # of a value: equal values may differ by so much between sizes and by rounding


@dataclass(frozen=True)
class MonitoredColumn:
    """A monitored column: its bins, the model of its days, and the group of columns with the same days."""

    bins: Bins
    days: DayModel
    group: str


def calibrate(
    columns: Mapping[str, MonitoredColumn],
    rate: float,
    *,
    sizes: Sequence[int] = SIZES,
    draws: int = DRAWS,
    further_tests: int = 0,
) -> DriftThresholds:
    """Simulates nights that are like the reference's days and takes the bounds that they exceed at the declared rate.

    A night's true shares are drawn around the expectation of its weekday, with how days differ and how uncertain the
    expectation is; its rows are drawn from those. All statistics of all columns have one level, which is chosen so
    that a night on which anything at all exceeds its threshold is as rare as the rate says.

    The nights are drawn twice, with differences of observed days and with normal ones (`DayModel.draw`), and the higher
    threshold counts. The rows of two columns are drawn independently; where columns depend on each other within a
    night, false alarms are rarer.

    Args:
        columns: By name.
        rate: False alarms a night, altogether.
        sizes: Rows of a night, ascending.
        draws: How many nights are simulated of each size.
        further_tests: How many tests beside those of the columns, independent of them, share the rate at the same
            level.
    """
    simulations = _simulate_all(columns, sizes, draws)
    levels = [
        [
            _level(np.min([nights.least[place] for nights in by_column.values()], axis=0), rate, further_tests)
            for by_column in simulations
        ]
        for place in range(len(sizes))
    ]
    bounds = {
        name: {
            statistic: tuple(
                _rounded(
                    max(
                        by_column[name].tails[statistic][place].quantile(level)
                        for by_column, level in zip(simulations, of_size, strict=True)
                    )
                )
                for place, of_size in enumerate(levels)
            )
            for statistic in nights.tails
        }
        for name, nights in simulations[0].items()
    }
    return DriftThresholds(tuple(sizes), bounds, tuple(_rounded(min(of_size)) for of_size in levels))


@dataclass(frozen=True)
class SimulatedNights:
    """The statistics of a column's simulated nights.

    Attributes:
        tails: By statistic, one a size.
        least: Of each night the smallest exceedance probability of all statistics, shape (sizes, draws).
    """

    tails: Mapping[str, Sequence[ParetoTail]]
    least: Vector


def _simulate_all(
    columns: Mapping[str, MonitoredColumn], sizes: Sequence[int], draws: int
) -> list[dict[str, SimulatedNights]]:
    """Each column's nights with normal differences; where days differ, also those with differences of observed days."""
    groups = sorted({column.group for column in columns.values()})
    seeds = {group: SEED + place for place, group in enumerate(groups)}
    days = {(column.group, column.days.freedom): len(column.days.weekdays) for column in columns.values()}
    random = {
        (group, freedom): DayDraws.of(count, freedom, draws, seeds[group]) for (group, freedom), count in days.items()
    }
    numbers = {name: number for number, name in enumerate(sorted(columns))}

    def simulate_columns(names: Sequence[str], *, observed: bool) -> dict[str, SimulatedNights]:
        def simulate(name: str) -> SimulatedNights:
            column = columns[name]
            shares, expected = column.days.draw(random[column.group, column.days.freedom], observed=observed)
            margin = TIE_MARGIN if observed else 0.0
            return _simulate_column(column, shares, expected, sizes, [SEED, numbers[name]], margin)

        # NumPy releases the interpreter, so that threads use all cores; their number does not change the result.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor() as pool:
            return dict(zip(names, pool.map(simulate, names), strict=True))

    normal = simulate_columns(list(numbers), observed=False)
    differ = [name for name in numbers if columns[name].days.differ]
    return [normal, normal | simulate_columns(differ, observed=True)] if differ else [normal]


def _simulate_column(
    column: MonitoredColumn, shares: Vector, expected: Vector, sizes: Sequence[int], seed: Sequence[int], margin: float
) -> SimulatedNights:
    """Nights of given true shares, compared with expected ones, both of shape (draws, bins)."""
    tails: dict[str, list[ParetoTail]] = {}
    least = np.ones((len(sizes), len(shares)))
    # Column-major: sums over bins are fastest bin by bin.
    reference = np.asfortranarray(expected * column.days.rows)
    for place, size in enumerate(sizes):
        counts = np.random.default_rng(seed).multinomial(size, shares).astype(np.float64, order="F")
        for statistic, values in statistics(column.bins, reference, counts).items():
            defined = np.where(values >= SMALLEST, values, 0.0)  # not a number counts as 0
            # Observed days may be of a few kinds only, and then nights have the very same values.
            tail = ParetoTail.fit(defined * (1 + margin))
            tails.setdefault(statistic, []).append(tail)
            least[place] = np.minimum(least[place], tail.chance(defined))
    return SimulatedNights(tails, least)


def _level(least: Vector, rate: float, further_tests: int) -> float:
    """The level at which as many nights as the rate says have something beyond it."""
    levels = np.sort(least)
    beyond = 1 - (1 - np.arange(1, len(levels) + 1) / len(levels)) * (1 - levels) ** further_tests
    allowed = levels[beyond <= rate]
    return float(min(allowed[-1], START / 2)) if len(allowed) and allowed[-1] > 0 else rate / (2 * len(levels))


def _rounded(value: float) -> float:
    """Six significant digits, as they are stored."""
    return float(f"{value:.6g}")
