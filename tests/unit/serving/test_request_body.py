"""Bodies of requests: the three formats of MLflow's protocol, and everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.serving.refusals import RequestRefusal
from nightshift.serving.request_body import ABSENT, read_rows

VALUES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES |= st.text()


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    names = draw(st.lists(st.text(), unique=True, min_size=1, max_size=4))
    return names, draw(st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)), min_size=1, max_size=5))


@given(tables())
def test_every_format_gives_the_same_rows(table: tuple[list[str], list[list[Any]]]) -> None:
    names, data = table
    records = [dict(zip(names, row, strict=True)) for row in data]
    columns = {name: [row[place] for row in data] for place, name in enumerate(names)}
    for document in (
        {"dataframe_split": {"columns": names, "data": data}},
        {"dataframe_split": {"columns": names, "data": data, "index": list(range(len(data)))}, "params": {}},
        {"dataframe_records": records},
        {"inputs": records},
        {"inputs": columns},
    ):
        sent = read_rows(json.dumps(document).encode(), 10)
        assert sent.count == len(data)
        assert {name: list(values) for name, values in sent.columns.items()} == columns


def test_a_row_that_lacks_a_column_is_not_one_whose_value_is_missing() -> None:
    sent = read_rows(b'{"dataframe_records": [{"a": null}, {"b": 1}]}', 10)
    assert sent.columns == {"a": [None, ABSENT], "b": [ABSENT, 1]}


def test_no_rows_are_no_error() -> None:
    assert read_rows(b'{"dataframe_records": []}', 10).count == 0
    assert read_rows(b'{"dataframe_split": {"columns": ["a"], "data": []}}', 10).columns == {"a": []}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is not JSON: EOF"),
        (b"{", 400, "the body is not JSON: EOF"),
        (b'{"inputs": {"a": [NaN]}}', 400, "with null for a missing value"),
        (b'{"inputs": {"a": [Infinity]}}', 400, "the body is not JSON"),
        (b'{"inputs": {"a": ["\xff"]}}', 400, "the body is not JSON: invalid unicode"),
        (b"[" * 100_000, 400, "the body is not JSON: recursion limit exceeded"),
        (b"[]", 400, "the body is no JSON object"),
        (b"{}", 400, "the body names no rows, or several; received 'nothing'"),
        (b'{"instances": []}', 400, "allowed: dataframe_split or dataframe_records or inputs"),
        (b'{"inputs": [], "dataframe_records": []}', 400, "received 'inputs, dataframe_records'"),
        (b'{"inputs": [], "params": {"a": 1}}', 400, "a model takes no parameters"),
        (b'{"dataframe_split": []}', 400, "these are no rows"),
        (b'{"dataframe_split": {"columns": ["a"]}}', 400, "data is no list of rows"),
        (b'{"dataframe_split": {"columns": "a", "data": []}}', 400, "columns are no list of names"),
        (b'{"dataframe_split": {"columns": [1], "data": []}}', 400, "columns are no list of names"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [1]}}', 400, "data is no list of rows"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [], "x": 1}}', 400, "these are no rows"),
        (b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', 400, "two columns have the same name"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}', 400, "row 1 has other columns"),
        (b'{"dataframe_records": {"a": [1]}}', 400, "these are no rows"),
        (b'{"dataframe_records": [1]}', 400, "these are no rows"),
        (b'{"inputs": 1}', 400, "these are no rows"),
        (b'{"inputs": {"a": 1}}', 400, "column 'a' is no list of values"),
        (b'{"inputs": {"a": [1], "b": []}}', 400, "columns have different numbers of values"),
        (b'{"inputs": {"a": [1, 2, 3]}}', 413, "too many rows in a request; received 3; allowed: 2 rows"),
    ],
)
def test_other_bodies_are_refused(body: bytes, status: int, message: str) -> None:
    with pytest.raises(RequestRefusal) as refusal:
        read_rows(body, 2)
    assert refusal.value.status == status
    assert message in refusal.value.answer()["message"]


def test_a_small_body_does_not_become_a_large_table() -> None:
    rows = json.dumps({"dataframe_records": [{f"a{number}": 1} for number in range(20_000)]}).encode()
    with pytest.raises(RequestRefusal, match="too many different columns"):
        read_rows(rows, 100_000)
    assert read_rows(json.dumps({"dataframe_records": [{f"a{n}": 1} for n in range(100)]}).encode(), 100).count == 100


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)) | VALUES)
def test_whatever_json_comes_it_is_rows_or_a_refusal(content: Any) -> None:
    for name in ("dataframe_split", "dataframe_records", "inputs"):
        try:
            sent = read_rows(json.dumps({name: content}).encode(), 3)
        except RequestRefusal as refusal:
            assert refusal.answer()["message"]
        else:
            assert all(len(values) == sent.count for values in sent.columns.values())
