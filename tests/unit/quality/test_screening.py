"""What is screened before Great Expectations looks: never another answer than its own."""

from __future__ import annotations

import warnings
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.quality.compile import NUMBER, compile_expectation, great_expectations
from nightshift.quality.expectation import BETWEEN, IN_SET, MATCHES, NOT_NULL, UNIQUE, ExpectationSpec
from nightshift.quality.screening import is_satisfied, is_screened
from nightshift.quality.staged_rows import InProcessRows
from unit.examples import examples

NUMBERS = st.floats(-3, 3) | st.just(float("nan")) | st.just(float("inf"))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.none() | NUMBERS,
            "integer": st.none() | st.integers(-3, 3) | st.just(2**53 + 1),
            "word": st.none() | st.sampled_from(["AA", "BB", "a\nb", "", "AA "]),
            "flag": st.none() | st.booleans(),
            "day": st.none() | st.dates(date(2024, 1, 1), date(2024, 1, 3)),
        }
    ),
    min_size=1,
    max_size=6,
)
BOUNDS = st.tuples(st.none() | st.integers(-3, 0) | st.floats(-3, 0), st.none() | st.integers(1, 3) | st.floats(1, 3))
SCHEMA = pa.schema(
    {"number": pa.float64(), "integer": pa.int64(), "word": pa.string(), "flag": pa.bool_(), "day": pa.date32()}
)


def spec(kind: str, column: str, **arguments: Any) -> ExpectationSpec:
    return ExpectationSpec(kind, column, (("column", column), *arguments.items()))


def great_expectations_answers(expectations: list[ExpectationSpec], rows: pa.Table) -> list[bool]:
    gx = great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = InProcessRows(rows, {}).batch(context, None, computed=False, numbered=False)
    compiled = [compile_expectation(gx, expectation, number=n) for n, expectation in enumerate(expectations)]
    suite = gx.ExpectationSuite(name="screened", expectations=compiled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
    answers = {result.expectation_config.meta[NUMBER]: bool(result.success) for result in results}
    return [answers[n] for n in range(len(expectations))]


@examples(max_examples=15)
@given(rows=ROWS, bounds=BOUNDS, words=st.sets(st.sampled_from(["AA", "BB", ""]), min_size=1))
def test_what_every_row_satisfies_great_expectations_says_too(
    rows: list[dict[str, Any]], bounds: tuple[float | None, float | None], words: set[str]
) -> None:
    limits = dict(zip(("min_value", "max_value"), bounds, strict=True))
    between = [spec(BETWEEN, column, **limits) for column in ("number", "integer")] if any(limits.values()) else []
    expectations = [
        *(spec(NOT_NULL, column) for column in SCHEMA.names),
        *between,
        spec(IN_SET, "word", value_set=sorted(words)),
        spec(IN_SET, "integer", value_set=[-3, -2, -1, 0, 1]),
        spec(IN_SET, "flag", value_set=[True]),
        spec(MATCHES, "word", regex=r"^(?:[A-Z]+)(?![\s\S])"),
        spec(MATCHES, "word", regex="A"),
    ]
    table = pa.Table.from_pylist(rows, SCHEMA)
    screened = InProcessRows(table, {}).satisfied(dict(enumerate(expectations)), computed=False)
    assert [n in screened for n in range(len(expectations))] == great_expectations_answers(expectations, table)


@pytest.mark.parametrize(
    "expectation",
    [
        spec(BETWEEN, "day", min_value=0),
        spec(IN_SET, "integer", value_set=["1"]),
        spec(IN_SET, "integer", value_set=[2**70]),
        spec(IN_SET, "integer", value_set=[1.0]),
        spec(IN_SET, "integer", value_set=[True]),
        spec(IN_SET, "flag", value_set=[1]),
        spec(IN_SET, "day", value_set=[date(2024, 1, 1)]),
        spec(IN_SET, "word", value_set=["AA", "\ud800"]),
        spec(IN_SET, "word", value_set=["AA", None]),
        spec(MATCHES, "integer", regex="1"),
        spec(NOT_NULL, "no such column"),
    ],
)
def test_what_cannot_be_decided_here_is_left_to_great_expectations(expectation: ExpectationSpec) -> None:
    row = {"number": 1.0, "integer": 1, "word": "AA", "flag": True, "day": date(2024, 1, 1)}
    assert not is_satisfied(expectation, pa.Table.from_pylist([row], SCHEMA))


@pytest.mark.parametrize(
    ("expectation", "screened"),
    [
        (spec(NOT_NULL, "a"), True),
        (spec(BETWEEN, "a", min_value=0, max_value=None), True),
        (spec(BETWEEN, "a", min_value=0, strict_min=True), False),
        (spec(NOT_NULL, "a", row_condition="b > 1"), False),
        (spec(UNIQUE, "a"), False),
        (spec(BETWEEN, "a", min_value=2, max_value=1), False),
        (spec(BETWEEN, "a", min_value=float("nan"), max_value=1), False),
        (spec(BETWEEN, "a", min_value=date(2024, 1, 1)), False),
        (spec(BETWEEN, "a", min_value=True), False),
        (spec(IN_SET, "a", value_set={"$PARAMETER": "a"}), False),
        (spec(IN_SET, "a", value_set="text"), False),
        (spec(MATCHES, "a", regex="["), False),
        (spec(MATCHES, "a", regex=3), False),
        (spec("ExpectColumnValuesToBeEven", "a"), False),
    ],
)
def test_arguments_that_it_does_not_know_are_not_screened(expectation: ExpectationSpec, screened: bool) -> None:
    assert is_screened(expectation) is screened
