from __future__ import annotations

import math
import random
import warnings
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.features import Aggregate
from nightshift.definition.model import ModelDefinition
from nightshift.errors import NightshiftError
from nightshift.features.compare import WHOLE_ROW, Comparison, Difference, compare, tolerances
from unit.examples import examples

NIGHT = date(2024, 1, 5)
KEY = ("score_date", "machine")
SCHEMA = pa.schema(
    [("score_date", pa.date32()), ("machine", pa.string()), ("load", pa.float64()), ("kind", pa.string())]
)
NAN, INF = math.nan, math.inf

Cells = tuple[float | None, str | None]


def table(rows: dict[str, Cells], order: list[str] | None = None) -> pa.Table:
    listed = [(NIGHT, name, *rows[name]) for name in order or rows]
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in listed], schema=SCHEMA)


def loads(published: float | None, recomputed: float | None, tolerance: float = 0.0) -> tuple[Difference, ...]:
    """What is said about one number that was computed in two ways."""
    left, right = table({"a": (published, "x")}), table({"a": (recomputed, "x")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of numbers that are too large to be subtracted
        differences = compare(left, right, KEY, {"load": tolerance})
        turned = compare(right, left, KEY, {"load": tolerance})
    assert differences.cells == turned.cells == 2
    assert len(differences.differences) == len(turned.differences)
    return differences.differences


some_loads = st.sampled_from([None, 0.0, -0.0, 1.0, 1.0 + 2**-52, -1.0, 5e-324, 1e308, -1e308, INF, -INF])
some_kinds = st.sampled_from([None, "", "x", "X", "nan", "None"])
some_rows = st.dictionaries(st.sampled_from("abcdefg"), st.tuples(some_loads, some_kinds))


@examples(max_examples=100)
@given(some_rows, some_rows, st.randoms(use_true_random=False))
def test_exactly_the_cells_and_rows_that_differ_are_returned(
    left: dict[str, Cells], right: dict[str, Cells], chance: random.Random
) -> None:
    orders = [chance.sample(sorted(rows), len(rows)) for rows in (left, right)]
    comparison = compare(table(left, orders[0]), table(right, orders[1]), KEY)
    both = sorted(left.keys() & right.keys())
    expected = [
        Difference((NIGHT, name), WHOLE_ROW, "present", "missing") for name in sorted(left.keys() - right.keys())
    ]
    expected += [
        Difference((NIGHT, name), WHOLE_ROW, "missing", "present") for name in sorted(right.keys() - left.keys())
    ]
    for place, feature in enumerate(("load", "kind")):
        cells = [(name, left[name][place], right[name][place]) for name in both]
        expected += [
            Difference((NIGHT, name), feature, first, second) for name, first, second in cells if first != second
        ]
    assert comparison.cells == 2 * len(both)
    # Whole rows first; their order is another test's.
    rows = len(left.keys() ^ right.keys())
    assert set(comparison.differences[:rows]) == set(expected[:rows])
    assert comparison.differences[rows:] == tuple(expected[rows:])


@pytest.mark.parametrize("recomputed", [{}, {"c": (1.0, "x")}], ids=["beside no row", "beside a row"])
def test_missing_rows_are_returned_in_the_order_of_their_keys(recomputed: dict[str, Cells]) -> None:
    """Spark's rows come in any order: the same finding is to be the same text."""
    rows = table({"d": (1.0, "x"), "a": (1.0, "x"), "b": (1.0, "x")})
    for comparison in (compare(rows, table(recomputed), KEY), compare(table(recomputed), rows, KEY)):
        assert [difference.key[1] for difference in comparison.differences if difference.key[1] != "c"] == [
            "a",
            "b",
            "d",
        ]


def test_differences_have_plain_values() -> None:
    comparison = compare(table({"a": (None, "x")}), table({"a": (0.5, None)}), KEY)
    assert comparison.differences == (
        Difference((NIGHT, "a"), "load", None, 0.5),
        Difference((NIGHT, "a"), "kind", "x", None),
    )
    assert [type(value) for value in comparison.differences[0].key] == [date, str]
    assert type(comparison.differences[0].recomputed) is float


# ---- numbers, bit by bit


@pytest.mark.parametrize("same", [0.0, 1e308, 5e-324, INF, -INF, NAN, None])
@pytest.mark.parametrize("tolerance", [0.0, 1e-9])
def test_a_number_is_equal_to_itself(same: float | None, tolerance: float) -> None:
    assert loads(same, same, tolerance) == ()


def test_zero_is_zero_whatever_its_sign() -> None:
    assert loads(0.0, -0.0) == ()


@pytest.mark.parametrize(
    ("published", "recomputed"),
    [
        (1.0, 1.0 + 2**-52),
        (0.0, 5e-324),
        (None, 0.0),
        (None, INF),
        (NAN, 0.0),
        (NAN, INF),
        (1e308, -1e308),
        (INF, 1.7976931348623157e308),
        (INF, -INF),
        (2.0**53, 2.0**53 + 2),
    ],
)
def test_numbers_that_are_not_the_same_differ(published: float | None, recomputed: float) -> None:
    assert len(loads(published, recomputed)) == 1


@pytest.mark.parametrize("tolerance", [0.0, 1e-9])
def test_what_is_not_a_number_is_missing(tolerance: float) -> None:
    assert loads(None, NAN, tolerance) == ()


# ---- numbers, nearly


@pytest.mark.parametrize(
    ("published", "recomputed", "tolerance"),
    [
        (1.0, 1.25, 0.2),  # a fifth of the larger
        (-1.0, -1.25, 0.2),
        (8e300, 1e301, 0.2),
        (1e-320, 1e-320 + 5e-324, 1e-3),
        (0.0, -0.0, 1e-9),
        (1.0, 1.0 + 2**-52, 1e-9),
    ],
)
def test_numbers_that_differ_by_what_is_allowed_are_equal(
    published: float, recomputed: float, tolerance: float
) -> None:
    assert loads(published, recomputed, tolerance) == ()


@pytest.mark.parametrize(
    ("published", "recomputed", "tolerance"),
    [
        (1.0, 1.2500001, 0.2),
        (1.0, -1.0, 0.2),
        (0.0, 1e-300, 0.2),
        (0.0, 5e-324, 1e-9),
        (1e308, -1e308, 0.2),
        (1.0, 1.0 + 2e-9, 1e-9),
        (None, 1.0, 0.2),
        (None, 0.0, 0.2),
        (NAN, 1.0, 0.2),
    ],
)
def test_numbers_that_differ_by_more_differ(published: float | None, recomputed: float, tolerance: float) -> None:
    assert len(loads(published, recomputed, tolerance)) == 1


@pytest.mark.parametrize("number", [1.0, -INF, 0.0, 1e308])
def test_no_tolerance_makes_an_infinite_number_equal_to_another(number: float) -> None:
    assert len(loads(INF, number, 1e-9)) == 1


def test_a_tolerance_applies_to_its_feature_only() -> None:
    left, right = table({"a": (1.0, "x")}), table({"a": (1.1, "x")})
    assert len(compare(left, right, KEY, {"kind_of": 0.5}).differences) == 1
    assert compare(left, right, KEY, {"load": 0.5}).differences == ()


# ---- categories


@pytest.mark.parametrize(
    ("published", "recomputed"), [("x", "X"), ("", None), ("nan", None), ("None", None), ("x", "x ")]
)
def test_texts_that_are_not_the_same_differ(published: str | None, recomputed: str | None) -> None:
    for left, right in ((published, recomputed), (recomputed, published)):
        comparison = compare(table({"a": (1.0, left)}), table({"a": (1.0, right)}), KEY)
        assert comparison.differences == (Difference((NIGHT, "a"), "kind", left, right),)


def test_a_column_of_nulls_is_compared() -> None:
    left, right = table({"a": (None, None), "b": (None, None)}), table({"a": (None, None), "b": (1.0, "x")})
    assert len(compare(left, right, KEY).differences) == 2
    assert compare(left, left, KEY) == Comparison(4, ())


# ---- rows


def test_two_empty_tables_are_equal() -> None:
    assert compare(table({}), table({}), KEY) == Comparison(0, ())


@pytest.mark.parametrize("rows", [{"a": (1.0, "x")}, {"a": (1.0, "x"), "b": (None, None)}])
def test_a_night_without_any_row_differs_in_every_row(rows: dict[str, Cells]) -> None:
    assert [difference.feature for difference in compare(table(rows), table({}), KEY).differences] == [WHOLE_ROW] * len(
        rows
    )
    assert [difference.published for difference in compare(table({}), table(rows), KEY).differences] == [
        "missing"
    ] * len(rows)


def test_a_key_may_have_one_column() -> None:
    def numbered(rows: dict[int, float]) -> pa.Table:
        return pa.table({"flight": pa.array(rows, pa.int64()), "load": pa.array(rows.values(), pa.float64())})

    left, right = numbered({2**53 + 1: 1.0, 7: 2.0, 8: 3.0}), numbered({8: 4.0, 2**53: 1.0, 7: 2.0})
    assert compare(left, right, ("flight",)).differences == (
        Difference((2**53 + 1,), WHOLE_ROW, "present", "missing"),
        Difference((2**53,), WHOLE_ROW, "missing", "present"),
        Difference((8,), "load", 3.0, 4.0),
    )


@pytest.mark.parametrize(
    ("published", "recomputed"),
    [
        pytest.param(["a", "a"], ["a"], id="published"),
        pytest.param(["a"], ["a", "a"], id="recomputed"),
        pytest.param(["a", "a"], ["a", "a"], id="both"),
        pytest.param(["a", "b"], ["a", "b", "b"], id="one of several"),
    ],
)
def test_a_repeated_key_is_reported(published: list[str], recomputed: list[str]) -> None:
    """A join gone wrong doubles rows: this is what the comparison is there to find."""
    rows: dict[str, Cells] = {"a": (1.0, "x"), "b": (2.0, "y")}
    try:
        comparison = compare(table(rows, published), table(rows, recomputed), KEY)
    except NightshiftError:
        return
    assert comparison.differences


def test_comparisons_of_several_nights_are_one_comparison() -> None:
    first = compare(table({"a": (1.0, "x")}), table({"a": (2.0, "x")}), KEY)
    second = compare(table({"b": (1.0, "x")}), table({}), KEY)
    assert first + second == Comparison(2, (*first.differences, *second.differences))
    assert Comparison(0, ()) + first == first


# ---- what is allowed


def test_only_what_is_added_up_or_estimated_may_differ(flight_delay: ModelDefinition) -> None:
    allowed = tolerances(flight_delay)
    assert allowed["origin_rain_1d"] == allowed["origin_rain_7d"] == 1e-9  # a sum
    assert allowed["carrier_delay_7d"] == 1e-9  # a mean
    assert allowed["delay_spread_7d"] == 1e-9  # a standard deviation
    assert 0.08 < allowed["carrier_planes_7d"] < 0.082  # five times 1.04 by the root of 4096
    exact = ["plane_flights_7d", "plane_last_delay_7d", "origin_visibility_1d", "origin_wind_1d"]
    assert [allowed.get(name, 0.0) for name in exact] == [0.0] * 4
    assert not allowed.keys() & flight_delay.features.rows.keys()


def test_every_window_of_an_aggregate_may_differ_alike(tiny: ModelDefinition) -> None:
    like = tiny.features.aggregates["machine_failures"]
    aggregates: dict[str, Aggregate] = {
        "total": like.model_copy(
            update={"agg": "sum", "value": "1", "where": None, "windows": (timedelta(days=2), timedelta(days=9))}
        )
    }
    features = tiny.features.model_copy(update={"aggregates": aggregates})
    assert tolerances(tiny.model_copy(update={"features": features})) == {"total_2d": 1e-9, "total_9d": 1e-9}


def test_a_computed_number_has_a_tolerance_and_a_computed_text_has_none(tiny: ModelDefinition) -> None:
    computed = {
        name: {"type": kind, "description": "d", "sources": ["plan"]}
        for name, kind in (("ratio", "number"), ("mood", "category"))
    }
    features = type(tiny.features).model_validate({**tiny.features.model_dump(), "computed": computed})
    allowed = tolerances(tiny.model_copy(update={"features": features}))
    assert (allowed.get("ratio"), allowed.get("mood", 0.0)) == (1e-9, 0.0)
