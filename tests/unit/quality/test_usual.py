from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cityblock
from scipy.stats import median_abs_deviation

from nightshift.definition.checks import STATISTICS, UsualValues
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, PRESENT, SPREAD
from nightshift.quality.usual import bounds, comparable_dates, mix_distance, multiples, usual_values

DAY = date(2024, 1, 29)

VALUES = st.lists(st.integers(-(10**6), 10**6).map(float), min_size=3, max_size=9)
ERRORS, DEVIATIONS = st.floats(0, 1000), st.floats(0.1, 20)


# ---- bounds


def test_the_bounds_are_the_median_with_so_many_deviations_to_either_side() -> None:
    # The median is 11; the values are 1, 1, 0, 19, 2 from it, in the middle 1.
    assert bounds([10, 12, 11, 30, 9], 0, 8) == pytest.approx((11 - 8 * 1.4826, 11 + 8 * 1.4826))


def test_a_deviation_is_at_least_the_error() -> None:
    assert bounds([5, 5, 5], 0.5, 4) == (3, 7)
    assert bounds([10, 12, 11, 30, 9], 2, 8) == (-5, 27)


@given(VALUES, ERRORS, DEVIATIONS)
def test_the_bounds_are_those_of_scipys_median_absolute_deviation(
    values: list[float], error: float, deviations: float
) -> None:
    away = deviations * max(median_abs_deviation(values, scale=1 / 1.4826), error)
    middle = sorted(values)[len(values) // 2] if len(values) % 2 else None
    least, most = bounds(values, error, deviations)
    assert (most - least) / 2 == pytest.approx(away, abs=1e-6)
    assert middle is None or (least + most) / 2 == pytest.approx(middle, abs=1e-6)


@given(VALUES, ERRORS, DEVIATIONS, st.floats(0.1, 20))
def test_more_deviations_are_wider_and_never_leave_the_median_out(
    values: list[float], error: float, deviations: float, more: float
) -> None:
    least, most = bounds(values, error, deviations)
    wider, widest = bounds(values, error, deviations + more)
    middle = sorted(values)
    assert least <= middle[len(middle) // 2] or len(values) % 2 == 0
    assert wider <= least <= most <= widest


@given(VALUES, ERRORS, DEVIATIONS, st.integers(-1000, 1000), st.integers(1, 1000))
def test_the_bounds_move_and_grow_with_the_values(
    values: list[float], error: float, deviations: float, shift: int, scale: int
) -> None:
    least, most = bounds(values, error, deviations)
    moved = bounds([scale * value + shift for value in values], scale * error, deviations)
    assert moved == pytest.approx((scale * least + shift, scale * most + shift), rel=1e-9, abs=1e-3)


@given(VALUES.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))), ERRORS)
def test_the_order_of_the_weeks_is_of_no_account(both: tuple[list[float], list[float]], error: float) -> None:
    values, mixed = both
    assert bounds(values, error, 8) == bounds(mixed, error, 8)


# ---- which dates


@given(st.sets(st.integers(-15, 15).map(lambda weeks: 7 * weeks) | st.integers(-100, 100)), st.integers(3, 5))
def test_the_newest_weeks_before_a_date_and_on_its_weekday_are_looked_at(away: set[int], weeks: int) -> None:
    before = sorted(number for number in away if number < 0 and number % 7 == 0)[-weeks:]
    expected = [DAY + timedelta(days=number) for number in before] if len(before) >= 3 else []
    assert comparable_dates([DAY + timedelta(days=number) for number in away], DAY, weeks) == expected


@given(st.sets(st.integers(-100, 100)), st.integers(3, 5))
def test_nights_that_are_no_weekdays_are_compared_with_those_just_before(away: set[int], count: int) -> None:
    before = sorted(number for number in away if number < 0)[-count:]
    expected = [DAY + timedelta(days=number) for number in before] if len(before) >= 3 else []
    dates = [DAY + timedelta(days=number) for number in away]
    assert comparable_dates(dates, DAY, count, by_weekday=False) == expected


# ---- how many rows


