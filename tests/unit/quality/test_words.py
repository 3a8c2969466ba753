from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from nightshift.errors import LONGEST
from nightshift.quality.expectation import IN_SET, MATCHES, UNIQUE, UNIQUE_TOGETHER, WHOLE, Expectation
from nightshift.quality.words import reason, sentence

KEY = Expectation(UNIQUE_TOGETHER, "a + b", (("column_list", ["a", "b"]),))
FORM = Expectation(MATCHES, "code", (("column", "code"), ("regex", "[A-Z]+".join(WHOLE))))


def broken(count: int, first: Any) -> dict[str, Any]:
    return {"unexpected_count": count, "partial_unexpected_list": [first]}


def test_a_doubled_key_is_told_as_a_person_writes_it() -> None:
    first = {"source_date": date(2013, 7, 3), "carrier": "AA", "flight": 1}
    assert (
        sentence(KEY, broken(2, first))
        == "a + b is the same in 2 rows, first source_date 2013-07-03, carrier AA, flight 1"
    )


@pytest.mark.parametrize(
    ("value", "told"),
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
def test_a_value_of_a_doubled_key_is_told_without_its_type(value: Any, told: str) -> None:
    assert sentence(KEY, broken(2, {"a": value, "b": 1})) == f"a + b is the same in 2 rows, first a {told}, b 1"
    alone = Expectation(UNIQUE, "a", (("column", "a"),))
    assert sentence(alone, broken(2, value)) == f"a is the same in 2 rows, first {told}"


@pytest.mark.parametrize("letter", ["x", "\x00", "\u202e"])
def test_a_long_value_is_cut_and_printable_wherever_it_is_told(letter: str) -> None:
    value = letter * 100_000
    within = Expectation(IN_SET, "code", (("column", "code"), ("value_set", ["A"])))
    for told in (
        sentence(FORM, broken(1, value)),
        sentence(within, broken(1, value)),
        sentence(KEY, broken(2, {"a": value, "b": 1})),
        reason(FORM, {"code": value}),
    ):
        assert told.isprintable()
        assert "…" in told
        assert len(told) < LONGEST + 100


def test_a_short_text_that_breaks_a_rule_keeps_its_quotes_which_show_its_blanks() -> None:
    assert sentence(FORM, broken(1, "aa ")) == "code has 1 value not of the form [A-Z]+, first 'aa '"
    assert reason(FORM, {"code": "aa "}) == "code is 'aa ', not of the form [A-Z]+"
