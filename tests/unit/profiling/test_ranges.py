from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.profiling.ranges import Side, bound_of, rounded, told

FIRST = date(2024, 1, 1)


def side(daily: list[list[float]], median: float = 0.0, upper: bool = True, **more: object) -> Side:
    """One side of the numbers of some dates."""
    extremes = {}
    for number, values in enumerate(daily):
        different = sorted(set(values), reverse=upper)[:5]
        extremes[FIRST + timedelta(days=number)] = [(value, values.count(value)) for value in different]
    rows = {day: len(values) for day, values in zip(extremes, daily, strict=True)}
    return Side(extremes, median, rows, sum(rows.values()), upper, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "median", "upper", "expected"),
    [
        pytest.param([80.0, 4983.0], 872.0, True, 8000, id="half as far again, rounded up"),
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
    assert bound_of(side([values], median, upper)).value == expected


@pytest.mark.parametrize(("upper", "expected"), [(True, 120), (False, -40)])
def test_what_moves_from_date_to_date_gets_as_much_room_as_it_took(upper: bool, expected: float) -> None:
    found = bound_of(side([[16.0, 64.0]], 36.0, upper, moves=True, opposite=16.0 if upper else 64.0))
    assert found.value == expected


def test_whole_numbers_get_whole_bounds() -> None:
    assert bound_of(side([[1.0, 2.0, 4.0]], 2.0, whole=True)).value == 5
    assert bound_of(side([[1.0, 2.0, 4.0]], 2.0, upper=False, whole=True)).value == 0


def test_a_value_that_many_rows_have_is_the_bound_itself() -> None:
    days = [[10.0] * 5 + [float(n)] for n in range(7)]
    found = bound_of(side(days, 10.0))
    assert (found.value, found.why) == (10, "10 is the most, in 35 of 42 values")
    assert bound_of(side(days[:6], 10.0)).value != 10  # too few dates to say so


def test_there_is_no_bound_where_most_dates_bring_a_new_extreme() -> None:
    growing = [[float(10 * n), 10.0 * n + 5] for n in range(8)]
    assert bound_of(side(growing, 40.0)).value is None
    assert bound_of(side(growing, 40.0, upper=False)).value == 0
    assert bound_of(side(growing[:6], 25.0)).value is not None


def apart(value: float, times: int, days: int = 20, rows: int = 100) -> Side:
    daily = [[float(n % 50) for n in range(rows)] for _ in range(days)]
    for day in range(times):
        daily[day][0] = value
    return side(daily, 25.0)


def test_values_that_stand_apart_are_set_aside_if_they_are_few() -> None:
    found = bound_of(apart(1000.0, 1))
    assert found.value == 70
    assert found.aside == {FIRST: 1}
    assert found.why == "49 seen; 1000 in 1 row of 2024-01-01 would be set aside"


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(apart(1000.0, 10), id="many"),
        pytest.param(apart(1000.0, 1, days=60, rows=17), id="many of a date's rows"),
        pytest.param(apart(1000.0, 1, days=5), id="of few values"),
        pytest.param(apart(100.0, 1), id="not so far"),
    ],
)
def test_other_extremes_are_within_the_bounds(one: Side) -> None:
    found = bound_of(one)
    assert found.value is not None and found.value >= one.seen and not found.aside


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(values=st.lists(numbers, min_size=1, max_size=20), upper=st.booleans(), more=st.booleans(), moves=st.booleans())
def test_what_was_seen_is_within_its_bound(values: list[float], upper: bool, more: bool, moves: bool) -> None:
    daily = [values] * (9 if more else 1)
    opposite = min(values) if upper else max(values)
    found = bound_of(side(daily, sorted(values)[len(values) // 2], upper, moves=moves, opposite=opposite))
    if found.value is not None:
        assert found.value >= max(values) if upper else found.value <= min(values)
        assert math.isfinite(found.value)
        if not moves:
            assert found.value * max(values, key=abs) >= 0 or min(values) < 0 < max(values)


@given(value=st.floats(-1e15, 1e15), room=st.floats(1e-9, 1e9), upper=st.booleans())
def test_rounding_goes_outward_by_less_than_the_room(value: float, room: float, upper: bool) -> None:
    found = rounded(value, room, upper)
    assert (0 <= found - value <= room * 1.001 + abs(value) * 1e-15) if upper else (found <= value)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1956.0, "1956"), (12500.0, "12,500"), (1048.36058, "1,048.36"), (-0.0, "0"), (1e300, "1e+300"), (-7, "-7")],
)
def test_numbers_are_told_briefly(number: float, expected: str) -> None:
    assert told(number) == expected
