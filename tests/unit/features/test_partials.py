"""Aggregates of any values, in any order and grouping."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.features import Aggregate
from nightshift.features.partials import LIMBS, load, lower, merge, merge_groups, stack, store, take
from nightshift.features.sketches import SKETCH_BITS
from nightshift.lake.groups import partial_names, partial_types
from unit.examples import examples
from unit.features.aggregates import (
    EPOCH,
    aggregate,
    feature,
    features,
    lifted,
    merged,
    regrouped,
    same,
    some_values,
    stored,
)

# Values as they land: some are missing, some are no numbers.
odd_values = st.lists(st.one_of(some_values, st.sampled_from([math.nan, math.inf, -math.inf, None])), max_size=20)


# ---- every aggregate, in every order and grouping

AGGREGATES = [
    pytest.param(aggregate(agg), id=agg)
    for agg in ("count", "rate", "sum", "mean", "stddev", "min", "max", "approx_distinct", "last")
] + [pytest.param(aggregate("last", "category"), id="last of a text")]


def rows_for(agg: Aggregate) -> st.SearchStrategy[list[tuple[Any, int | None]]]:
    """Rows as they land, with their minutes; few different ones, so that there are ties."""
    texts = st.sampled_from(["", "x", "y", "Zürich", "東京", None])
    # Sums of squares are exact up to 2^91, which 40 squares of values up to 1e15 would exceed.
    finite = some_values.map(lambda value: value / 1024) if agg.agg == "stddev" else some_values
    numbers = st.one_of(finite, st.sampled_from([math.nan, math.inf, -math.inf, 1.0, 2.0, None]))
    kinds = {"count": st.booleans(), "rate": st.sampled_from([True, False, None]), "approx_distinct": texts}
    values = texts if agg.type == "category" else kinds.get(agg.agg, numbers)
    return st.lists(st.tuples(values, st.one_of(st.none(), st.integers(-2, 3))), max_size=40)


@pytest.mark.parametrize("agg", AGGREGATES)
@given(data=st.data(), chance=st.randoms(use_true_random=False))
def test_a_feature_is_the_same_in_any_order_and_however_its_rows_are_grouped_into_tiles(
    agg: Aggregate, data: st.DataObject, chance: random.Random
) -> None:
    rows = data.draw(rows_for(agg))
    value = feature(agg, [value for value, _ in rows], [minute for _, minute in rows])
    assert same(regrouped(agg, rows, chance), value)


@pytest.mark.parametrize("agg", AGGREGATES)
@given(data=st.data())
def test_ranges_may_overlap_and_be_empty_and_come_in_any_order(agg: Aggregate, data: st.DataObject) -> None:
    rows = data.draw(rows_for(agg))
    ends = st.tuples(*[st.integers(0, len(rows))] * 2)
    ranges = data.draw(st.lists(ends.map(lambda two: (min(two), max(two))), max_size=8))
    partials_of_rows = lifted(agg, [value for value, _ in rows], [minute for _, minute in rows])
    alone = [feature(agg, *(list(half) for half in zip(*rows[a:b], strict=True))) if a < b else None for a, b in ranges]
    assert same(features(agg, partials_of_rows, ranges), alone)


@pytest.mark.parametrize("agg", AGGREGATES)
@given(data=st.data())
def test_groups_of_rows_in_any_order_are_merged_as_their_ranges_would_be(agg: Aggregate, data: st.DataObject) -> None:
    rows = data.draw(rows_for(agg).filter(bool))
    count = data.draw(st.integers(1, len(rows)))
    # Each group has a row.
    groups = np.array(data.draw(st.permutations([*range(count), *(row % count for row in range(count, len(rows)))])))
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(count + 1))
    partials = lifted(agg, [value for value, _ in rows], [minute for _, minute in rows])
    ranges = merge(agg, take(partials, order), starts[:-1], starts[1:])
    assert same(lower(agg, merge_groups(agg, partials, groups, count)).to_pylist(), lower(agg, ranges).to_pylist())


@pytest.mark.parametrize("agg", AGGREGATES)
def test_features_of_no_rows_are_null(agg: Aggregate) -> None:
    """No row at all, none in a range, and none that counts: all are null, so that a default can be told apart."""
    nothing = lifted(agg, [], [])
    assert features(agg, nothing, []) == []
    assert features(agg, nothing, [(0, 0)] * 3) == [None] * 3
    assert feature(agg, [None] * 4, [1] * 4) is None
    read = load({part: pa.chunked_array([column]) for part, column in stored(agg, merged(agg, nothing, [])).items()})
    assert features(agg, read, [(0, 0)]) == [None]


@pytest.mark.parametrize("agg", AGGREGATES)
@given(data=st.data())
def test_rows_that_are_taken_and_stacked_are_still_themselves(agg: Aggregate, data: st.DataObject) -> None:
    rows = data.draw(rows_for(agg).filter(bool))
    partials_of_rows = lifted(agg, [value for value, _ in rows], [minute for _, minute in rows])
    picked = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    half = len(picked) // 2
    both = stack([take(partials_of_rows, np.array(numbers, np.int64)) for numbers in (picked[:half], picked[half:])])
    each = [(number, number + 1) for number in range(len(rows))]
    single = features(agg, partials_of_rows, each)
    assert same(features(agg, both, [(n, n + 1) for n in range(len(picked))]), [single[row] for row in picked])


# ---- what is counted


@given(st.lists(st.sampled_from([True, False, None])))
def test_a_count_is_of_true_rows_and_a_rate_their_share_of_valid_rows(values: list[bool | None]) -> None:
    valid = [value for value in values if value is not None]
    assert feature(aggregate("count"), values) == (float(sum(valid)) if any(valid) else None)
    assert feature(aggregate("rate"), values) == (sum(valid) / len(valid) if valid else None)


def test_a_standard_deviation_needs_two_values() -> None:
    assert feature(aggregate("stddev"), [None, 3.0]) is None
    assert feature(aggregate("stddev"), [1.0, None, 3.0]) == math.sqrt(2)


# ---- values that are no numbers, or more than one


@given(odd_values)
def test_nan_is_the_largest_number(values: list[float | None]) -> None:
    valid = [value for value in values if value is not None]
    ordered = sorted(valid, key=lambda value: (math.isnan(value), value))
    least, most = feature(aggregate("min"), values), feature(aggregate("max"), values)
    assert (least, most) == pytest.approx((ordered[0], ordered[-1]) if valid else (None, None), abs=0, nan_ok=True)


@given(odd_values)
def test_what_is_not_finite_makes_sums_nan(values: list[float | None]) -> None:
    valid = [value for value in values if value is not None]
    for agg in ("sum", "mean", "stddev"):
        value = feature(aggregate(agg), values)
        if len(valid) < (2 if agg == "stddev" else 1):
            assert value is None
        else:
            assert math.isnan(value) == any(not math.isfinite(value) for value in valid)


@pytest.mark.parametrize("values", [[math.nan], [1.0, math.nan, 2.0], [math.inf, -math.inf], [-math.inf, 1.0]])
def test_infinite_values_affect_only_the_windows_with_their_tile(values: list[float]) -> None:
    agg = aggregate("sum")
    tiles = [
        stored(agg, merged(agg, lifted(agg, tile_values), [(0, len(tile_values))]))
        for tile_values in ([1.5], values, [2.5])
    ]
    loaded = load({part: pa.chunked_array([tile[part] for tile in tiles]) for part in tiles[0]})
    before, both, after = features(agg, loaded, [(0, 1), (0, 3), (2, 3)])
    assert (before, after) == (1.5, 2.5)
    assert math.isnan(both)


def test_a_minimum_or_maximum_keeps_the_sign_of_zero() -> None:
    for values in ([0.0, -0.0], [-0.0, 0.0]):
        assert same(feature(aggregate("min"), values), -0.0)
        assert same(feature(aggregate("max"), values), 0.0)
        assert same(feature(aggregate("sum"), values), 0.0)


@pytest.mark.parametrize("value", [5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, math.inf])
def test_the_extreme_doubles_are_minima_and_maxima(value: float) -> None:
    for agg in ("min", "max"):
        assert feature(aggregate(agg), [value, None]) == value
    assert feature(aggregate("max"), [value, 0.0]) == max(value, 0.0)
    assert feature(aggregate("min"), [value, 0.0]) == min(value, 0.0)


@given(st.lists(st.floats(allow_nan=False), min_size=2))
def test_minima_and_maxima_are_of_any_doubles(values: list[float]) -> None:
    assert feature(aggregate("min"), values) == min(values)
    assert feature(aggregate("max"), values) == max(values)


# ---- the newest value


@given(rows_for(aggregate("last")))
def test_the_last_is_the_value_of_the_newest_instant_and_the_largest_among_equals(rows: list[tuple[Any, Any]]) -> None:
    dated = [(at, math.isnan(v), v) for v, at in rows if v is not None and at is not None]
    expected = max(dated)[2] if dated else None
    last = feature(aggregate("last"), [value for value, _ in rows], [minute for _, minute in rows])
    assert last == pytest.approx(expected, abs=0, nan_ok=True)


@given(rows_for(aggregate("last", "category")))
def test_the_last_text_is_that_of_the_newest_instant_and_the_last_in_the_alphabet_among_equals(
    rows: list[tuple[str | None, int | None]],
) -> None:
    dated = [(minute, value.encode(), value) for value, minute in rows if value is not None and minute is not None]
    expected = max(dated)[2] if dated else None
    last = feature(aggregate("last", "category"), [value for value, _ in rows], [minute for _, minute in rows])
    assert last == expected


@pytest.mark.parametrize(("kind", "value"), [("number", 7.0), ("category", "seven")])
def test_a_row_without_an_instant_or_a_value_is_not_the_last(kind: str, value: object) -> None:
    agg = aggregate("last", kind)
    assert feature(agg, [value, None], [1, 2]) == value
    assert feature(agg, [value, value], [None, None]) is None
    assert feature(agg, [None, None], [1, 2]) is None


def test_instants_before_1970_are_older_than_those_after_and_all_are_newer_than_none() -> None:
    agg = aggregate("last")
    minutes = [-60 * 24 * 365 * 60, None, -60 * 24 * 365 * 70]
    assert feature(agg, [1.0, 2.0, 3.0], minutes) == 1.0
    partials_of_rows = merged(agg, lifted(agg, [1.0, 2.0], minutes[:2]), [(0, 2), (1, 2)])
    assert store("at", partials_of_rows["at"]).to_pylist() == [EPOCH + timedelta(minutes=minutes[0]), None]


def test_of_zeros_at_one_instant_the_last_has_the_same_sign_in_any_order() -> None:
    agg = aggregate("last")
    assert same(feature(agg, [0.0, -0.0], [1, 1]), feature(agg, [-0.0, 0.0], [1, 1]))


# ---- distinct values

texts = st.sets(st.text(min_size=1, max_size=8), max_size=40)


@given(texts, st.integers(1, 3), st.randoms(use_true_random=False))
def test_few_different_values_are_counted_exactly_however_often_each_occurs(
    values: set[str], times: int, chance: random.Random
) -> None:
    rows = chance.sample([*values] * times, len(values) * times)
    assert feature(aggregate("approx_distinct"), [*rows, None]) == (len(values) or None)


def test_an_empty_text_is_a_value() -> None:
    assert feature(aggregate("approx_distinct"), [""]) == 1
    assert feature(aggregate("approx_distinct"), ["", "x", "", None]) == 2


@pytest.mark.parametrize("many", [100, 384])
def test_some_hundred_different_values_are_counted_exactly(many: int) -> None:
    assert feature(aggregate("approx_distinct"), [f"value {number}" for number in range(many)]) == many


@pytest.mark.parametrize("seed", range(3))
def test_many_different_values_are_counted_within_five_standard_errors(seed: int) -> None:
    many = 20_000
    estimate = feature(aggregate("approx_distinct"), [f"{seed}-{number}" for number in range(many)])
    assert abs(estimate - many) <= 5 * 1.04 / math.sqrt(2**SKETCH_BITS) * many
    assert estimate == int(estimate) != many  # it is an estimate, and a whole number


@pytest.mark.slow
@examples(max_examples=40)
@given(st.one_of(st.integers(360, 420), st.integers(1, 1500)), st.integers(0, 9), st.randoms(use_true_random=False))
def test_an_estimate_does_not_depend_on_order_or_grouping_where_a_sketch_changes_its_ways(
    many: int, seed: int, chance: random.Random
) -> None:
    """A sketch lists its values until it has some four hundred; two lists together may be more than that."""
    agg = aggregate("approx_distinct")
    rows = [(f"{seed}-{number}", None) for number in range(many)]
    estimate = feature(agg, [value for value, _ in rows])
    assert {regrouped(agg, [*rows, *rows[: many // 2]], chance) for _ in range(3)} == {estimate}


# ---- what a tile keeps


@pytest.mark.parametrize(
    ("agg", "expected"),
    [
        ("count", {"a__n": "integer"}),
        ("rate", {"a__n": "integer", "a__hits": "integer"}),
        ("min", {"a__min": "number"}),
        ("max", {"a__max": "number"}),
        ("approx_distinct", {"a__n": "integer", "a__sketch": "binary"}),
        ("last", {"a__at": "timestamp", "a__last": "number"}),
    ],
)
def test_each_aggregation_has_its_partials(agg: str, expected: dict[str, str]) -> None:
    assert partial_types("a", aggregate(agg)) == expected


def test_the_last_text_is_stored_as_a_text() -> None:
    assert partial_types("a", aggregate("last", "category")) == {"a__at": "timestamp", "a__last_text": "string"}


@pytest.mark.parametrize(("agg", "sums"), [("sum", 1), ("mean", 1), ("stddev", 2)])
def test_what_is_added_up_has_a_partial_for_every_limb(agg: str, sums: int) -> None:
    kinds = partial_types("a", aggregate(agg))
    assert len(kinds) == 1 + sums * len(LIMBS)
    assert kinds.pop("a__n") == "integer"
    assert set(kinds.values()) == {"number"}
    assert len(partial_names(aggregate(agg))) == len(set(partial_names(aggregate(agg))))


def test_a_limb_that_is_left_out_is_null_in_a_tile_and_is_left_out_again_when_no_tile_has_it() -> None:
    agg = aggregate("mean")
    integers, fine, none = (
        merged(agg, lifted(agg, values), [(0, len(values))]) for values in ([1.0, 2.0], [0.5**20, 3.0], [])
    )
    assert "sum4" not in integers
    assert none.keys() == {"n"}
    columns = [stored(agg, tile_partials) for tile_partials in (integers, fine, none)]
    assert columns[2]["sum2"].null_count == 1
    alone = load({part: pa.chunked_array([column]) for part, column in columns[0].items()})
    assert alone.keys() == integers.keys()
    # Beside a tile that has the limb, what is left out is 0.
    both = load({part: pa.chunked_array([tile[part] for tile in columns]) for part in partial_names(agg)})
    assert both.keys() == {*integers, *fine}
    assert features(agg, both, [(0, 1), (1, 2), (2, 3), (0, 3)]) == [1.5, (3 + 0.5**20) / 2, None, (6 + 0.5**20) / 4]
