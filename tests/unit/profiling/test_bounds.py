from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.profiling.bounds import Side, format_number, propose_bound, round_outward

FIRST = date(2024, 1, 1)


def side(daily: list[list[float]], median: float = 0.0, upper: bool = True, **more: object) -> Side:
    """One side of the numbers of some dates."""
    extremes = {}
    for number, values in enumerate(daily):
        distinct = sorted(set(values), reverse=upper)[:5]
        extremes[FIRST + timedelta(days=number)] = [(value, values.count(value)) for value in distinct]
    rows = {day: len(values) for day, values in zip(extremes, daily, strict=True)}
    return Side(extremes, median, rows, sum(rows.values()), upper, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "median", "upper", "expected"),
    [
        pytest.param([80.0, 4983.0], 872.0, True, 8000, id="half as far again, round_outward up"),
        pytest.param([80.0, 4983.0], 872.0, False, 0, id="never negative"),
        pytest.param([-33.0, 911.0], -3.0, False, -50, id="negative"),
        pytest.param([-33.0, -1.0], -3.0, True, 0, id="never positive"),
        pytest.param([983.8, 1033.7], 1017.0, False, 960, id="far from zero"),
        pytest.param([0.2, 0.35], 0.3, True, 0.38, id="fractions"),
        pytest.param([7.0, 7.0], 7.0, True, 11, id="always the same"),
        pytest.param([0.0, 0.0], 0.0, True, 0, id="always zero"),
    ],
)
def test_a_bound_leaves_room(values: list[float], median: float, upper: bool, expected: float) -> None:
    assert propose_bound(side([values], median, upper)).value == expected


@pytest.mark.parametrize(("upper", "expected"), [(True, 120), (False, -40)])
def test_numbers_that_vary_by_date_get_their_range_as_room(upper: bool, expected: float) -> None:
    bound = propose_bound(side([[16.0, 64.0]], 36.0, upper, varies_by_date=True, opposite=16.0 if upper else 64.0))
    assert bound.value == expected


def test_whole_numbers_get_whole_bounds() -> None:
    assert propose_bound(side([[1.0, 2.0, 4.0]], 2.0, integers=True)).value == 5
    assert propose_bound(side([[1.0, 2.0, 4.0]], 2.0, upper=False, integers=True)).value == 0


def test_an_extreme_of_many_rows_is_the_bound() -> None:
    days = [[10.0] * 5 + [float(n)] for n in range(7)]
    bound = propose_bound(side(days, 10.0))
    assert (bound.value, bound.evidence) == (10, "maximum 10, in 35 of 42 values")
    assert propose_bound(side(days[:6], 10.0)).value != 10  # too few dates to say so


def test_there_is_no_bound_where_most_dates_bring_a_new_extreme() -> None:
    growing = [[float(10 * n), 10.0 * n + 5] for n in range(8)]
    assert propose_bound(side(growing, 40.0)).value is None
    assert propose_bound(side(growing, 40.0, upper=False)).value == 0
    assert propose_bound(side(growing[:6], 25.0)).value is not None


def with_outliers(value: float, times: int, days: int = 20, rows: int = 100) -> Side:
    daily = [[float(n % 50) for n in range(rows)] for _ in range(days)]
    for day in range(times):
        daily[day][0] = value
    return side(daily, 25.0)


def test_a_few_outliers_are_left_beyond_the_bound() -> None:
    bound = propose_bound(with_outliers(1000.0, 1))
    assert bound.value == 70
    assert bound.outlier_rows == {FIRST: 1}
    assert bound.evidence == "maximum 49; 1000 in 1 row of 2024-01-01 would be set aside"


@pytest.mark.parametrize(
    "numbers_side",
    [
        pytest.param(with_outliers(1000.0, 10), id="many"),
        pytest.param(with_outliers(1000.0, 1, days=60, rows=17), id="many of a date's rows"),
        pytest.param(with_outliers(1000.0, 1, days=5), id="of few values"),
        pytest.param(with_outliers(100.0, 1), id="not so far"),
    ],
)
def test_other_extremes_are_within_the_bounds(numbers_side: Side) -> None:
    bound = propose_bound(numbers_side)
    assert bound.value is not None and bound.value >= numbers_side.extreme and not bound.outlier_rows


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    values=st.lists(numbers, min_size=1, max_size=20),
    upper=st.booleans(),
    long_history=st.booleans(),
    varies=st.booleans(),
)
def test_every_value_is_within_its_bound(values: list[float], upper: bool, long_history: bool, varies: bool) -> None:
    daily = [values] * (9 if long_history else 1)
    opposite = min(values) if upper else max(values)
    bound = propose_bound(
        side(daily, sorted(values)[len(values) // 2], upper, varies_by_date=varies, opposite=opposite)
    )
    if bound.value is not None:
        assert bound.value >= max(values) if upper else bound.value <= min(values)
        assert math.isfinite(bound.value)
        if not varies:
            assert bound.value * max(values, key=abs) >= 0 or min(values) < 0 < max(values)


@given(value=st.floats(-1e15, 1e15), room=st.floats(1e-9, 1e9), upper=st.booleans())
def test_rounding_goes_outward_by_less_than_the_room(value: float, room: float, upper: bool) -> None:
    bound = round_outward(value, room, upper)
    assert (0 <= bound - value <= room * 1.001 + abs(value) * 1e-15) if upper else (bound <= value)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1956.0, "1956"), (12500.0, "12,500"), (1048.36058, "1,048.36"), (-0.0, "0"), (1e300, "1e+300"), (-7, "-7")],
)
def test_numbers_are_formatted_briefly(number: float, expected: str) -> None:
    assert format_number(number) == expected