def test_so_many_times_a_number_is_as_it_is_written_and_not_as_floats_multiply() -> None:
    assert 0.28 * 100 > 28 and 1.15 * 100 < 115
    assert multiples(0.28, 1.15, 100) == (28, 115)


def test_rows_are_whole_where_no_number_of_them_is_so_many_times_another() -> None:
    assert multiples(1, 1, 2.5) == (2, 3)


@given(st.decimals(0, 3, places=2), st.decimals(0, 3, places=2), st.integers(0, 5000))
def test_the_rows_are_all_those_between_both_multiples(least: Any, more: Any, number: int) -> None:
    fewest, most = multiples(float(least), float(least + more), number)
    around = (fewest - 1, fewest, most, most + 1)
    inside = [rows for rows in around if least * number <= rows <= (least + more) * number]
    assert inside == [fewest, most] or not inside


# ---- statistics, by hand


def days(*means: float, rows: int = 100, spread: float = 10.0) -> list[ColumnDistribution]:
    return [ColumnDistribution(rows, 0, mean, spread) for mean in means]


def expected(kind: str, history: list[ColumnDistribution], **declared: Any) -> dict[str, Any]:
    """What is expected of a column, by kind, without the column."""
    specs = list(usual_values("x", kind, UsualValues(**declared), DAY, history))
    assert all(spec.subject == "x" and spec.arguments[0] == ("column", "x") for spec in specs)
    return {spec.kind: tuple(value for _, value in spec.arguments[1:]) for spec in specs}


@pytest.mark.parametrize(
    ("history", "away"),
    [
        pytest.param(days(50, 52, 49, 51, 70), 1.4826, id="as the weeks differ"),
        pytest.param(days(51, 51, 51, rows=25, spread=20), 4, id="as a mean of so few rows differs"),
        pytest.param(days(51, 51, 51, rows=10**6), 0.02 * 51, id="two per cent"),
    ],
)
def test_the_mean_may_be_eight_deviations_from_its_median(history: list[ColumnDistribution], away: float) -> None:
    assert expected("number", history, of=["mean"])[MEAN] == pytest.approx((51 - 8 * away, 51 + 8 * away))


@pytest.mark.parametrize(
    ("history", "least", "most"),
    [
        pytest.param(days(0, 0, 0, rows=50), 2, 18, id="as a spread of so few rows differs"),
        pytest.param(days(0, 0, 0, rows=5000), 8.4, 11.6, id="two per cent"),
        pytest.param(days(0, 0, 0, rows=2), 0, 50, id="not below nothing"),
    ],
)
def test_the_spread_may_be_eight_deviations_from_its_median(
    history: list[ColumnDistribution], least: float, most: float
) -> None:
    assert expected("integer", history, of=["spread"])[SPREAD] == pytest.approx((least, most))


@pytest.mark.parametrize(
    ("missing", "present"),
    [
        pytest.param(10, (1 - 0.1 - 8 * 0.03, 1.0), id="the sampling error of a share"),
        pytest.param(0, (0.96, 1.0), id="half a per cent of the rows"),
        pytest.param(99, (0.0, 1 - 0.99 + 8 * 0.00995), id="not below nothing"),
    ],
)
def test_the_share_that_is_there_is_held_against_that_of_the_weeks(missing: int, present: tuple[float, float]) -> None:
    history = [ColumnDistribution(100, missing, distinct=1)] * 4
    assert expected("date", history)[PRESENT] == pytest.approx(present, rel=1e-4)


@pytest.mark.parametrize(("number", "within"), [(100, (84, 116)), (3, (1, 7))])
def test_there_are_about_as_many_values_as_usual_but_at_least_one(number: int, within: tuple[int, int]) -> None:
    assert expected("string", [ColumnDistribution(500, 0, distinct=number)] * 3, of=["distinct"])[DISTINCT] == within


def test_a_mix_is_held_against_that_of_all_weeks_and_its_distance_against_theirs() -> None:
    mixes = [{"a": 4}, {"b": 4}, {"a": 4}]
    shares, most = expected("string", [ColumnDistribution(4, 0, counts=mix) for mix in mixes], of=["mix"])[MIX]
    assert shares == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    # Each against the others together: a half, all of it, a half; of which the median, and half a per cent eight times.
    assert most == pytest.approx(0.54)


