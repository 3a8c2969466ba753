"""The digest of rows: the same for the same rows in any order and any tables, another for other rows."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.lake.rows_digest import RowsDigest

SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"),
    }
)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "number": st.none() | st.floats(allow_nan=False),
        "flag": st.none() | st.booleans(),
        "day": st.none() | st.dates(date(1900, 1, 1)),
        "at": st.none() | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),
    }
)
ROWS = st.lists(ROW, max_size=12)


def digest(*tables: pa.Table) -> str:
    rows = RowsDigest()
    for table in tables:
        rows.add(table)
    return rows.hexdigest()


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@given(st.data(), ROWS)
def test_order_and_tables_are_no_difference(data: st.DataObject, rows: list[dict[str, Any]]) -> None:
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted({0, len(rows), *data.draw(st.lists(st.integers(0, len(rows)), max_size=3))})
    parts = [as_table(shuffled[begin:end]) for begin, end in pairwise(cuts)] or [as_table([])]
    assert digest(*parts) == digest(as_table(rows))


@given(ROWS, ROWS)
def test_other_rows_have_another(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    def counted(rows: list[dict[str, Any]]) -> list[str]:
        return sorted(repr({**row, "number": None if row["number"] is None else row["number"] + 0.0}) for row in rows)

    assert (digest(as_table(left)) == digest(as_table(right))) == (counted(left) == counted(right))


@pytest.mark.parametrize(
    ("rows", "others"),
    [
        ({"a": ["x", "y"], "b": ["1", "2"]}, {"a": ["x", "y"], "b": ["2", "1"]}),
        ({"a": ["x"], "b": ["y"]}, {"a": ["y"], "b": ["x"]}),
        ({"a": ["x"]}, {"b": ["x"]}),
        ({"a": ["x", "x"]}, {"a": ["x"]}),
        ({"a": [None, "x"]}, {"a": ["", "x"]}),
        ({"a": [None, 0]}, {"a": [None, None]}),
        ({"a": [None, 1]}, {"a": [1, 1]}),
        ({"a": [1, 2, 3]}, {"a": [2, 2, 2]}),
        ({"a": [[1, 2]]}, {"a": [[2, 1]]}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}),
        ({"a": [uuid.UUID(int=1).bytes]}, {"a": [uuid.UUID(int=2).bytes]}),
    ],
)
def test_what_differs_is_seen(rows: dict[str, Any], others: dict[str, Any]) -> None:
    assert digest(pa.table(rows)) != digest(pa.table(others))


def test_values_of_extensions_count() -> None:
    ones, twos = (
        pa.table({"a": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([n] * 16)], pa.binary(16)))})
        for n in (1, 2)
    )
    assert digest(ones) == digest(ones.slice(0)) != digest(twos)


def test_a_digest_is_the_same_in_every_version() -> None:
    """It is stored with what is published, and compared for years."""
    rows = as_table([{"text": "a", "whole": 1, "number": 0.5, "flag": True, "day": date(2024, 1, 1), "at": None}])
    assert digest(rows) == "7fad90f3807503975d294bf36a97db11a220531ee933438619aac9b670cfb51a"


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)), max_size=8))
def test_numbers_are_mixed_as_written_down(rows: list[tuple[int, int]]) -> None:
    """By Python's whole numbers, modulo 2^64."""
    table = pa.table({name: pa.array([row[place] for row in rows], pa.int64()) for place, name in enumerate("ab")})
    sums = [0, 0]
    for row in rows:
        number = 0
        for value in row:
            number = (mixed(number ^ mixed(value % 2**64)) + SEEDS[0]) % 2**64
        sums = [(total + mixed(number ^ seed)) % 2**64 for total, seed in zip(sums, SEEDS, strict=True)]
    assert digest(table) == hashlib.sha256(repr((("a", "b"), len(rows), *sums)).encode()).hexdigest()


SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


def mixed(number: int) -> int:
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % 2**64
    return number ^ (number >> 31)
