from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.errors import LONGEST, TerminalError
from nightshift.quality.computed import computed_columns
from nightshift.quality.expectation import ComputedColumn
from unit.examples import examples

LATE = datetime(2024, 1, 1, 23, 30, tzinfo=UTC)
INSTANT = pa.table({"seen": pa.array([LATE], pa.timestamp("us", "UTC"))})


def computed(rows: pa.Table, expression: str, *columns: str, **more: Any) -> list[Any]:
    """The values of a computed column."""
    column = ComputedColumn(expression, columns or tuple(rows.column_names), **more)
    return list(computed_columns(rows, {"it": column})["it"].to_pylist())


@pytest.mark.slow
@examples(max_examples=25)
@given(st.lists(st.tuples(st.none() | st.integers(-100, 100), st.none() | st.integers(-100, 100)), max_size=50))
def test_a_rule_is_true_false_or_neither_row_by_row_as_in_sql(pairs: list[tuple[int | None, int | None]]) -> None:
    rows = pa.table({name: pa.array([pair[n] for pair in pairs], pa.int64()) for n, name in enumerate("ab")})
    expected = [None if a is None or b is None else a > b for a, b in pairs]
    assert computed(rows, "a > b") == expected
    # Neither true nor false is false beside a false, and true beside a true.
    assert computed(rows, "a > b and a is null") == [False if a is not None else None for a, _ in pairs]
    assert computed(rows, "a > b or a is not null") == [True if a is not None else None for a, _ in pairs]


