from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from nightshift.lake.conversions import PLAIN_NOTATION
from nightshift.profiling.column_types import ColumnType, StoredColumn, inspect_column, propose_type

MONDAY, TUESDAY = date(2024, 1, 1), date(2024, 1, 2)


def stored_column(values: list[Any], stored: pa.DataType | None = None) -> StoredColumn:
    return inspect_column(pa.chunked_array([pa.array(values, stored or pa.string())]), PLAIN_NOTATION)


def proposed(*files: StoredColumn, declared: str | None = None) -> ColumnType:
    return propose_type({date(2024, 1, 1 + n): column for n, column in enumerate(files)}, declared)


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
def test_a_text_column_has_the_most_specific_type_of_all_values(values: list[Any], expected: str) -> None:
    assert proposed(stored_column(values)).name == expected


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
def test_a_typed_column_keeps_its_stored_type(values: list[Any], stored: pa.DataType, expected: str | None) -> None:
    assert proposed(stored_column(values, stored)).name == expected


def test_a_type_holds_over_all_files() -> None:
    assert proposed(stored_column(["1"]), stored_column(["1.5"])).name == "number"
    assert proposed(stored_column(["1"]), stored_column(["x"])).name == "string"
    assert proposed(stored_column(["1"]), stored_column([])).name == "integer"
    assert proposed(stored_column(["1"]), stored_column(["true"])).name == "boolean"
    assert proposed(stored_column([1], pa.int64()), stored_column([1.0, None], pa.float64())).name == "integer"
    assert proposed(stored_column([1], pa.int64()), stored_column(["x"])).name == "string"
    assert proposed(stored_column(["1"]), stored_column([None], pa.null())).name == "integer"


def test_a_declared_type_stays_if_every_value_is_of_it() -> None:
    assert proposed(stored_column(["1"]), declared="number") == ColumnType("number")
    assert proposed(stored_column(["1"]), declared="string") == ColumnType(
        "string", "declared; the files suggest integer"
    )
    assert proposed(stored_column(["x"]), declared="integer") == ColumnType(
        "string", "declared integer, but 'x' on 2024-01-01"
    )
    misfit = stored_column(["1", "2", "3", "late"])
    evidence = proposed(*[stored_column(["1"])] * 10, misfit, misfit, declared="integer").evidence
    assert evidence == "declared integer, but 'late' on 2024-01-11 and on 1 more dates"
    assert "'0515', which a number would not keep" in proposed(stored_column(["0515"]), declared="integer").evidence


def test_quoted_values_are_short_and_printable() -> None:
    evidence = proposed(stored_column(["x\n" + "y" * 500]), declared="integer").evidence
    assert len(evidence) < 120 and evidence.isprintable()
