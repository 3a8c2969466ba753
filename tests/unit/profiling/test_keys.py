from __future__ import annotations

from itertools import combinations
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nightshift.profiling.keys import KeySearch

NAMES = ("a", "b", "c", "d")


def search(*files: pa.Table, alone: tuple[str, ...] = NAMES, declared: tuple[str, ...] = ()) -> KeySearch:
    found = KeySearch([name for name in NAMES if name in files[0].column_names], alone, declared)
    for rows in files:
        found.look(rows)
    return found


def flights(number: int) -> pa.Table:
    """Airline and flight number identify a row; the minute hardly ever is another row's."""
    rows = [(f"airline {n % 5}", n // 5 % 40, n * 7919 % 1_000_003) for n in range(number)]
    return pa.table({name: [row[at] for row in rows] for at, name in enumerate(NAMES[:3])})


def test_the_smallest_set_that_is_unique_on_every_date_is_the_key() -> None:
    key = search(flights(200), flights(150), alone=("a", "b")).best()
    assert key is not None and key.columns == ("a", "b")
    assert 100 < key.chance < 200  # of 200 rows 99.5 pairs would be the same, of 150 some 56


def test_a_column_that_is_unique_by_itself_is_a_key_only_if_it_may_be_one() -> None:
    one = search(flights(200)).best()
    assert one is not None and one.columns == ("c",)


def test_what_is_unique_by_chance_is_no_key() -> None:
    few = pa.table({"a": ["x", "y", "z"], "b": [1, 2, 3]})
    assert search(few).best() is None
    assert search(few, few, few, few, few).best() is not None


def test_a_set_that_one_date_breaks_is_none() -> None:
    twice = pa.concat_tables([flights(50), flights(1)])
    assert search(flights(200), twice, alone=()).best() is None


def test_a_declared_key_is_looked_at_whatever_its_columns_are() -> None:
    rows = flights(100).append_column("x", pa.array([1.5, None] * 50))
    assert search(rows, declared=("a", "b", "x")).is_unique(("a", "b", "x"))
    assert not search(rows, declared=("a", "x")).is_unique(("a", "x"))


def test_rows_that_differ_far_from_the_beginning_are_compared_as_well() -> None:
    numbers = [*range(30_000), 29_999]
    assert search(pa.table({"a": numbers})).best() is None
    assert search(pa.table({"a": numbers[:-1]})).best() is not None


columns = st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 3))] * 4), max_size=12)


@given(files=st.lists(columns, min_size=1, max_size=4))
def test_exactly_the_sets_that_no_two_rows_share_are_left(files: list[list[tuple[Any, ...]]]) -> None:
    tables = [
        pa.table({name: pa.array([row[at] for row in rows], pa.int64()) for at, name in enumerate(NAMES)})
        for rows in files
    ]
    found = search(*tables)
    for size in range(1, 5):
        for places in combinations(range(4), size):
            unique = all(len({tuple(row[at] for at in places) for row in rows}) == len(rows) for rows in files)
            assert found.is_unique(tuple(NAMES[at] for at in places)) == unique
