from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightshift.errors import LONGEST
from nightshift.quality import expectation
from nightshift.quality.expectation import (
    ANCHORS,
    BETWEEN,
    DISTINCT,
    IN_SET,
    MATCHES,
    MEAN,
    MIX,
    NEWEST,
    NOT_NULL,
    PRESENT,
    ROW_COUNT,
    SPREAD,
    UNIQUE,
    UNIQUE_TOGETHER,
    ExpectationSpec,
)
from nightshift.quality.messages import failure_message, row_reason

KEY = ExpectationSpec(UNIQUE_TOGETHER, "a + b", (("column_list", ["a", "b"]),))
FORM = ExpectationSpec(MATCHES, "code", (("column", "code"), ("regex", "[A-Z]+".join(ANCHORS))))


def broken(count: int, first: Any) -> dict[str, Any]:
    return {"unexpected_count": count, "partial_unexpected_list": [first]}


def test_a_doubled_key_is_told_as_a_person_writes_it() -> None:
    first = {"source_date": date(2013, 7, 3), "carrier": "AA", "flight": 1}
    assert (
        failure_message(KEY, broken(2, first))
        == "a + b is the same in 2 rows, first source_date 2013-07-03, carrier AA, flight 1"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("New York", "New York"),
        (date(2013, 7, 3), "2013-07-03"),
        (datetime(2013, 7, 3, 6, 30, tzinfo=UTC), "2013-07-03 06:30:00+00:00"),
        (pd.Timestamp("2013-07-03 06:30", tz="UTC"), "2013-07-03 06:30:00+00:00"),
        (0.5, "0.5"),
        (True, "True"),
        (None, "missing"),
        (float("nan"), "missing"),
        (pd.NaT, "missing"),
        ("N1\x00\n", "N1\\x00\\n"),
    ],
)
def test_a_value_of_a_repeated_key_is_shown_without_its_type(value: Any, text: str) -> None:
    assert failure_message(KEY, broken(2, {"a": value, "b": 1})) == f"a + b is the same in 2 rows, first a {text}, b 1"
    single = ExpectationSpec(UNIQUE, "a", (("column", "a"),))
    assert failure_message(single, broken(2, value)) == f"a is the same in 2 rows, first {text}"


@pytest.mark.parametrize("letter", ["x", "\x00", "\u202e"])
def test_a_long_value_is_cut_and_printable_wherever_it_is_told(letter: str) -> None:
    value = letter * 100_000
    within = ExpectationSpec(IN_SET, "code", (("column", "code"), ("value_set", ["A"])))
    for text in (
        failure_message(FORM, broken(1, value)),
        failure_message(within, broken(1, value)),
        failure_message(KEY, broken(2, {"a": value, "b": 1})),
        row_reason(FORM, {"code": value}),
    ):
        assert text.isprintable()
        assert "…" in text
        assert len(text) < LONGEST + 100


def test_a_short_text_that_breaks_a_rule_keeps_its_quotes_which_show_its_blanks() -> None:
    assert failure_message(FORM, broken(1, "aa ")) == "code has 1 value not of the form [A-Z]+, first 'aa '"
    assert row_reason(FORM, {"code": "aa "}) == "code is 'aa ', not of the form [A-Z]+"


# ---- a sentence of each kind


def message(kind: str, values: dict[str, Any], subject: str = "x", note: str = "", **arguments: Any) -> str:
    given = (("column", subject), *arguments.items())
    return failure_message(ExpectationSpec(kind, subject, given, note=note), values)


RULE = ExpectationSpec(IN_SET, "later", (("column", "later"), ("value_set", [True])), note="arr > dep", computed=True)
AGE = ExpectationSpec(NEWEST, "freshness", (("column", "freshness"), ("min_value", -6.0)), computed=True)
DETAILS = {"value": "XX", "share": 0.25, "expected": 0.0}
MIXED = {"observed_value": np.float64(0.25), "details": DETAILS}
WEEKS = "the usual range of the last 8 Mondays"

