"""Rows that are found by their key."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nightshift.serving.keyed_rows import KeyedRows

TEXTS = st.none() | st.sampled_from(["a", "b", "c", ""])
NUMBERS = st.none() | st.sampled_from([0, 1, 2])
KEYS = st.tuples(TEXTS, NUMBERS)


def columns(keys: list[tuple[str | None, int | None]]) -> list[pa.Array]:
    return [pa.array([key[0] for key in keys], pa.string()), pa.array([key[1] for key in keys], pa.int64())]


@given(stored=st.lists(KEYS, unique=True), asked=st.lists(KEYS))
def test_each_key_gets_its_row_and_a_key_with_a_null_none(
    stored: list[tuple[str | None, int | None]], asked: list[tuple[str | None, int | None]]
) -> None:
    rows = KeyedRows(columns(stored), pa.table({"place": pa.array(range(len(stored)), pa.int64())}))
    places = rows.find(columns(asked), len(asked))["place"].to_pylist()
    assert places == [stored.index(key) if key in stored and None not in key else None for key in asked]


def test_without_a_key_there_is_one_row_for_all() -> None:
    rows = KeyedRows([], pa.table({"mean": [0.5]}))
    assert rows.find([], 3)["mean"].to_pylist() == [0.5, 0.5, 0.5]
