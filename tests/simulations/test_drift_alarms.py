"""What drift thresholds promise: how often they are wrong, and what they see."""

from __future__ import annotations

import numpy as np
import pytest
from unit.monitoring.test_thresholds import LAYERS, population
from unit.monitoring.worlds import ONCE_IN_90, baseline_of, measured, night_of, of_night, reference_of, rows_of

from nightshift.monitoring.drift import measure_drift
from nightshift.monitoring.statistics import statistics
from nightshift.monitoring.thresholds import MonitoredColumn, calibrate
from simulations.sizes import chance_limit, full

RATE = ONCE_IN_90.rate
SMALL, FULL = 300, 2000


@pytest.mark.parametrize(("size", "nights"), [(200, SMALL), full(200, FULL), full(2000, FULL)])
def test_on_stationary_nights_all_layers_together_alarm_as_often_as_stated(size: int, nights: int) -> None:
    """Rows are drawn and profiled as in production: 20 features, joint drift, scores."""
    reference, random = reference_of(60, size), np.random.default_rng(7)
    baseline = baseline_of(reference)
    alarms = 0
    for number in range(nights):
        layers = of_night(measure_drift(night_of(reference, rows_of(random, size), number), baseline))
        alarms += any(layers[layer].verdict == "warn" for layer in LAYERS)
    if nights == FULL:
        assert 0.5 * RATE <= alarms / nights <= 1.5 * RATE
    else:
        assert 0 < alarms / nights <= chance_limit(1.5 * RATE, nights)


def alarm_rate(
    columns: dict[str, MonitoredColumn], counts: dict[str, np.ndarray], weekdays: np.ndarray, size: int
) -> float:
    """How often a night has anything beyond its threshold, as a multiple of the stated rate."""
    thresholds = calibrate(columns, RATE, sizes=(size,))
    alarmed = np.zeros(len(weekdays), dtype=bool)
    for name, column in columns.items():
        expected = column.days.base[weekdays] * column.days.rows
        for statistic, values in statistics(column.bins, expected, counts[name]).items():
            alarmed |= values > thresholds.bound(name, statistic, size)
    return float(alarmed.mean()) / RATE


@pytest.mark.parametrize(
    ("size", "daily", "weekly", "periods"),
    [
        (2000, 0.1, 0.2, 2),
        full(200, 0, 0, 6),
        full(2000, 0, 0, 6),
        full(100_000, 0, 0, 6),
        full(2000, 0.1, 0, 6),
        full(100_000, 0.05, 0, 6),
        full(200, 0.1, 0.2, 6),
        full(2000, 0.1, 0.2, 6),
        full(100_000, 0.05, 0.2, 6),
    ],
)
def test_days_and_weekdays_that_differ_do_not_make_it_alarm_more_often(
    size: int, daily: float, weekly: float, periods: int
) -> None:
    """The mean over reference periods of twelve weeks: each of them is off by chance in its own way."""
    rates = [
        alarm_rate(*population(np.random.default_rng(seed), 84, size, daily=daily, weekly=weekly), size)
        for seed in range(periods)
    ]
    assert 0.5 <= np.mean(rates) <= 1.5


@pytest.mark.parametrize(("weekdays", "nights", "periods"), [full(1, 52, 6), full(5, 60, 6), full(2, 24, 12)])
def test_nights_of_some_weekdays_do_not_make_it_alarm_more_often(weekdays: int, nights: int, periods: int) -> None:
    """A year of Mondays, twelve weeks of workdays, and twelve weeks of two days."""
    rates = []
    for seed in range(periods):
        random = np.random.default_rng(seed)
        scored = population(random, nights, 2000, daily=0.1, weekly=0.2, weekdays_scored=weekdays)
        rates.append(alarm_rate(*scored, 2000))
    assert 0.5 <= np.mean(rates) <= 1.5


@pytest.mark.parametrize(
    ("change", "layer", "named"),
    [
        ({"shift": 0.25}, "input_drift", "number_0"),
        ({"moved": 0.05}, "input_drift", "category_0"),
        ({"correlation": 0.5}, "joint_drift", "correlation of number_1 and number_2"),
    ],
)
@pytest.mark.parametrize("trials", [10, full(200)])
def test_what_matters_is_caught_within_two_nights(
    change: dict[str, float], layer: str, named: str, trials: int
) -> None:
    reference, random = reference_of(60, 2000), np.random.default_rng(11)
    baseline, caught = baseline_of(reference), 0
    for _ in range(trials):
        nights = [of_night(measure_drift(night_of(reference, rows_of(random, 5000, **change)), baseline)) for _ in "12"]
        caught += any(night[layer].verdict == "warn" and named in night[layer].detail for night in nights)
    assert caught / trials >= 0.95


@pytest.mark.parametrize(("size", "nights"), [(100, 90), full(1_000_000, 3)])
def test_the_same_population_gets_the_same_verdict_however_many_rows_it_has(size: int, nights: int) -> None:
    """One false alarm is expected in ninety nights, of any size."""
    reference, alarms = reference_of(60, 2000), 0
    for seed in range(nights):
        layers = of_night(measured(reference, rows_of(np.random.default_rng(seed), size)))
        alarms += any(layers[layer].verdict != "pass" for layer in LAYERS)
    assert alarms <= nights // 30