SENTENCES = {
    NOT_NULL: [(message(NOT_NULL, broken(1, None)), "x is missing in 1 row")],
    BETWEEN: [
        (message(BETWEEN, broken(2, np.int64(9)), min_value=0, max_value=5), "x has 2 values outside 0 to 5, first 9"),
        (message(BETWEEN, broken(1, np.float64(9)), max_value=5.5), "x has 1 value above 5.5, first 9.0"),
        (message(BETWEEN, broken(1, -np.inf), min_value=0), "x has 1 value below 0, first -inf"),
        (
            message(
                BETWEEN, broken(1, pd.Timestamp("2024-01-01", tz="UTC")), min_value=datetime(2024, 1, 2, tzinfo=UTC)
            ),
            "x has 1 value below 2024-01-02 00:00:00+00:00, first 2024-01-01 00:00:00+00:00",
        ),
    ],
    IN_SET: [
        (message(IN_SET, broken(1, "XX"), value_set=["A", "B"]), "x has 1 value outside the 2 allowed, first 'XX'"),
        (
            failure_message(RULE, {"unexpected_count": 3}, {"arr": 4.0, "dep": None}),
            "later does not hold in 3 rows: arr > dep, first arr 4.0, dep missing",
        ),
        (failure_message(RULE, {"unexpected_count": 1}), "later does not hold in 1 row: arr > dep"),
    ],
    MATCHES: [(failure_message(FORM, broken(1, "aa")), "code has 1 value not of the form [A-Z]+, first 'aa'")],
    UNIQUE: [(message(UNIQUE, broken(2, np.int64(7))), "x is the same in 2 rows, first 7")],
    UNIQUE_TOGETHER: [
        (
            failure_message(KEY, broken(2, {"a": np.int64(1), "b": None})),
            "a + b is the same in 2 rows, first a 1, b missing",
        ),
        (
            failure_message(replace(KEY, subject=UNIQUE_TOGETHER), broken(2, {"a": 1, "b": 2})),
            "a + b is the same in 2 rows, first a 1, b 2",
        ),
    ],
    ROW_COUNT: [
        (message(ROW_COUNT, {"observed_value": 7}, min_value=9, max_value=None), "7 rows, expected at least 9"),
        (message(ROW_COUNT, {"observed_value": 7}, min_value=9, max_value=9), "7 rows, expected 9"),
        (
            message(ROW_COUNT, {"observed_value": 7}, note="half of it", min_value=0, max_value=5),
            "7 rows, expected 0 to 5 (half of it)",
        ),
    ],
    MEAN: [
        (
            message(MEAN, {"observed_value": np.float64(1234.56)}, note=WEEKS, min_value=0.5, max_value=10),
            f"the mean of x is 1235, expected 0.5 to 10 ({WEEKS})",
        )
    ],
    SPREAD: [(message(SPREAD, {"observed_value": 0.0}, min_value=2), "the spread of x is 0, expected at least 2")],
    PRESENT: [
        (
            message(PRESENT, {"observed_value": 0.75}, note=WEEKS, min_value=0.96, max_value=1.0),
            f"x is missing in 25.0% of the rows, expected 0.0% to 4.0% ({WEEKS})",
        ),
        (
            message(PRESENT, {"observed_value": 0.75}, min_value=0.9),
            "x is missing in 25.0% of the rows, expected 0.0% to 10.0%",
        ),
        (
            message(PRESENT, {"observed_value": 0.75}, max_value=0.5),
            "x is missing in 25.0% of the rows, expected 50.0% to 100.0%",
        ),
    ],
    DISTINCT: [
        (
            message(DISTINCT, {"observed_value": np.int64(3)}, min_value=1, max_value=2),
            "the number of values of x is 3, expected 1 to 2",
        )
    ],
    NEWEST: [
        (
            failure_message(AGE, {"observed_value": np.float64(-12.26)}),
            "the newest row is 12.3 h before the end of its date, at most 6.0 h allowed",
        ),
        (message(NEWEST, {"observed_value": 7}, max_value=5), "the largest x is 7, expected at most 5"),
        (
            message(NEWEST, {"observed_value": pd.Timestamp("2024-01-01")}, max_value=datetime(2023, 1, 1)),
            "ExpectColumnMaxToBeBetween of x does not hold: observed 2024-01-01 00:00:00",
        ),
    ],
    MIX: [
        (
            message(MIX, MIXED, note="the mix of the last 8 Mondays", max_distance=0.1),
            "25.0% of the values of x differ from the mix of the last 8 Mondays, at most 10.0% may; "
            "the largest difference is 'XX': 25.0% instead of 0.0%",
        ),
        (
            message(MIX, MIXED, max_distance=0.1),
            "25.0% of the values of x differ from the expected mix, at most 10.0% may; "
            "the largest difference is 'XX': 25.0% instead of 0.0%",
        ),
    ],
    "ExpectSomethingCustom": [
        (message("ExpectSomethingCustom", {}), "ExpectSomethingCustom of x does not hold"),
        (
            message("ExpectSomethingCustom", {"observed_value": {"values": [np.float64(0.5), (np.True_, None)]}}),
            "ExpectSomethingCustom of x does not hold: observed values [0.5, [True, missing]]",
        ),
        (
            message("ExpectSomethingCustom", {"unexpected_count": 2, "partial_unexpected_list": [np.int64(4)]}),
            "ExpectSomethingCustom of x does not hold: unexpected 2, first 4",
        ),
    ],
}


def test_every_kind_of_expectation_has_a_sentence() -> None:
    kinds = {value for name, value in vars(expectation).items() if name.isupper() and str(value).startswith("Expect")}
    assert kinds - {expectation.NEW_FILE} <= SENTENCES.keys()


@pytest.mark.parametrize(("sentence", "expected"), [pair for pairs in SENTENCES.values() for pair in pairs])
def test_a_sentence_states_the_observed_and_the_expected_as_a_person_writes_them(sentence: str, expected: str) -> None:
    assert sentence == expected
    assert not any(word in sentence for word in ("np.", "array(", "Timestamp(", "datetime."))