def test_a_mix_that_is_never_alike_may_be_any_other() -> None:
    history = [ColumnDistribution(1, 0, counts={name: 1}) for name in "abc"]
    assert expected("string", history, of=["mix"])[MIX][1] == 1.0


@pytest.mark.parametrize("kind", STATISTICS)
def test_of_each_type_every_statistic_that_fits_it_is_expected(kind: str) -> None:
    kinds = {"mean": MEAN, "spread": SPREAD, "missing": PRESENT, "distinct": DISTINCT, "mix": MIX}
    history = [ColumnDistribution(10, 1, 2.0, 1.0, 2, {"a": 5, "b": 4})] * 3
    assert list(expected(kind, history)) == [kinds[statistic] for statistic in STATISTICS[kind]]


def test_a_statistic_that_does_not_fit_the_type_is_not_expected() -> None:
    history = [ColumnDistribution(10, 1, 2.0, 1.0, 2, {"a": 5, "b": 4})] * 3
    assert expected("number", history, of=["mix", "distinct", "missing"]).keys() == {PRESENT}


@pytest.mark.parametrize("kind", STATISTICS)
@pytest.mark.parametrize(
    "history",
    [
        pytest.param([ColumnDistribution(10, 0, 2.0, 1.0, 1, {"a": 10})] * 2, id="two weeks"),
        pytest.param([ColumnDistribution(10, 10)] * 8, id="weeks without a value"),
        pytest.param([ColumnDistribution(0, 0)] * 8, id="weeks without a row"),
        pytest.param([], id="nothing"),
    ],
)
def test_nothing_is_usual_before_three_weeks_with_values(kind: str, history: list[ColumnDistribution]) -> None:
    assert expected(kind, history) == {}


def test_weeks_without_rows_do_not_spoil_what_the_others_had() -> None:
    history = [ColumnDistribution(100, 10, 5.0, 1.0)] * 3
    arguments = expected("number", [*history, *[ColumnDistribution(0, 0)] * 3], of=["mean", "missing"])
    assert arguments == expected("number", history, of=["mean", "missing"])


def test_an_infinite_mean_of_one_week_is_none() -> None:
    history = [*days(4, 5, 6), ColumnDistribution(100, 0, float("inf"), float("nan"))]
    assert expected("number", history, of=["mean"]) == expected("number", days(4, 5, 6), of=["mean"])


def test_where_a_column_never_varied_a_rounding_error_is_no_spread() -> None:
    least, most = expected("number", days(0.1, 0.1, 0.1, spread=0), of=["spread"])[SPREAD]
    assert least == 0 and 1e-15 < most < 1e-6


# ---- the distance of mixes

Mix = dict[str, float]
MIXES = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 100), min_size=1).map(
    lambda counts: {value: count / sum(counts.values()) for value, count in counts.items()}
)


@given(MIXES, MIXES, MIXES)
def test_the_distance_of_mixes_is_a_metric(first: Mix, second: Mix, third: Mix) -> None:
    assert mix_distance(first, first) == 0
    assert mix_distance(first, second) == pytest.approx(mix_distance(second, first))
    assert mix_distance(first, third) <= mix_distance(first, second) + mix_distance(second, third) + 1e-12
    assert 0 <= mix_distance(first, second) <= 1
    assert mix_distance(first, second) > 0 or first == pytest.approx(second)


@given(MIXES, MIXES)
def test_the_distance_is_half_of_what_the_shares_differ(first: Mix, second: Mix) -> None:
    shares = [[mix.get(value, 0.0) for value in "abcde"] for mix in (first, second)]
    assert mix_distance(first, second) == pytest.approx(cityblock(*shares) / 2)


def test_mixes_without_a_common_value_are_one_apart() -> None:
    assert mix_distance({"a": 0.5, "b": 0.5}, {"c": 1.0}) == 1