@pytest.mark.parametrize("parts", [1, 7])
def test_thousands_of_rows_keep_their_order_however_they_lie_in_memory(parts: int) -> None:
    numbers = [(number * 7919) % 20_011 for number in range(20_000)]
    size = -(-len(numbers) // parts)
    rows = pa.table({"n": pa.chunked_array([numbers[at : at + size] for at in range(0, len(numbers), size)])})
    assert computed(rows, "n * 2") == [number * 2 for number in numbers]


def test_several_columns_are_computed_from_the_columns_they_use() -> None:
    rows = pa.table({"a": [1, 2], "b": ["x", None], "unused": [0, 0]})
    columns = computed_columns(
        rows, {"double": ComputedColumn("a * 2", ("a",)), "none": ComputedColumn("b is null", ("b",))}
    )
    assert columns.to_pydict() == {"double": [2, 4], "none": [False, True]}


def test_a_rule_that_names_no_column_has_a_value_a_row() -> None:
    rows = pa.table({"a": [1, 2, 3]})
    assert computed_columns(rows, {"it": ComputedColumn("1 = 1", ())})["it"].to_pylist() == [True] * 3


def test_no_rules_compute_nothing() -> None:
    assert computed_columns(pa.table({"a": [1]}), {}).column_names == []


def test_no_rows_give_an_empty_column_of_the_right_type() -> None:
    column = computed_columns(
        pa.table({"a": pa.array([], pa.int64())}), {"it": ComputedColumn("(a > 1)::boolean", ("a",))}
    )
    assert (column["it"].type, column.num_rows) == (pa.bool_(), 0)


@pytest.mark.parametrize(
    ("expression", "values"),
    [("a / 4", [1.75, -1.75]), ("a // 4", [1, -1]), ("a % 4", [3, -3]), ("(a // 100) * 60 + a % 100", [7, -7])],
)
def test_integers_are_divided_as_duckdb_divides(expression: str, values: list[float]) -> None:
    assert computed(pa.table({"a": [7, -7]}), expression) == values


def test_an_expression_may_end_with_a_comment() -> None:
    assert computed(pa.table({"a": [1]}), "a = 1 -- always") == [True]


# ---- clocks


@pytest.mark.parametrize("machine", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_an_instant_is_read_in_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setenv("TZ", machine)
    assert computed(INSTANT, "cast(seen as date) = date '2024-01-01' and hour(seen) = 23") == [True]
    assert computed(INSTANT, "cast(seen as timestamp)") == [LATE.replace(tzinfo=None)]
    assert computed(INSTANT, "seen = timestamp '2024-01-01 23:30:00'") == [True]


def test_an_instant_is_read_in_the_requested_time_zone() -> None:
    assert computed(INSTANT, "cast(seen as timestamp)", zone="America/New_York") == [datetime(2024, 1, 1, 18, 30)]
    assert computed(INSTANT, "day(seen)", zone="Asia/Tokyo") == [2]


def test_a_time_without_a_zone_is_the_same_by_every_clock() -> None:
    rows = pa.table({"left_at": pa.array([datetime(2024, 1, 1, 6)], pa.timestamp("us"))})
    assert computed(rows, "hour(left_at)", zone="Asia/Tokyo") == [6]


# ---- expressions that cannot be computed


def test_a_value_that_cannot_be_cast_is_one_clear_line() -> None:
    with pytest.raises(TerminalError) as caught:
        computed(pa.table({"a": ["1", "x7"], "b": [1, 2]}), "cast(a as integer) > b", "a", "b")
    message = str(caught.value)
    assert message.startswith(
        "the rule 'it' cannot be evaluated: Conversion Error: Could not convert string 'x7' to INT32"
    )
    assert "received 'cast(a as integer) > b'" in message
    assert message.endswith("fix: write DuckDB SQL over a, b")
    assert "\n" not in message


def test_a_long_value_that_cannot_be_cast_does_not_flood_the_message() -> None:
    with pytest.raises(TerminalError) as caught:
        computed(pa.table({"a": ["x" * 100_000]}), "cast(a as integer)")
    assert len(str(caught.value)) < LONGEST + 300


def test_a_cast_that_may_fail_is_missing_where_it_does() -> None:
    assert computed(pa.table({"a": ["1", "x7"]}), "try_cast(a as integer) = 1") == [True, None]


def test_a_rule_downloads_nothing() -> None:
    with pytest.raises(TerminalError, match="the rule 'it' cannot be evaluated"):
        computed(pa.table({"a": [1]}), "exists(select 1 from 'https://example.invalid/known.parquet')")


# ---- values of another source

FLIGHTS = pa.table({"carrier": ["UA", "UA", None], "flight": [1, 2, 3]})
LOOK_UP = (
    "case when carrier is null or flight is null then null else "
    "exists(select 1 from reference where reference.carrier = landed.carrier and reference.flight = landed.flight) end"
)


def test_several_columns_are_looked_up_together() -> None:
    rows = pa.table({"carrier": ["UA", "UA", "AA"], "flight": [1, 3, 1]})
    assert computed(rows, LOOK_UP, reference=FLIGHTS) == [True, False, False]


def test_a_missing_value_is_neither_known_nor_unknown() -> None:
    rows = pa.table({"carrier": [None, "UA", None], "flight": [3, None, None]}).cast(FLIGHTS.schema)
    assert computed(rows, LOOK_UP, reference=FLIGHTS) == [None, None, None]


def test_where_nothing_is_known_every_value_is_unknown() -> None:
    rows = pa.table({"carrier": ["UA", None], "flight": [1, 1]})
    assert computed(rows, LOOK_UP, reference=FLIGHTS.slice(0, 0)) == [False, None]


@pytest.mark.parametrize("many", [100, 100_000])
def test_a_look_up_keeps_the_order_of_the_rows_whether_few_or_many_values_are_known(many: int) -> None:
    rows = pa.table({"flight": [(number * 7919) % 5000 for number in range(5000)]})
    flights = pa.table({"flight": list(range(0, 3 * many, 3))})
    columns = computed(
        rows, "exists(select 1 from reference where reference.flight = landed.flight)", reference=flights
    )
    assert columns == [column % 3 == 0 and column < 3 * many for column in rows["flight"].to_pylist()]
