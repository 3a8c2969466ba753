from __future__ import annotations

from itertools import combinations
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nightshift.profiling.keys import KeySearch

NAMES = ("a", "b", "c", "d")


def search(*files: pa.Table, single: tuple[str, ...] = NAMES, declared: tuple[str, ...] = ()) -> KeySearch:
    keys = KeySearch([name for name in NAMES if name in files[0].column_names], single, declared)
    for rows in files:
        keys.add_file(rows)
    return keys


def flights(number: int) -> pa.Table:
    """Airline and flight number identify a row; the minute hardly ever is another row's."""
    rows = [(f"airline {n % 5}", n // 5 % 40, n * 7919 % 1_000_003) for n in range(number)]
    return pa.table({name: [row[at] for row in rows] for at, name in enumerate(NAMES[:3])})


def test_the_smallest_set_that_is_unique_on_every_date_is_the_key() -> None:
    key = search(flights(200), flights(150), single=("a", "b")).best()
    assert key is not None and key.columns == ("a", "b")
    assert 100 < key.chance_pairs < 200  # of 200 rows 99.5 pairs would be the same, of 150 some 56


def test_a_column_that_is_unique_by_itself_is_a_key_only_if_it_may_be_one() -> None:
    key = search(flights(200)).best()
    assert key is not None and key.columns == ("c",)


def test_what_is_unique_by_chance_is_no_key() -> None:
    few = pa.table({"a": ["x", "y", "z"], "b": [1, 2, 3]})
    assert search(few).best() is None
    assert search(few, few, few, few, few).best() is not None


def test_a_set_that_repeats_on_one_date_is_no_key() -> None:
    twice = pa.concat_tables([flights(50), flights(1)])
    assert search(flights(200), twice, single=()).best() is None


def test_a_declared_key_is_tested_whatever_its_columns_are() -> None:
    rows = flights(100).append_column("x", pa.array([1.5, None] * 50))
    assert search(rows, declared=("a", "b", "x")).is_unique(("a", "b", "x"))
    assert not search(rows, declared=("a", "x")).is_unique(("a", "x"))


def test_rows_that_differ_far_from_the_beginning_are_compared_as_well() -> None:
    numbers = [*range(30_000), 29_999]
    assert search(pa.table({"a": numbers})).best() is None
    assert search(pa.table({"a": numbers[:-1]})).best() is not None


columns = st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 3))] * 4), max_size=12)


@given(files=st.lists(columns, min_size=1, max_size=4))
def test_exactly_the_sets_without_equal_rows_are_unique(files: list[list[tuple[Any, ...]]]) -> None:
    tables = [
        pa.table({name: pa.array([row[at] for row in rows], pa.int64()) for at, name in enumerate(NAMES)})
        for rows in files
    ]
    keys = search(*tables)
    for size in range(1, 5):
        for places in combinations(range(4), size):
            unique = all(len({tuple(row[at] for at in places) for row in rows}) == len(rows) for rows in files)
            assert keys.is_unique(tuple(NAMES[at] for at in places)) == unique
