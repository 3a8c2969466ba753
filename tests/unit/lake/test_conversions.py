"""The table of conversions, row by row; what it does not list; and CSV files against Parquet files."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from typing import Any, get_args
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightshift.definition.source import PLAIN_CSV, ColumnType
from nightshift.lake.conversions import (
    CONVERSION_ERRORS,
    CONVERSIONS,
    STORED_KINDS,
    Notation,
    conversion_of,
    convert,
    declarable_types,
    stored_kind,
)
from nightshift.lake.conversions_page import conversions_page
from nightshift.lake.csv_files import read_csv
from nightshift.lake.landed_bytes import LandedBytes
from nightshift.lake.source_formats import read_parquet
from nightshift.settings import PROJECT
from unit.examples import examples

BERLIN = Notation("Europe/Berlin")
DAY, MIDNIGHT = date(2024, 7, 2), datetime(2024, 7, 1, 22, tzinfo=UTC)  # Berlin's
SIX = datetime(2024, 7, 2, 6, tzinfo=UTC)
FAR = [datetime(1, 1, 1), datetime(9999, 12, 31)]

Examples = list[tuple[pa.DataType, list[tuple[Any, Any]], list[Any]]]

# By stored and declared type: Arrow types, each with values and what they become, and values that are refused.
EXAMPLES: Mapping[tuple[str, str], Examples] = {
    ("text", "string"): [
        (pa.string(), [("007", "007"), ("NA", "NA"), (" ", " "), ("", None)], []),
        (pa.large_string(), [("é", "é")], []),
        (pa.string_view(), [("x", "x")], []),
        (pa.dictionary(pa.int8(), pa.string()), [("x", "x"), ("", None)], []),
        (pa.binary(), [(b"x", "x")], [b"\xff"]),
        (pa.json_(), [('{"a": 1}', '{"a": 1}'), (None, None)], []),
    ],
    ("text", "integer"): [
        (
            pa.string(),
            [("17", 17), ("-3.0", -3), ("2e3", 2000), ("nan", None), ("9007199254740993", 2**53 + 1)],
            [
                "17.5",
                "x",
                " 1",
                "0x1F",
                "1,5",
                "inf",
                "true",
                "9007199254740992.0",
                "1e17",
                "9223372036854775808",
                "17." + "0" * 48,
                "17." + "0" * 47 + "1",
                "9" * 128,
                "-" + "9" * 128,
                "1" + "0" * 199,
            ],
        )
    ],
    ("text", "number"): [
        (
            pa.string(),
            [("17", 17.0), ("-1e-3", -0.001), ("NaN", None), ("inf", math.inf), ("1e300", 1e300), ("1e17", 1e17)],
            ["x", "1,5", "1e400", "9007199254740992", "-12345678901234567890", "true", "0x1F"],
        )
    ],
    ("text", "boolean"): [
        (
            pa.string(),
            [*((text, True) for text in ("true", "True", "TRUE", "1", "1.0"))]
            + [(text, False) for text in ("false", "False", "FALSE", "0", "0.0", "-0.0")],
            ["yes", "2", "9", "-1", "0.5", "10", "t", "tRUE", "nan"],
        )
    ],
    ("text", "date"): [
        (
            pa.string(),
            [
                ("2024-07-02", DAY),
                ("2024-07-02T00:00:00", DAY),
                ("2024-07-01T22:00:00Z", DAY),
                ("2024-07-02 00:00", DAY),
            ],
            [
                *("2024-02-30", "20240702", "2024", "2024-07-02T00:00:01", "2024-07-02T00:00:00Z", "10000-01-01"),
                *("19906", "0000-01-01", "0000-01-01T00:00:00"),
            ],
        )
    ],
    ("text", "timestamp"): [
        (
            pa.string(),
            [
                ("2024-07-02T06:00:00Z", SIX),
                ("2024-07-02T08:00:00", SIX),
                ("2024-07-02 06:00:00.123456000Z", SIX + timedelta(microseconds=123456)),
                ("2024-07-02 08:00:00.5000000", SIX + timedelta(microseconds=500000)),
                ("2024-07-02", MIDNIGHT),
            ],
            [
                "noon",
                "1719900000",
                "2024",
                "20240702",
                "2024-07-02T06:00:00.123456789Z",
                "2024-07-02T06:00:00.0000001",
                "0001-01-01T00:00:00+01:00",
                "9999-12-31T23:00:00-01:00",
            ],
        )
    ],
    ("integer", "string"): [(pa.int8(), [(-7, "-7")], []), (pa.uint64(), [(2**64 - 1, str(2**64 - 1))], [])],
    ("integer", "integer"): [
        (pa.int64(), [(2**63 - 1, 2**63 - 1), (-(2**63), -(2**63))], []),
        (pa.uint64(), [(2**63 - 1, 2**63 - 1)], [2**63]),
        (pa.int16(), [(-1, -1), (None, None)], []),
    ],
    ("integer", "number"): [
        (pa.int64(), [(2**53 - 1, float(2**53 - 1))], [2**53, -(2**53), 2**53 + 1]),
        (pa.uint8(), [(255, 255.0)], []),
    ],
    ("integer", "boolean"): [
        (pa.int8(), [(0, False), (1, True), (None, None)], [2, 9, -1]),
        (pa.uint64(), [(1, True)], [2**64 - 1]),
    ],
    ("floating point", "string"): [
        (
            pa.float64(),
            [
                (1234567890123456.0, "1234567890123456"),
                (99999999999999.0, "99999999999999"),
                (-2.0, "-2"),
                (0.5, "0.5"),
                (1e-7, "0.0000001"),
                (-0.0, "0"),
                (math.nan, None),
            ],
            [2.0**53, -(2.0**60), 1e300, math.inf],
        ),
        (pa.float32(), [(0.1, "0.1"), (16777215.0, "16777215")], [16777216.0]),
        (pa.float16(), [(0.5, "0.5"), (2047.0, "2047")], [2048.0]),
    ],
    ("floating point", "integer"): [
        (pa.float64(), [(2.0**53 - 1, 2**53 - 1), (-0.0, 0), (math.nan, None)], [2.0**53, -(2.0**53), 0.5, math.inf]),
        (pa.float32(), [(16777215.0, 16777215)], [16777216.0, 0.5]),
        (pa.float16(), [(3.0, 3)], [2048.0]),
    ],
    ("floating point", "number"): [
        (pa.float64(), [(0.1, 0.1), (math.inf, math.inf), (1e300, 1e300), (math.nan, None)], []),
        (pa.float32(), [(0.5, 0.5)], []),
        (pa.float16(), [(0.5, 0.5)], []),
    ],
    ("floating point", "boolean"): [
        (pa.float64(), [(0.0, False), (-0.0, False), (1.0, True), (math.nan, None)], [2.0, 0.5, -1.0, 9.0, math.inf]),
        (pa.float16(), [(1.0, True)], [0.5]),
    ],
    ("decimal", "string"): [
        (pa.decimal128(9, 8), [(Decimal("0.00000001"), "0.00000001")], []),
        (pa.decimal128(20, 0), [(Decimal(2**53 + 1), str(2**53 + 1))], []),
    ],
    ("decimal", "integer"): [
        (pa.decimal128(38, 0), [(Decimal(2**53 + 1), 2**53 + 1)], [Decimal(2**63)]),
        (pa.decimal256(40, 1), [(Decimal("17.0"), 17)], [Decimal("17.5"), Decimal(2**53)]),
    ],
    ("decimal", "number"): [
        (pa.decimal128(5, 2), [(Decimal("0.10"), 0.1)], []),
        (pa.decimal128(20, 0), [(Decimal(7), 7.0)], [Decimal(2**53)]),
    ],
    ("decimal", "boolean"): [
        (pa.decimal128(3, 1), [(Decimal("1.0"), True), (Decimal(0), False)], [Decimal("0.5"), Decimal(2)])
    ],
    ("boolean", "string"): [(pa.bool_(), [(True, "true"), (False, "false"), (None, None)], [])],
    ("boolean", "boolean"): [(pa.bool_(), [(True, True), (False, False)], [])],
    ("date", "string"): [(pa.date32(), [(DAY, "2024-07-02")], []), (pa.date64(), [(DAY, "2024-07-02")], [])],
    ("date", "date"): [(pa.date32(), [(DAY, DAY), (date.min, date.min), (date.max, date.max)], [10**7, -(10**7)])],
    ("date", "timestamp"): [(pa.date32(), [(DAY, MIDNIGHT)], [date.min])],  # a day earlier in UTC
    ("local time", "date"): [
        (
            pa.timestamp("us"),
            [(datetime(2024, 7, 2), DAY), *((far, far.date()) for far in FAR)],
            [datetime(2024, 7, 2, 1)],
        ),
        (pa.timestamp("ns"), [(datetime(2024, 7, 2), DAY)], [1]),
    ],
    ("local time", "timestamp"): [
        (pa.timestamp("ms"), [(datetime(2024, 7, 2, 8), SIX)], []),
        (pa.timestamp("ns"), [(datetime(2024, 7, 2, 8), SIX)], [1]),
        (pa.timestamp("s"), [(datetime(2024, 7, 2, 8), SIX)], [10**12, 10**17]),
    ],
    ("instant", "date"): [
        (
            pa.timestamp("us", "UTC"),
            [(MIDNIGHT, DAY), (datetime(2024, 1, 1, 23, tzinfo=UTC), date(2024, 1, 2))],
            [SIX, datetime(2024, 7, 2, tzinfo=UTC)],
        ),
        (pa.timestamp("ms", "America/New_York"), [(MIDNIGHT, DAY)], []),
    ],
    ("instant", "timestamp"): [
        (pa.timestamp("us", "UTC"), [(SIX, SIX), (FAR[1].replace(tzinfo=UTC), FAR[1].replace(tzinfo=UTC))], []),
        (pa.timestamp("ns", "Asia/Tokyo"), [(SIX, SIX)], [1]),
    ],
    ("time of day", "string"): [
        (pa.time64("us"), [(time(6, 30), "06:30:00"), (time(6, 30, 10, 500000), "06:30:10.5")], [-1, 86_400 * 10**6]),
        (pa.time32("s"), [(time(0, 0), "00:00:00")], [86_400]),
    ],
    ("UUID", "string"): [(pa.uuid(), [(UUID(int=255).bytes, str(UUID(int=255))), (None, None)], [])],
}
CASES = [(stored, declared, *case) for (stored, declared), cases in EXAMPLES.items() for case in cases]
REFUSED = [
    (stored, declared)
    for stored, declared in product(STORED_KINDS, get_args(ColumnType))
    if (stored, declared) not in EXAMPLES
]


def column(values: list[Any], stored: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_float16(stored):
        return pa.chunked_array([pa.array(np.array(values, np.float16))])
    return pa.chunked_array([pa.array(values, stored)])


def outcome(values: pa.ChunkedArray, declared: str, notation: Notation = BERLIN) -> list[Any] | None:
    """The converted values; None if they are refused."""
    try:
        return list(convert(values, declared, notation).to_pylist())
    except CONVERSION_ERRORS:
        return None


def test_every_row_of_the_table_is_tested() -> None:
    assert [(conversion.stored, conversion.declared) for conversion in CONVERSIONS] == list(EXAMPLES)


@pytest.mark.parametrize(("kind", "declared", "stored", "values", "refused"), CASES)
def test_a_pair_of_types(
    kind: str, declared: str, stored: pa.DataType, values: list[tuple[Any, Any]], refused: list[Any]
) -> None:
    assert stored_kind(stored.value_type if pa.types.is_dictionary(stored) else stored) == kind
    given_values, expected = [value for value, _ in values], [result for _, result in values]
    converted = outcome(column(given_values, stored), declared)
    assert converted == expected
    assert [type(value) for value in converted or ()] == [type(value) for value in expected]
    for value in refused:
        assert outcome(column([value], stored), declared) is None, value
        assert outcome(column([given_values[0], value], stored), declared) is None, value


@pytest.mark.parametrize(("kind", "declared"), REFUSED)
def test_a_pair_that_is_not_in_the_table_is_refused_unless_there_is_no_value(kind: str, declared: str) -> None:
    for (stored_as, _), [(stored, values, _), *_] in EXAMPLES.items():
        if stored_as == kind:
            assert conversion_of(stored, declared) is None
            assert outcome(column([values[0][0]], stored), declared) is None
            assert outcome(column([None, None], stored), declared) == [None, None]


@pytest.mark.parametrize("declared", get_args(ColumnType))
@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (pa.duration("s"), 5),
        (pa.list_(pa.int8()), [1]),
        (pa.struct([("a", pa.int8())]), {"a": 1}),
        (pa.binary(16), bytes(16)),
        (pa.month_day_nano_interval(), (1, 1, 1)),
    ],
)
def test_types_that_the_table_does_not_name_are_refused(stored: pa.DataType, value: object, declared: str) -> None:
    assert declarable_types(stored) == []
    assert outcome(column([value], stored), declared) is None
    assert outcome(column([None], stored), declared) == [None]


@pytest.mark.parametrize("declared", get_args(ColumnType))
def test_a_column_without_any_value_is_of_every_type(declared: str) -> None:
    for stored in (pa.null(), pa.int32(), pa.string(), pa.float64()):
        assert outcome(column([None, None], stored), declared) == [None, None]


@pytest.mark.parametrize(
    ("stored", "value"),
    [(pa.float64(), -0.0), (pa.float32(), -0.0), (pa.string(), "-0.0"), (pa.string(), "-0"), (pa.string(), "-1e-400")],
)
def test_a_negative_zero_is_zero(stored: pa.DataType, value: object) -> None:
    [number] = outcome(column([value], stored), "number") or []
    assert math.copysign(1.0, number) == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1,5", 1.5), ("17", 17.0), ("-1,5e3", -1500.0), ("1.5", None), ("1.234,5", None), ("1,2,3", None)],
)
def test_a_decimal_comma(text: str, expected: float | None) -> None:
    comma = Notation(decimal=",")
    assert outcome(column([text], pa.string()), "number", comma) == (None if expected is None else [expected])
    assert outcome(column(["17,0"], pa.string()), "integer", comma) == [17]
    assert outcome(column(["1,0"], pa.string()), "boolean", comma) == [True]
    assert outcome(column(["1.5,2"], pa.string()), "string", comma) == ["1.5,2"]


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "America/Havana", "Europe/Berlin", "Pacific/Apia", "UTC"])
def test_a_date_reads_back_from_its_midnight_on_every_day_of_every_clock(zone: str) -> None:
    """Some clocks skip midnight or show it twice."""
    days = column([date(2011, 12, 1) + timedelta(days=n) for n in range(3000) if n != 29], pa.date32())  # Apia's 30th
    notation = Notation(zone)
    instants = convert(days, "timestamp", notation)
    assert convert(instants, "date", notation).equals(days)
    texts = pc.strftime(instants, "%Y-%m-%dT%H:%M:%SZ")
    assert convert(texts, "date", notation).equals(days)


def test_the_page_is_made_from_the_table() -> None:
    assert (PROJECT / "docs" / "conversions.md").read_text() == conversions_page(), "make docs"


# ---- CSV files and Parquet files

NUMERALS = st.one_of(st.integers(-3, 3), st.integers(2**53 - 2, 2**53 + 2), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1.0, 2.0, 0.5]), NUMERALS.map(float))
TIMES = st.one_of(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: datetime(day.year, day.month, day.day)),
    st.just(MIDNIGHT.replace(tzinfo=None)),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["C"]), max_size=8).filter(lambda text: text != "value"),
    st.sampled_from(
        ["NA", "nan", "1", "1.0", "-0", "2", "true", "2024-07-02", "2024-07-01T22:00Z", "1e3", "inf", "\\N"]
    ),
    st.integers().map(str),
    st.floats().map(repr),
)
# Of each kind of stored type: a type, values of it, and how they are written in a CSV file.
WRITTEN: Mapping[str, tuple[pa.DataType, st.SearchStrategy[Any], Any]] = {
    "text": (pa.string(), TEXTS, str),
    "integer": (pa.int64(), NUMERALS, str),
    "floating point": (pa.float64(), FLOATS, repr),
    "decimal": (pa.decimal128(38, 2), st.decimals(-(10**18), 10**18, places=2), lambda value: format(value, "f")),
    "boolean": (pa.bool_(), st.booleans(), lambda value: str(value).lower()),
    "date": (pa.date32(), st.dates(), str),
    "local time": (pa.timestamp("us"), TIMES, lambda value: value.isoformat()),
    "instant": (pa.timestamp("us", "UTC"), TIMES, lambda value: f"{value.isoformat()}Z"),
    "time of day": (pa.time64("us"), st.times(), lambda value: value.isoformat()),
    "UUID": (pa.uuid(), st.uuids().map(lambda value: value.bytes), lambda value: str(UUID(bytes=value))),
}
PAIRS = [
    (kind, declared)
    for kind, declared in product(STORED_KINDS, get_args(ColumnType))
    if declared != "string" or kind == "text"
]


def through_csv(texts: list[str]) -> pa.ChunkedArray:
    """Texts, quoted, through a CSV file."""
    lines = ["value", *('"' + text.replace('"', '""') + '"' for text in texts)]
    return pa.concat_tables(read_csv(io.BytesIO("\n".join(lines).encode()), PLAIN_CSV))["value"]


def through_parquet(values: list[Any], stored: pa.DataType) -> pa.ChunkedArray:
    sink = io.BytesIO()
    pq.write_table(pa.table({"value": column(values, stored)}), sink)
    return pa.concat_tables(read_parquet(LandedBytes(io.BytesIO(sink.getvalue())), PLAIN_CSV))["value"]


@pytest.mark.parametrize(("kind", "declared"), PAIRS)
@examples(max_examples=60, deadline=None)
@given(st.data())
def test_a_csv_file_and_a_parquet_file_agree_on_every_value(kind: str, declared: str, data: st.DataObject) -> None:
    stored, values, write = WRITTEN[kind]
    value = data.draw(values)
    text = outcome(through_csv([write(value)]), declared)
    assert text == outcome(through_parquet([value], stored), declared)


@pytest.mark.parametrize(
    "kind", [kind for kind in STORED_KINDS if "string" in [c.declared for c in CONVERSIONS if c.stored == kind]]
)
@examples(max_examples=60, deadline=None)
@given(st.data())
def test_the_text_of_a_stored_value_is_that_text_in_a_csv_file(kind: str, data: st.DataObject) -> None:
    stored, values, _ = WRITTEN[kind]
    published = outcome(through_parquet([data.draw(values)], stored), "string")
    if published is not None:
        assert outcome(through_csv([str(text or "") for text in published]), "string") == published
        assert "e+" not in str(published) or kind == "text"


@examples(max_examples=40, deadline=None)
@given(st.lists(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23)), min_size=1), st.integers(0, 2))
@example([datetime(9999, 12, 31), datetime(1, 1, 1)], 0)
def test_int96_is_its_true_instant(instants: list[datetime], missing: int) -> None:
    sink, values = io.BytesIO(), pa.array(instants + [None] * missing, pa.timestamp("us"))
    pq.write_table(pa.table({"value": values}), sink, use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(io.BytesIO(sink.getvalue())).schema.column(0).physical_type == "INT96"
    rows = pa.concat_tables(read_parquet(LandedBytes(io.BytesIO(sink.getvalue())), PLAIN_CSV))
    expected = [instant.replace(tzinfo=UTC) for instant in instants] + [None] * missing
    assert outcome(rows["value"], "timestamp") == expected


def test_int96_with_digits_beyond_the_microsecond_is_refused_with_them() -> None:
    sink = io.BytesIO()
    values = pa.array([0, 1719900000123456789, None], pa.timestamp("ns"))
    pq.write_table(pa.table({"value": values, "kept": [1, 2, 3]}), sink, use_deprecated_int96_timestamps=True)
    rows = pa.concat_tables(read_parquet(LandedBytes(io.BytesIO(sink.getvalue())), PLAIN_CSV))
    assert rows["value"].to_pylist() == ["1970-01-01T00:00:00.000000000Z", "2024-07-02T06:00:00.123456789Z", None]
    with pytest.raises(CONVERSION_ERRORS, match="digits beyond the microsecond"):
        convert(rows["value"], "timestamp")


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "number"),
    [
        ("1.480,5", ",", ".", 1480.5),
        ("-1.234.567", ",", ".", -1234567.0),
        ("1480,5", ",", ".", 1480.5),
        ("1,480.5", ".", ",", 1480.5),
        ("1'480.5", ".", "'", 1480.5),
        ("1.48", ",", ".", None),  # no group of three digits
        ("1480.500", ",", ".", None),
        ("1,48", ".", ",", None),
        ("1,480", ".", "", None),
    ],
)
def test_groups_of_three_digits_are_read_as_declared_and_nothing_else(
    text: str, decimal: str, thousands: str, number: float | None
) -> None:
    values, notation = pa.chunked_array([[text]]), Notation("UTC", decimal, thousands)
    if number is None:
        with pytest.raises(CONVERSION_ERRORS):
            convert(values, "number", notation)
    else:
        assert convert(values, "number", notation).to_pylist() == [number]
