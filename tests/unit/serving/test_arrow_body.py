"""Bodies as a stream of Arrow: the same rows as JSON gives, and nothing that could grow beyond its own length."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

from nightshift.serving.arrow_body import read_arrow
from nightshift.serving.feature_rows import check_features
from nightshift.serving.refusals import RequestRefusal

TYPES = {"distance": "number", "airline": "category"}


def stream(table: pa.Table, batch_rows: int = 3, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, batch_rows)
    return bytes(sink.getvalue())


def frame(numbers: Any, texts: Any) -> pa.Table:
    return pa.table({"distance": numbers, "airline": texts})


NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(NUMBERS, st.none() | st.text())))
def test_rows_arrive_unchanged(data: list[tuple[Any, Any]]) -> None:
    numbers, texts = [row[0] for row in data], [row[1] for row in data]
    table = frame(pa.array(numbers, pa.float64()), pa.array(texts, pa.large_string()))
    rows = check_features(read_arrow(stream(table), 1000), TYPES, ())
    assert not rows.errors and rows.table.to_pydict() == {"distance": numbers, "airline": texts}


@pytest.mark.parametrize("kind", [pa.float32(), pa.int8(), pa.int64(), pa.uint64()])
def test_numbers_of_other_widths_are_the_same_numbers(kind: pa.DataType) -> None:
    table = frame(pa.array([1, None, 3], kind), ["a", "b", None])
    rows = check_features(read_arrow(stream(table), 10), TYPES, ())
    assert rows.table["distance"].to_pylist() == [1.0, None, 3.0]


@pytest.mark.parametrize(
    ("numbers", "texts", "bad", "message"),
    [
        (pa.array([1, 2**53 + 1]), ["a", "b"], [1], "more digits than a double"),
        (pa.array([float("nan"), 1.0]), ["a", "b"], [0], "the number is out of range"),
        (["1", None], ["a", "b"], [0], "no number"),
        ([1.0, 2.0], pa.array([None, 5]), [1], "no text"),
    ],
)
def test_a_bad_value_is_an_error_of_its_row(numbers: Any, texts: Any, bad: list[int], message: str) -> None:
    rows = check_features(read_arrow(stream(frame(numbers, texts)), 10), TYPES, ())
    assert [error.row for error in rows.errors] == bad
    assert message in str(rows.errors[0].error)
    assert rows.positions.tolist() == [row for row in range(2) if row not in bad]


def test_a_column_of_another_type_without_any_value_is_missing_values() -> None:
    rows = check_features(read_arrow(stream(frame([1.0], pa.array([None], pa.int64()))), 10), TYPES, ())
    assert rows.table.to_pylist() == [{"distance": 1.0, "airline": None}]


GOOD = stream(frame([1.0, 2.0], ["a", "b"]))
DICTIONARY = stream(frame([1.0], pa.array(["a"]).dictionary_encode()))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is no stream of Arrow"),
        (b"{}", "the body is no stream of Arrow"),
        (GOOD[:-40], "the body is no stream of Arrow"),
        (stream(frame([1.0] * 99, ["a"] * 99), 99, compression="zstd"), "the stream is compressed"),
        (stream(frame([1.0] * 99, ["a"] * 99), 99, compression="lz4"), "the stream is compressed"),
        (DICTIONARY, "column 'airline' has another type"),
        (stream(frame([[1.0]], ["a"])), "column 'distance' has another type"),
        (stream(frame([True], ["a"])), "column 'distance' has another type"),
        (stream(frame(pa.nulls(1), ["a"])), "column 'distance' has another type"),
        (stream(pa.table([[1.0], [1.0]], ["a", "a"])), "two columns have the same name"),
    ],
)
def test_other_streams_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(RequestRefusal) as refusal:
        read_arrow(body, 10)
    assert refusal.value.status == 400
    assert message in refusal.value.answer()["message"]


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(RequestRefusal) as refusal:
        read_arrow(GOOD, 1)
    assert refusal.value.status == 413


@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_no_changed_byte_makes_it_fail_otherwise(place: int, value: int) -> None:
    body = GOOD[:place] + bytes([value]) + GOOD[place + 1 :]
    try:
        check_features(read_arrow(body, 10), TYPES, ())
    except RequestRefusal as refusal:
        assert refusal.answer()["message"]
