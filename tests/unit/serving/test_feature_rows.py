"""Features that a caller sent: each row is scored with its values unchanged, or has an error of its own."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.serving.feature_rows import check_features
from nightshift.serving.refusals import RequestRefusal
from nightshift.serving.request_body import ABSENT, SentRows

TYPES = {"distance": "number", "airline": "category"}
ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.just(ABSENT)
    | st.lists(st.integers())
)


def is_number(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= 2**53 if isinstance(value, int) else math.isfinite(value)


@given(st.lists(st.tuples(ANYTHING, ANYTHING), min_size=1))
def test_no_row_is_lost_and_no_value_changes(data: list[tuple[Any, Any]]) -> None:
    distances, airlines = zip(*data, strict=True)
    rows = check_features(SentRows({"distance": distances, "airline": airlines}, len(data)), TYPES, ())
    good = [
        place
        for place, (number, text) in enumerate(data)
        if is_number(number) and (text is None or isinstance(text, str))
    ]
    assert rows.positions.tolist() == good
    assert rows.table["distance"].to_pylist() == [distances[place] for place in good]
    assert rows.table["airline"].to_pylist() == [airlines[place] for place in good]
    assert {error.row for error in rows.errors} == set(range(len(data))) - set(good)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("12", "column distance: no number; received '12'; allowed: a number, or null if it is missing"),
        (True, "column distance: no number; received True"),
        ([1], "column distance: no number; received [1]"),
        (math.inf, "column distance: the number is out of range; received inf"),
        (2**53 + 1, "column distance: the number has more digits than a double"),
        (10**400, "column distance: the number has more digits than a double"),
        (ABSENT, "column distance: the value is absent; allowed: a number, or null if it is missing; fix: send it"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(value: Any, message: str) -> None:
    rows = check_features(SentRows({"distance": [1.5, value], "airline": ["UA", "UA"]}, 2), TYPES, ())
    [error] = rows.errors
    assert error.row == 1
    assert message in str(error.error)


@pytest.mark.parametrize(
    ("columns", "messages"),
    [
        (["distance"], ["column airline: the column is absent"]),
        (["distance", "airlin", "airline"], ["column airlin: no such column; .* fix: did you mean airline"]),
        (
            ["x"],
            ["column x: no such column; .* leave it out", "column distance: .* absent", "column airline: .* absent"],
        ),
    ],
)
def test_columns_that_are_unknown_or_absent_are_refused(columns: list[str], messages: list[str]) -> None:
    with pytest.raises(RequestRefusal) as refusal:
        check_features(SentRows({name: [None] for name in columns}, 1), TYPES, ())
    assert refusal.value.status == 422
    assert len(refusal.value.errors) == len(messages)
    for error, message in zip(refusal.value.errors, messages, strict=True):
        with pytest.raises(type(error), match=message):  # type: ignore[arg-type]
            raise error  # type: ignore[misc]


def test_columns_that_other_versions_use_are_ignored() -> None:
    sent = SentRows({"distance": [1], "airline": ["UA"], "flight": [15]}, 1)
    assert check_features(sent, TYPES, {"flight"}).table.column_names == ["distance", "airline"]


def test_no_rows_are_scored_as_none() -> None:
    assert check_features(SentRows({}, 0), TYPES, ()).table.num_rows == 0
