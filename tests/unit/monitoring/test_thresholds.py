"""The thresholds of drift; how often they are wrong is simulated in tests/simulations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from nightshift.monitoring.correlations import largest_change
from nightshift.monitoring.day_model import DayModel, learn_day_model
from nightshift.monitoring.profile import profile_rows
from nightshift.monitoring.reference import drift_baseline, with_thresholds
from nightshift.monitoring.statistics import statistics
from nightshift.monitoring.tail import ParetoTail
from nightshift.monitoring.thresholds import MonitoredColumn, calibrate
from nightshift.registry.bins import CategoryBins, NumberBins
from nightshift.registry.drift_thresholds import DriftThresholds
from nightshift.registry.reference import ModelReference
from unit.monitoring import worlds
from unit.monitoring.worlds import (
    FEATURES,
    ONCE_IN_90,
    baseline_of,
    measured,
    of_night,
    reference_of,
    rows_of,
)

NIGHTS, RATE = 2000, ONCE_IN_90.rate
LAYERS = ("input_drift", "joint_drift", "prediction_drift")
DECILES = stats.norm.ppf(np.linspace(0, 1, 11)[1:-1])
PLACES = np.append(stats.norm.ppf(np.linspace(0.05, 0.95, 10)), [0.0, 0.0])
BINS = NumberBins(tuple(DECILES), tuple(np.linspace(-1.75, 1.75, 10)))


def population(
    random: np.random.Generator,
    days: int,
    size: int,
    *,
    daily: float = 0.0,
    weekly: float = 0.0,
    weekdays_scored: int = 7,
) -> tuple[dict[str, MonitoredColumn], dict[str, np.ndarray], np.ndarray]:
    """Twenty normal features whose mean differs by day and by weekday: what a reference learns, and counts of nights.

    Counts are drawn as multinomials, which is what the counts of drawn rows are.
    """
    weekdays, nights = np.arange(days) % weekdays_scored, (days + np.arange(NIGHTS)) % weekdays_scored
    columns, counts = {}, {}
    for name in FEATURES:
        usual = weekly * random.normal(size=7)

        def drawn(dates: np.ndarray, usual: np.ndarray = usual) -> np.ndarray:
            mean = usual[dates] + daily * random.normal(size=len(dates))
            edges = stats.norm.cdf(DECILES - mean[:, None])
            shares = np.diff(edges, prepend=0, append=1, axis=1)
            return np.pad(random.multinomial(size, shares), ((0, 0), (0, 2)))

        learned = learn_day_model(drawn(weekdays), weekdays, PLACES)
        assert learned is not None
        columns[name], counts[name] = MonitoredColumn(BINS, learned, "days"), drawn(nights)
    return columns, counts, nights


def test_a_bin_of_no_row_is_as_rare_on_every_weekday() -> None:
    """What was never seen has one share, however much weekdays differ in what was."""
    random = np.random.default_rng(3)
    columns, _, _ = population(random, 84, 2000, weekly=0.3)
    base = columns["number_0"].days.base
    assert np.ptp(base[:, 0]) > 0.01
    assert base[:, -2:] == pytest.approx(0.5 / (84 * 2000 + 0.5 * base.shape[1]), rel=0.01)


@pytest.mark.slow
def test_a_changed_correlation_leaves_every_feature_by_itself_as_it_was() -> None:
    measurements = of_night(measured(reference_of(60, 2000), rows_of(np.random.default_rng(1), 5000, correlation=0.5)))
    assert [measurements[layer].verdict for layer in LAYERS] == ["pass", "warn", "pass"]


def test_where_days_differ_a_large_night_may_differ_as_much_as_a_day() -> None:
    """A million rows show every difference; a threshold of sampling alone would always be exceeded."""
    random = np.random.default_rng(3)
    still, _, _ = population(random, 84, 2000)
    moving, _, _ = population(random, 84, 2000, daily=0.1)
    sizes = (2000, 1_000_000)
    tight, wide = (calibrate(columns, RATE, sizes=sizes, draws=4000) for columns in (still, moving))
    assert tight.bound("number_0", "psi", 10**6) < tight.bound("number_0", "psi", 2000) / 20
    assert wide.bound("number_0", "psi", 10**6) > wide.bound("number_0", "psi", 2000) / 3


def learned(counts: list[list[int]]) -> DayModel:
    model = learn_day_model(np.array(counts), np.arange(len(counts)) % 7, np.linspace(-1, 1, len(counts[0])))
    assert model is not None
    return model


def test_a_feature_that_is_one_value_a_night_is_expected_to_be_one_value_a_night() -> None:
    """Its nights are far from the whole period, all of them equally."""
    counts = [[1000 * (bin == day * 3 % 10) for bin in range(10)] + [0, 0] for day in range(70)]
    column = MonitoredColumn(BINS, learned(counts), "days")
    thresholds = calibrate({"it": column}, RATE, sizes=(1000,), draws=4000)
    night = np.array([0, 0, 0, 0, 980, 0, 0, 0, 0, 0, 0, 0])
    values = statistics(column.bins, column.days.base[2] * column.days.rows, night)
    assert all(values[name] <= thresholds.bound("it", name, 980) for name in ("psi", "jensen_shannon"))
    assert values["psi"] > 5


def test_a_weekday_is_expected_as_on_that_weekday() -> None:
    """Days have different numbers of rows, as a Saturday has fewer flights."""
    rows = [500 - 200 * (day % 7 == 5) + day % 9 for day in range(70)]
    counts = [[rows[day] * (bin == day % 7) for bin in range(7)] + [0, 0] for day in range(70)]
    column = MonitoredColumn(CategoryBins(()), learned(counts), "days")
    assert column.days.base == pytest.approx(np.eye(7, 9), abs=1e-4)
    thresholds = calibrate({"weekday": column}, RATE, sizes=(500,), draws=2000)
    for day, verdict in ((3, False), (4, True)):
        night = np.array(counts[3])
        values = statistics(column.bins, column.days.base[day] * column.days.rows, night)
        assert any(values[name] > thresholds.bound("weekday", name, 500) for name in values) == verdict


def learned_on(weekdays: list[int], counts: list[list[int]]) -> DayModel:
    model = learn_day_model(np.array(counts), np.array(weekdays), np.linspace(-1, 1, len(counts[0])))
    assert model is not None
    return model


def test_nights_of_some_weekdays_have_an_expectation_each_and_those_of_one_weekday_have_one() -> None:
    """Workdays are compared with their own weekday, as nights of every date are; Mondays with all nights, Mondays."""
    workdays = [day % 5 for day in range(50)]
    differing = [[500 * (bin == day) for bin in range(7)] + [day, 0] for day in workdays]
    base = learned_on(workdays, differing).base
    assert base[:5, :5] == pytest.approx(np.eye(5), abs=0.01)
    assert base[5] == pytest.approx(base[6]) and base[5, :5] == pytest.approx(0.2, abs=0.01)
    mondays = [[300 + 40 * (week % 3), 200, week % 2] for week in range(12)]
    alone = learned_on([0] * 12, mondays)
    assert (alone.freedom, np.ptp(alone.base, axis=0).max()) == (11, 0.0)


def test_fewer_than_five_days_say_nothing() -> None:
    assert learn_day_model(np.full((4, 5), 100), np.arange(4), np.zeros(5)) is None
    assert learn_day_model(np.array([[100] * 5] * 4 + [[1] * 5]), np.arange(5), np.zeros(5)) is None


def test_fewer_days_make_wider_thresholds() -> None:
    random = np.random.default_rng(5)
    shares = [0.1 * (1 + 0.3 * random.normal()) for _ in range(70)]
    counts = [[int(10_000 * share), 10_000 - int(10_000 * share), 0, 0] for share in shares]
    bounds = [
        calibrate(
            {"it": MonitoredColumn(CategoryBins(()), learned(counts[:days]), "days")}, RATE, sizes=(10_000,), draws=4000
        )
        for days in (6, 70)
    ]
    few, many = (thresholds.bound("it", "total_variation", 10_000) for thresholds in bounds)
    assert few > 1.5 * many


@pytest.mark.parametrize(
    "distribution", [stats.expon(), stats.chi2(9), stats.halfnorm()], ids=["exponential", "chi-square", "normal"]
)
def test_the_tail_reaches_beyond_the_draws(distribution: stats.rv_continuous) -> None:
    tail = ParetoTail.fit(distribution.rvs(size=10_000, random_state=2))
    for level in (0.01, 0.001, 1 / 4000):
        assert distribution.sf(tail.quantile(level)) == pytest.approx(level, rel=0.5)
        assert tail.chance(np.array([tail.quantile(level)]))[0] == pytest.approx(level)


def test_the_same_reference_makes_the_same_thresholds_and_they_survive_json() -> None:
    reference = reference_of(60, 200)
    once, again = (with_thresholds(reference, FEATURES[:2], ONCE_IN_90) for _ in range(2))
    assert again == once
    stored = ModelReference.from_json(json.loads(json.dumps(reference.to_json())))
    assert baseline_of(stored).thresholds == baseline_of(reference).thresholds
    assert DriftThresholds.from_json(baseline_of(stored).thresholds.to_json()) == baseline_of(stored).thresholds


def test_another_rate_than_in_training_is_calibrated_from_the_stored_days() -> None:
    reference = reference_of(60, 200)
    seldom = drift_baseline(reference, FEATURES[:2], worlds.FalseAlarms(1, 900))
    fewer = drift_baseline(reference, FEATURES[:2], ONCE_IN_90)
    assert seldom is not None and fewer is not None
    seldom_is, fewer_is, is_ = (
        baseline.thresholds.bound("number_0", "psi", 1000) for baseline in (seldom, fewer, baseline_of(reference))
    )
    assert seldom_is > 1.1 * fewer_is
    assert fewer_is < is_


def test_between_two_sizes_thresholds_follow_a_power() -> None:
    thresholds = DriftThresholds(
        (100, 10_000), {"it": {"psi": (1.0, 0.01), "missing_share": (0.1, 0.0)}}, (0.001, 0.002)
    )
    assert thresholds.bound("it", "psi", 1000) == pytest.approx(0.1)
    assert thresholds.bound("it", "psi", 10) == 1.0
    assert thresholds.bound("it", "psi", 10**9) == pytest.approx(0.01)
    assert thresholds.bound("it", "missing_share", 1000) == pytest.approx(0.05)


def test_the_profile_of_a_night_is_that_of_its_parts() -> None:
    reference = reference_of(60, 200)
    rows = rows_of(np.random.default_rng(9), 4000)
    bins = {name: reference.features[name].bins for name in FEATURES}
    parts = [profile_rows(rows.slice(start, 1000), bins) for start in range(0, 4000, 1000)]
    together, merged = profile_rows(rows, bins), sum(parts[1:], parts[0])
    correlations = baseline_of(reference).correlations
    assert correlations is not None
    changes = [largest_change(correlations, profile) for profile in (together, merged)]
    assert changes[0] is not None and changes[1] is not None
    assert changes[1].size == pytest.approx(changes[0].size)
