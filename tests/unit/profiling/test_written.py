from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from nightshift.profiling.written import Kind, Written, look, type_of

MONDAY, TUESDAY = date(2024, 1, 1), date(2024, 1, 2)


def written(values: list[Any], stored: pa.DataType | None = None) -> Written:
    return look(pa.chunked_array([pa.array(values, stored or pa.string())]), "UTC")


def kind(*files: Written, declared: str | None = None) -> Kind:
    return type_of({date(2024, 1, 1 + n): one for n, one in enumerate(files)}, declared)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["17", "-3", None, ""], "integer"),
        (["1", "0"], "integer"),
        (["17.5", "3"], "number"),
        (["17.0", "3.0"], "number"),
        (["1e-3", "inf"], "number"),
        (["true", "FALSE", "1"], "boolean"),
        (["2024-01-01", "1999-12-31"], "date"),
        (["2024-01-01T06:00:00", "2024-01-01 06:00:00Z"], "timestamp"),
        (["2024-01-01", "2024-01-01T06:00:00"], "timestamp"),
        (["0515", "1200"], "string"),
        (["-07"], "string"),
        (["0.5", "0"], "number"),
        (["123456789012345678"], "integer"),
        (["12345678901234567890"], "string"),
        (["9E", "AA"], "string"),
        (["01/02/2024"], "string"),
        (["", None, "N/A"], "string"),
        ([], "string"),
    ],
)
def test_a_text_has_the_most_particular_type_that_every_value_is_of(values: list[Any], expected: str) -> None:
    assert kind(written(values)).name == expected


@pytest.mark.parametrize(
    ("values", "stored", "expected"),
    [
        ([1, 2], pa.int32(), "integer"),
        ([1.5, None, float("nan")], pa.float64(), "number"),
        ([1.0, 2.0], pa.float32(), "number"),
        ([Decimal("1.50")], pa.decimal128(5, 2), "number"),
        ([True], pa.bool_(), "boolean"),
        ([date(2024, 1, 1)], pa.date32(), "date"),
        ([datetime(2024, 1, 1)], pa.timestamp("ns"), "date"),
        ([datetime(2024, 1, 1, 3)], pa.timestamp("ns"), "timestamp"),
        ([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"), "timestamp"),
        (["a", "b"], pa.dictionary(pa.int32(), pa.string()), "string"),
        (["17"], pa.large_string(), "integer"),
        ([time(3)], pa.time64("us"), "string"),
        ([[1]], pa.list_(pa.int64()), None),
        ([{"a": 1}], pa.struct({"a": pa.int64()}), None),
        ([None], pa.null(), "string"),
    ],
)
def test_what_is_not_stored_as_text_has_the_type_it_is_stored_as(
    values: list[Any], stored: pa.DataType, expected: str | None
) -> None:
    assert kind(written(values, stored)).name == expected


def test_a_type_holds_over_all_files() -> None:
    assert kind(written(["1"]), written(["1.5"])).name == "number"
    assert kind(written(["1"]), written(["x"])).name == "string"
    assert kind(written(["1"]), written([])).name == "integer"
    assert kind(written(["1"]), written(["true"])).name == "boolean"
    assert kind(written([1], pa.int64()), written([1.0, None], pa.float64())).name == "integer"
    assert kind(written([1], pa.int64()), written(["x"])).name == "string"
    assert kind(written(["1"]), written([None], pa.null())).name == "integer"


def test_a_declared_type_stays_if_every_value_is_of_it() -> None:
    assert kind(written(["1"]), declared="number") == Kind("number")
    assert kind(written(["1"]), declared="string") == Kind("string", "declared; the files suggest integer")
    assert kind(written(["x"]), declared="integer") == Kind("string", "declared integer, but 'x' on 2024-01-01")
    odd = written(["1", "2", "3", "late"])
    found = kind(*[written(["1"])] * 10, odd, odd, declared="integer").why
    assert found == "declared integer, but 'late' on 2024-01-11 and on 1 more dates"
    assert "'0515', which a number would not keep" in kind(written(["0515"]), declared="integer").why


def test_what_is_quoted_is_short_and_printable() -> None:
    found = kind(written(["x\n" + "y" * 500]), declared="integer").why
    assert len(found) < 120 and found.isprintable()
