from __future__ import annotations

import gzip
import hashlib
import io
import math
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from nightshift.definition.calendar import newest_partition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Availability, Column, Source
from nightshift.errors import LONGEST, DataError, NotYetAvailable
from nightshift.lake.declared_columns import first_mistyped_row
from nightshift.lake.landed_files import parse_landed, read_landed
from nightshift.lake.landed_parts import LandingFile, digest_of_files, landing_file
from nightshift.lake.landing import needed_files, restated_files
from nightshift.lake.source_partitions import landed_dates, missing_partitions
from nightshift.lake.tables import Layer, TableSpec
from unit.examples import examples

DAY = date(2024, 1, 5)
COLUMNS = {
    "machine": "string",
    "count": "integer",
    "load": "number",
    "failed": "boolean",
    "built": "date",
    "seen": "timestamp",
}
SPEC = TableSpec(Layer.RAW, "readings", {"source_date": "date", **COLUMNS}, "source_date", ("source_date", "machine"))
CSV = (
    "machine,count,load,failed,built,seen\n"
    "a01,17,0.5,true,2020-02-29,2024-01-05T06:30:00Z\n"
    "b02,,,,,\n"
    '"c,03",-3,1e-3,FALSE,1999-12-31,2024-01-05T06:30:00.250+01:00\n'
)
ROWS = [
    {
        "source_date": DAY,
        "machine": "a01",
        "count": 17,
        "load": 0.5,
        "failed": True,
        "built": date(2020, 2, 29),
        "seen": datetime(2024, 1, 5, 6, 30, tzinfo=UTC),
    },
    {"source_date": DAY, "machine": "b02", "count": None, "load": None, "failed": None, "built": None, "seen": None},
    {
        "source_date": DAY,
        "machine": "c,03",
        "count": -3,
        "load": 0.001,
        "failed": False,
        "built": date(1999, 12, 31),
        "seen": datetime(2024, 1, 5, 5, 30, 0, 250000, tzinfo=UTC),
    },
]

Land = Callable[[str, bytes], pa.Table]


def source(path: str, columns: dict[str, str] | None = None) -> Source:
    declared = {name: Column.model_validate({"type": kind}) for name, kind in (columns or COLUMNS).items()}
    available = Availability(after=timedelta(hours=1))
    return Source(description="readings", path=path, available=available, columns=declared)


@pytest.fixture
def land(tmp_path: Path) -> Land:
    """Lands a file for DAY and reads it as the columns above."""

    def read(ending: str, content: bytes) -> pa.Table:
        (tmp_path / f"readings-{DAY}{ending}").write_bytes(content)
        return read_one(tmp_path, source(f"readings-{{date}}{ending}"), SPEC)

    return read


def read_one(landing: Path, declared: Source, spec: TableSpec) -> pa.Table:
    rows, digest = read_landed(landing_file(str(landing), "readings", declared, DAY), declared, spec)
    [file] = landing.iterdir()
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    return rows


def read_column(landing: Path, kind: str, values: list[str]) -> list[object]:
    """The values of one column written as CSV and read as a type."""
    text = "".join(f'"{value}"\n' for value in ["value", *values])
    return read_value(landing, "csv", text.encode(), kind)


def read_stored(landing: Path, kind: str, values: object, stored: pa.DataType) -> list[object]:
    """The values of one column stored in a Parquet file and read as a type."""
    return read_value(landing, "parquet", parquet(value=pa.array(values, stored)), kind)


def read_value(landing: Path, ending: str, content: bytes, kind: str) -> list[object]:
    (landing / f"{DAY}.{ending}").write_bytes(content)
    spec = TableSpec(Layer.RAW, "readings", {"source_date": "date", "value": kind}, "source_date", ())
    return list(read_one(landing, source(f"{{date}}.{ending}", {"value": kind}), spec)["value"].to_pylist())


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def whole_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_csv_is_read_as_declared(land: Land) -> None:
    rows = land(".csv", CSV.encode())
    assert rows.schema == SPEC.schema
    assert rows.to_pylist() == ROWS


def test_compressed_csv_is_read_as_declared(land: Land) -> None:
    assert land(".csv.gz", gzip.compress(CSV.encode())).to_pylist() == ROWS


def test_csv_from_windows_is_read_as_declared(land: Land) -> None:
    assert land(".csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()).to_pylist() == ROWS


def test_parquet_is_read_as_declared(land: Land) -> None:
    rows = land(".parquet", whole_parquet(pa.Table.from_pylist(ROWS, schema=SPEC.schema).drop(["source_date"])))
    assert rows.schema == SPEC.schema
    assert rows.to_pylist() == ROWS


def test_parquet_of_other_but_equal_types_is_read_as_declared(land: Land) -> None:
    content = whole_parquet(
        pa.table(
            {
                "machine": pa.array(["a01", "b02"]).dictionary_encode(),
                "count": pa.array([17.0, None]),
                "load": pa.array([1, None], pa.int32()),
                "failed": pa.array(["True", None], pa.large_string()),
                "built": pa.array(["2020-02-29", None]),
                "seen": pa.array([datetime(2024, 1, 5, 6, 30), None], pa.timestamp("ms")),
            }
        )
    )
    first, second = land(".parquet", content).to_pylist()
    assert first == {**ROWS[0], "load": 1.0}
    assert second == ROWS[1]


def test_columns_that_are_not_declared_are_ignored(land: Land) -> None:
    lines = [f"x,{line},y" for line in CSV.splitlines()]
    lines[0] = "before,machine,count,load,failed,built,seen,after"
    assert land(".csv", "\n".join(lines).encode()).to_pylist() == ROWS


def test_a_file_of_only_a_header_has_no_rows(land: Land) -> None:
    rows = land(".csv", CSV.splitlines()[0].encode() + b"\n")
    assert rows.num_rows == 0
    assert rows.schema == SPEC.schema


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        pytest.param(".csv", b"", id="an empty csv"),
        pytest.param(".csv.gz", b"", id="an empty gzip"),
        pytest.param(".csv.gz", gzip.compress(b""), id="a gzip of nothing"),
        pytest.param(".parquet", b"", id="an empty parquet"),
        pytest.param(".csv.gz", gzip.compress(CSV.encode())[:-12], id="a truncated gzip"),
        pytest.param(".csv.gz", gzip.compress(CSV.encode())[:-4], id="a gzip without its length"),
        pytest.param(".csv.gz", CSV.encode(), id="a csv named gzip"),
        pytest.param(".parquet", parquet(machine=["a"] * 100)[:-20], id="a truncated parquet"),
        pytest.param(".parquet", CSV.encode(), id="a csv named parquet"),
        pytest.param(".csv", CSV.encode() + b"d04,1,2\n", id="a row cut short"),
        pytest.param(".csv", "machine,größe\na,1\n".encode("latin-1"), id="a header that is not UTF-8"),
        pytest.param(".csv", CSV.replace("a01", "ä01").encode("latin-1"), id="a value that is not UTF-8"),
        pytest.param(".csv", b"machine," + CSV.replace("\n", "\nx,")[:-2].encode(), id="a column that comes twice"),
    ],
)
def test_a_damaged_file_is_reported_in_one_line(land: Land, tmp_path: Path, ending: str, content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        land(ending, content)
    assert str(caught.value).startswith(f"file://{tmp_path}/readings-{DAY}{ending}")
    assert "fix: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(random.Random(1).randbytes(10_000), id="noise"),
        pytest.param(CSV.encode("utf-16"), id="UTF-16"),
        pytest.param(CSV.encode() + bytes(100_000), id="a block of zeros"),
        pytest.param(CSV.encode() + b"\x1b[2J\x07" * 100_000, id="commands to a terminal"),
        pytest.param(CSV.encode() + "\u202e".encode() * 100_000, id="letters that turn the line round"),
        pytest.param(CSV.replace("17", "1" * 100_000 + "\r\x00").encode(), id="a value that never ends"),
        pytest.param(CSV.replace("machine", "x" * 100_000).encode(), id="a name that never ends"),
    ],
)
def test_a_message_about_a_damaged_file_is_printable_and_short(land: Land, content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        land(".csv", content)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2 * LONGEST


@pytest.mark.parametrize("position", range(0, 400, 7))
def test_a_byte_that_fell_over_in_a_compressed_file_never_passes(land: Land, position: int) -> None:
    good = gzip.compress((CSV + "d04,1,2.5,true,2020-01-01,\n" * 200).encode(), mtime=0)
    place = 10 + position % (len(good) - 10)  # the header holds nothing of the content
    bad = good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :]
    with pytest.raises(DataError, match="cannot be read"):
        land(".csv.gz", bad)


def test_a_missing_column_is_named_with_the_columns_of_the_file(land: Land) -> None:
    with pytest.raises(DataError) as caught:
        land(".csv", CSV.replace("load", "lod").encode())
    assert f"readings-{DAY}.csv: column 'load' is missing; received 'machine, count, lod, failed" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "values", "row", "first"),
    [
        ("integer", ["1", "x", "y"], 2, "x"),
        ("integer", ["1", "17.0", "17.5"], 3, "17.5"),
        ("integer", ["99999999999999999999"], 1, "99999999999999999999"),
        ("number", ["1.5", "", "1,5"], 3, "1,5"),
        ("boolean", ["true", "yes"], 2, "yes"),
        ("date", ["2024-02-29", "2023-02-29"], 2, "2023-02-29"),
        ("timestamp", ["2024-01-01T00:00:00Z", "noon"], 2, "noon"),
    ],
)
def test_a_value_of_another_type_is_named_with_file_row_and_column(
    tmp_path: Path, kind: str, values: list[str], row: int, first: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_column(tmp_path, kind, values)
    assert str(caught.value).startswith(
        f"file://{tmp_path}/{DAY}.csv row {row}: column 'value' holds a value that is not of type {kind}; "
        f"received {first!r}; allowed: {kind}: "
    )


def test_a_parquet_value_of_another_type_is_named_with_its_row(land: Land) -> None:
    good = pa.Table.from_pylist(ROWS, schema=SPEC.schema).drop(["source_date"])
    place = good.column_names.index("count")
    content = whole_parquet(good.set_column(place, "count", pa.array([1.0, 2.5, 3.5])))
    with pytest.raises(DataError, match=r"row 2: column 'count' holds .*received 2\.5; allowed: integer"):
        land(".parquet", content)


def test_whole_numbers_written_with_a_decimal_point_are_integers(tmp_path: Path) -> None:
    assert read_column(tmp_path, "integer", ["17.0", "", "-3", "2e3"]) == [17, None, -3, 2000]


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_a_large_integer_keeps_every_digit_in_a_column_with_decimal_points(tmp_path: Path, number: int) -> None:
    assert read_column(tmp_path, "integer", ["17.0", str(number)]) == [17, number]


@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["", ".", ".0", ".000"])), min_size=1))
def test_every_integer_reads_back_exactly_or_is_refused_if_it_was_a_floating_point_number(
    tmp_path: Path, numbers: list[tuple[int, str]]
) -> None:
    written = [f"{number}{point}" for number, point in numbers]
    if any(point and abs(number) >= 2**53 for number, point in numbers):
        with pytest.raises(DataError, match="so many digits that a floating point number may have lost some"):
            read_column(tmp_path, "integer", written)
    else:
        assert read_column(tmp_path, "integer", written) == [number for number, _ in numbers]


@pytest.mark.parametrize("value", ["1e-3", "0.5", "1_000", "1,000", "inf", "9223372036854775808", "1e40", "true"])
def test_a_text_that_is_no_integer_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(DataError, match=r"row 2: column 'value' holds a value that is not of type integer"):
        read_column(tmp_path, "integer", ["1", value])


def test_booleans_are_read_in_the_ways_systems_write_them(tmp_path: Path) -> None:
    written = ["true", "True", "TRUE", "1", "false", "False", "FALSE", "0", ""]
    assert read_column(tmp_path, "boolean", written) == [True] * 4 + [False] * 4 + [None]


def test_leading_zeros_of_texts_are_kept(tmp_path: Path) -> None:
    assert read_column(tmp_path, "string", ["007", "1.0", "true"]) == ["007", "1.0", "true"]


TEXTS = [
    pa.string(),
    pa.large_string(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()),
    pa.binary(),
]


@pytest.mark.parametrize(
    ("kind", "spelling"),
    [*(("number", text) for text in ("NaN", "nan", "NAN", "-nan", "")), ("integer", "NaN"), ("integer", "")],
)
def test_nan_in_a_csv_file_is_missing_in_every_spelling(tmp_path: Path, kind: str, spelling: str) -> None:
    assert read_column(tmp_path, kind, ["1", spelling, "2"]) == [1, None, 2]


@pytest.mark.parametrize("stored", [pa.float64(), pa.float32(), pa.float16()])
@pytest.mark.parametrize(("kind", "number"), [("number", 1.0), ("integer", 1), ("string", "1")])
def test_nan_in_a_parquet_file_is_missing_for_every_stored_type(
    tmp_path: Path, kind: str, number: object, stored: pa.DataType
) -> None:
    values = np.array([1, np.nan, 1], stored.to_pandas_dtype())
    assert read_stored(tmp_path, kind, values, stored) == [number, None, number]


@pytest.mark.parametrize("stored", TEXTS)
def test_a_text_that_reads_as_no_number_is_missing(tmp_path: Path, stored: pa.DataType) -> None:
    values = ["0.5", "NAN", "nan", None]
    assert read_stored(tmp_path, "number", values, stored) == [0.5, None, None, None]


def test_an_infinite_number_is_a_value_in_both_formats(tmp_path: Path) -> None:
    csv, stored = tmp_path / "csv", tmp_path / "stored"
    csv.mkdir()
    stored.mkdir()
    infinite = [math.inf, -math.inf]
    assert read_column(csv, "number", ["inf", "-inf"]) == infinite
    assert read_stored(stored, "number", infinite, pa.float64()) == infinite


@pytest.mark.parametrize("stored", TEXTS)
def test_an_empty_text_is_missing_however_a_parquet_file_stores_it(tmp_path: Path, stored: pa.DataType) -> None:
    values = ["a01", "", None, " ", "NA", "nan"]
    assert read_stored(tmp_path, "string", values, stored) == ["a01", None, None, " ", "NA", "nan"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "17", 17),
        ("number", "0.5", 0.5),
        ("boolean", "true", True),
        ("date", "2024-01-05", DAY),
        ("timestamp", "2024-01-05T06:30:00Z", datetime(2024, 1, 5, 6, 30, tzinfo=UTC)),
    ],
)
def test_an_empty_text_is_missing_whatever_the_column_is_read_as(
    tmp_path: Path, kind: str, text: str, value: object
) -> None:
    for stored in TEXTS[:-1]:
        assert read_stored(tmp_path, kind, [text, "", None], stored) == [value, None, None]


@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), min_size=1))
def test_a_number_reads_alike_from_both_formats(tmp_path: Path, numbers: list[float | None]) -> None:
    csv, stored = tmp_path / "csv", tmp_path / "stored"
    csv.mkdir(exist_ok=True)
    stored.mkdir(exist_ok=True)
    written = ["" if number is None else repr(number) for number in numbers]
    expected = [None if number is None or math.isnan(number) else number for number in numbers]
    assert read_column(csv, "number", written) == expected
    assert read_stored(stored, "number", numbers, pa.float64()) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('\nvalue\n"007"\n', id="a blank line before the header"),
        pytest.param('\r\nvalue\r\n"007"\r\n', id="a blank line from Windows"),
        pytest.param('value\n\n"007"\n', id="a blank line after the header"),
        pytest.param('"value"\r\n"007"\r\n', id="a quoted header from Windows"),
        pytest.param('"two\nlines",value\nx,007\n', id="a header of two lines"),
        pytest.param("value\r007\r", id="line ends of an old Macintosh"),
    ],
)
def test_however_the_header_is_written_texts_are_never_taken_for_numbers(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{DAY}.csv").write_bytes(text.encode())
    spec = TableSpec(Layer.RAW, "readings", {"source_date": "date", "value": "string"}, "source_date", ())
    try:
        rows = read_one(tmp_path, source("{date}.csv", {"value": "string"}), spec)
    except DataError:
        return  # refused is better than wrong
    assert rows["value"].to_pylist() == ["007"]


def test_a_file_that_has_not_landed_is_worth_waiting_for(tmp_path: Path) -> None:
    declared = source("{date}.csv")
    with pytest.raises(NotYetAvailable, match="the file has not landed"):
        read_landed(landing_file(str(tmp_path), "readings", declared, DAY), declared, SPEC)


def test_a_night_needs_the_newest_file_of_every_source(tiny: ModelDefinition, tmp_path: Path) -> None:
    needed = needed_files(tiny, str(tmp_path), DAY)
    assert [(file.source, file.day, file.uri) for file in needed] == [
        ("plan", DAY, f"file://{tmp_path}/plan-2024-01-05.csv.gz"),
        ("failures", date(2024, 1, 4), f"file://{tmp_path}/outcomes/2024-01-04.parquet"),
    ]
    for file in needed:
        schedule, declared = tiny.schedule, tiny.sources[file.source]
        assert file.day == newest_partition(schedule, declared, DAY)


def test_a_night_does_not_wait_for_files_from_before_the_schedules_start(tiny: ModelDefinition, tmp_path: Path) -> None:
    assert [file.source for file in needed_files(tiny, str(tmp_path), date(2024, 1, 1))] == ["plan"]


def test_what_has_not_landed_is_missing_until_it_has(tiny: ModelDefinition, tmp_path: Path) -> None:
    needed = needed_files(tiny, str(tmp_path), DAY)
    assert missing_partitions(needed) == needed
    (tmp_path / "plan-2024-01-05.csv.gz").write_bytes(b"")
    assert missing_partitions(needed) == [needed[1]]


def planes_of(definition: ModelDefinition, landing: Path, night: date) -> date:
    [day] = [file.day for file in needed_files(definition, str(landing), night) if file.source == "planes"]
    return day


def test_an_irregular_source_is_needed_in_its_newest_version_before_the_cutoff(
    flight_delay: ModelDefinition, tmp_path: Path
) -> None:
    (tmp_path / "planes").mkdir()
    for day in ("2013-01-01", "2013-03-05", "2013-06-01"):
        (tmp_path / "planes" / f"{day}.csv").write_text("tailnum\n")
    assert planes_of(flight_delay, tmp_path, date(2013, 3, 4)) == date(2013, 1, 1)
    assert planes_of(flight_delay, tmp_path, date(2013, 3, 5)) == date(2013, 3, 5)
    assert planes_of(flight_delay, tmp_path, date(2013, 5, 31)) == date(2013, 3, 5)
    assert planes_of(flight_delay, tmp_path, date(2013, 12, 31)) == date(2013, 6, 1)


def test_an_irregular_source_without_any_version_is_waited_for_at_the_start(
    flight_delay: ModelDefinition, tmp_path: Path
) -> None:
    assert planes_of(flight_delay, tmp_path, date(2013, 3, 4)) == date(2013, 1, 1)


def test_only_files_of_the_source_itself_count_as_landed(tmp_path: Path) -> None:
    declared = source("plan-{date}.csv.gz")
    names = ["plan-2024-01-02.csv.gz", "plan-2024-01-01.csv.gz"]
    ignored = [
        "plan-2024-01-03.csv",
        "plan-2024-01-04.csv.gz.part",
        "replan-2024-01-05.csv.gz",
        "plan-2024-01-32.csv.gz",
        "plan-.csv.gz",
        "plan-2024-01-06-corrected.csv.gz",
        "old/plan-2024-01-07.csv.gz",
    ]
    for name in [*names, *ignored]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert landed_dates(str(tmp_path), declared) == [date(2024, 1, 1), date(2024, 1, 2)]


@pytest.mark.parametrize("name", ["plan-20240103.csv.gz", "plan-2024W011.csv.gz", "plan-2024-W01-1.csv.gz"])
def test_a_date_written_in_another_way_than_the_source_declares_is_not_landed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert landed_dates(str(tmp_path), source("plan-{date}.csv.gz")) == []


def test_every_landed_date_is_one_whose_file_can_be_found(tmp_path: Path) -> None:
    for path in ("{date}/plan.csv", "plans/{date}.csv", "a/b-{date}-c.csv", "a/{b}/{date}.csv"):
        declared = source(path)
        for number in (1, 2, 3):
            file = tmp_path / path.replace("{date}", f"2024-01-{number:02d}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
        days = landed_dates(str(tmp_path), declared)
        assert len(days) == 3
        assert missing_partitions([landing_file(str(tmp_path), "plan", declared, day) for day in days]) == []


def test_a_missing_landing_folder_has_no_landed_dates(tmp_path: Path) -> None:
    assert landed_dates(str(tmp_path / "nothing"), source("{date}.csv")) == []


def test_a_landing_folder_may_have_a_space_in_its_name(tiny: ModelDefinition, tmp_path: Path) -> None:
    landing = tmp_path / "my landing"
    landing.mkdir()
    (landing / "plan-2024-01-01.csv.gz").write_bytes(gzip.compress(b"machine,load\na01,0.5\n"))
    needed = needed_files(tiny, str(landing), date(2024, 1, 1))
    assert missing_partitions(needed) == []
    assert landed_dates(str(landing), tiny.sources["plan"]) == [date(2024, 1, 1)]


# ---- instants, with and without an offset

NEW_YORK, TOKYO, LORD_HOWE = "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"


def instants(landing: Path, values: object, zone: str, kind: pa.DataType | None = None) -> list[datetime | None]:
    """Values of a column of a Parquet file, read as instants by the clock of a zone."""
    column = pa.array(values, kind or pa.string())
    (landing / f"{DAY}.parquet").write_bytes(whole_parquet(pa.table({"value": column})))
    declared = source("{date}.parquet", {"value": "timestamp"})
    spec = TableSpec(Layer.RAW, "readings", {"source_date": "date", "value": "timestamp"}, "source_date", ())
    rows, _ = read_landed(landing_file(str(landing), "readings", declared, DAY), declared, spec, zone)
    return list(rows["value"].to_pylist())


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-07-04T06:30:00Z", utc(2013, 7, 4, 6, 30)),
        ("2013-07-04 06:30Z", utc(2013, 7, 4, 6, 30)),
        ("2013-07-04T06Z", utc(2013, 7, 4, 6)),  # as weather services write it
        ("2013-07-04T06+09", utc(2013, 7, 3, 21)),
        ("2013-07-04T06", utc(2013, 7, 3, 21)),
        ("2013-07-04T06:30:00-04:00", utc(2013, 7, 4, 10, 30)),
        ("2013-07-04T06:30:00-0400", utc(2013, 7, 4, 10, 30)),
        ("2013-07-04T06:30:00-04", utc(2013, 7, 4, 10, 30)),
        ("2013-07-04T06:30:00.250+05:30", utc(2013, 7, 4, 1, 0, 0, 250_000)),
        ("2013-07-04T06:30:00+00:00", utc(2013, 7, 4, 6, 30)),
        # By the clock of Tokyo, nine hours ahead all year.
        ("2013-07-04T06:30:00", utc(2013, 7, 3, 21, 30)),
        ("2013-07-04 06:30", utc(2013, 7, 3, 21, 30)),
        ("2013-07-04 06:30:00.000001", utc(2013, 7, 3, 21, 30, 0, 1)),
        ("2013-07-04", utc(2013, 7, 3, 15)),
    ],
)
def test_an_instant_follows_its_offset_or_the_sources_clock(tmp_path: Path, text: str, expected: datetime) -> None:
    assert instants(tmp_path, [text], TOKYO) == [expected]
    assert instants(tmp_path, [None, text, None], TOKYO) == [None, expected, None]


def test_instants_with_and_without_an_offset_may_stand_in_one_column(tmp_path: Path) -> None:
    values = ["2013-07-04T06:30:00Z", "2013-07-04T06:30:00", None, "2013-07-04", "2013-07-04T06:30:00+09:00"]
    assert instants(tmp_path, values, TOKYO) == [
        utc(2013, 7, 4, 6, 30),
        utc(2013, 7, 3, 21, 30),
        None,
        utc(2013, 7, 3, 15),
        utc(2013, 7, 3, 21, 30),
    ]


@pytest.mark.parametrize(
    ("zone", "shown", "expected"),
    [
        (NEW_YORK, "2013-01-04T06:30:00", utc(2013, 1, 4, 11, 30)),
        (NEW_YORK, "2013-07-04T06:30:00", utc(2013, 7, 4, 10, 30)),
        # Put forward: 02:00 to 02:59 are never shown; the first instant after them is 03:00.
        (NEW_YORK, "2013-03-10T01:59:59", utc(2013, 3, 10, 6, 59, 59)),
        (NEW_YORK, "2013-03-10T02:00:00", utc(2013, 3, 10, 7)),
        (NEW_YORK, "2013-03-10T02:30:00", utc(2013, 3, 10, 7)),
        (NEW_YORK, "2013-03-10T03:00:00", utc(2013, 3, 10, 7)),
        # Put back: 01:00 to 01:59 are shown twice; the first of both is meant.
        (NEW_YORK, "2013-11-03T00:59:59", utc(2013, 11, 3, 4, 59, 59)),
        (NEW_YORK, "2013-11-03T01:30:00", utc(2013, 11, 3, 5, 30)),
        (NEW_YORK, "2013-11-03T02:00:00", utc(2013, 11, 3, 7)),
        # By half an hour, in the southern summer.
        (LORD_HOWE, "2013-10-06T02:15:00", utc(2013, 10, 5, 15, 30)),
        (LORD_HOWE, "2013-04-07T01:45:00", utc(2013, 4, 6, 14, 45)),
        (LORD_HOWE, "2013-04-07T02:00:00", utc(2013, 4, 6, 15, 30)),
        ("UTC", "2013-03-10T02:30:00", utc(2013, 3, 10, 2, 30)),
    ],
)
def test_a_clock_change_repeats_or_skips_times(tmp_path: Path, zone: str, shown: str, expected: datetime) -> None:
    assert instants(tmp_path, [shown], zone) == [expected]
    assert instants(tmp_path, [datetime.fromisoformat(shown)], zone, pa.timestamp("us")) == [expected]


def test_an_instant_with_an_offset_is_never_moved_by_the_sources_clock(tmp_path: Path) -> None:
    for zone in (NEW_YORK, TOKYO, "UTC"):
        assert instants(tmp_path, ["2013-03-10T02:30:00Z"], zone) == [utc(2013, 3, 10, 2, 30)]
        moment = datetime(2013, 3, 10, 2, 30, tzinfo=UTC)
        assert instants(tmp_path, [moment], zone, pa.timestamp("ms", "Asia/Kolkata")) == [moment]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(pa.timestamp("ms"), datetime(2013, 7, 4), id="a timestamp without a zone"),
        pytest.param(pa.large_string(), "2013-07-04T00:00:00", id="a text as Polars writes it"),
        pytest.param(pa.date32(), date(2013, 7, 4), id="a date"),
        pytest.param(pa.dictionary(pa.int32(), pa.string()), "2013-07-04T00:00:00", id="a text as a category"),
    ],
)
def test_whatever_a_column_is_stored_as_a_time_without_offset_is_by_the_sources_clock(
    tmp_path: Path, kind: pa.DataType, value: object
) -> None:
    assert instants(tmp_path, [value], NEW_YORK, kind) == [utc(2013, 7, 4, 4)]


@pytest.mark.parametrize(
    "bad", ["noon", "2013-07-04T25:00:00", "2013-02-30", "2013-07-04T06:30:00+99:00", "06:30", " "]
)
@pytest.mark.parametrize("before", [[], ["2013-07-04T06:30:00Z"], ["2013-07-04T06:30:00"]])
def test_what_is_no_instant_is_named_with_its_row_whatever_stands_before_it(
    tmp_path: Path, before: list[str], bad: str
) -> None:
    with pytest.raises(DataError) as caught:
        instants(tmp_path, [*before, bad, None], NEW_YORK)
    assert f".parquet row {len(before) + 1}: column 'value' holds a value that is not of type timestamp" in str(
        caught.value
    )
    assert f"received {bad!r}; " in str(caught.value)


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.datetimes(datetime(2012, 1, 1), datetime(2014, 12, 31)), min_size=1, max_size=5),
    st.sampled_from([NEW_YORK, TOKYO, LORD_HOWE]),
)
def test_every_time_that_a_clock_shows_is_the_first_instant_at_which_it_shows_it(
    tmp_path: Path, shown: list[datetime], zone: str
) -> None:
    first = [local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC) for local in shown]
    assume(all(a.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == b for a, b in zip(first, shown, strict=True)))
    assert instants(tmp_path, [local.isoformat() for local in shown], zone) == first


# ---- files that landed again


def restating(definition: ModelDefinition, days: int | None, **changes: object) -> ModelDefinition:
    """The tiny definition whose failures may land again for some days."""
    update = {"restates": None if days is None else timedelta(days=days), **changes}
    failures = definition.sources["failures"].model_copy(update=update)
    return definition.model_copy(update={"sources": {**definition.sources, "failures": failures}})


def land_outcomes(landing: Path, *numbers: int) -> None:
    (landing / "outcomes").mkdir(exist_ok=True)
    for number in numbers:
        (landing / "outcomes" / f"2024-01-{number:02d}.parquet").write_bytes(b"")


def restated(definition: ModelDefinition, landing: Path, night: date) -> list[tuple[str, int]]:
    return [(file.source, file.day.day) for file in restated_files(definition, str(landing), night)]


def test_files_of_the_days_before_the_newest_may_have_landed_again(tiny: ModelDefinition, tmp_path: Path) -> None:
    """The newest day of a night in the tiny model is the one before it."""
    land_outcomes(tmp_path, *range(1, 15))
    night = date(2024, 1, 10)
    assert restated(restating(tiny, 3), tmp_path, night) == [("failures", n) for n in (6, 7, 8)]
    assert restated(restating(tiny, 1), tmp_path, night) == [("failures", 8)]
    assert restated(restating(tiny, None), tmp_path, night) == []
    [file] = restated_files(restating(tiny, 1), str(tmp_path), night)
    assert file.uri == f"file://{tmp_path}/outcomes/2024-01-08.parquet"


def test_only_files_that_have_landed_are_looked_at(tiny: ModelDefinition, tmp_path: Path) -> None:
    land_outcomes(tmp_path, 7)
    assert restated(restating(tiny, 3), tmp_path, date(2024, 1, 10)) == [("failures", 7)]
    assert restated(restating(tiny, 3), tmp_path / "nothing", date(2024, 1, 10)) == []


def test_nothing_from_before_the_schedules_start_is_looked_at(tiny: ModelDefinition, tmp_path: Path) -> None:
    land_outcomes(tmp_path, *range(1, 15))
    late = tiny.model_copy(update={"schedule": tiny.schedule.model_copy(update={"start": date(2024, 1, 7)})})
    assert restated(restating(late, 30), tmp_path, date(2024, 1, 10)) == [("failures", n) for n in (7, 8)]
    for night in (5, 7, 8):
        assert restated(restating(late, 30), tmp_path, date(2024, 1, night)) == []


def test_files_of_a_source_with_versions_do_not_land_again(tiny: ModelDefinition, tmp_path: Path) -> None:
    land_outcomes(tmp_path, *range(1, 15))
    assert restated(restating(tiny, 3, cadence="irregular"), tmp_path, date(2024, 1, 10)) == []


def test_what_a_night_needs_and_what_may_have_landed_again_is_never_the_same_file(
    tiny: ModelDefinition, tmp_path: Path
) -> None:
    land_outcomes(tmp_path, *range(1, 15))
    definition = restating(tiny, 5, timezone=TOKYO)
    for night in range(1, 15):
        needed = needed_files(definition, str(tmp_path), date(2024, 1, night))
        again = restated_files(definition, str(tmp_path), date(2024, 1, night))
        assert not {file.uri for file in needed} & {file.uri for file in again}
        newest = max((file.day for file in needed if file.source == "failures"), default=None)
        assert all(newest is not None and file.day < newest for file in again)


def test_a_file_is_identified_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    landed = LandingFile("readings", DAY, f"file://{file}", root=f"file://{tmp_path}")
    first = digest_of_files(landed)
    file.write_bytes(b"two")
    assert digest_of_files(landed) != first == hashlib.sha256(b"one").hexdigest()


# A file as it is


def test_a_file_is_parsed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,Sold By\n007,NA\n,x\n")
    rows, digest = parse_landed(f"file://{tmp_path}/a.csv")
    assert rows.to_pydict() == {"id": ["007", None], "Sold By": [None, "x"]}
    assert digest == digest_of_files(
        LandingFile("readings", DAY, f"file://{tmp_path}/a.csv", root=f"file://{tmp_path}")
    )
    (tmp_path / "a.parquet").write_bytes(parquet(id=[7, None]))
    assert parse_landed(f"file://{tmp_path}/a.parquet")[0].to_pydict() == {"id": [7, None]}
    with pytest.raises(NotYetAvailable, match=r"b\.csv: the file has not landed"):
        parse_landed(f"file://{tmp_path}/b.csv")


@given(values=st.lists(st.sampled_from(["1", "2.5", "x", "", None, "true", "2024-01-01"]), max_size=30))
@pytest.mark.parametrize("kind", sorted(set(COLUMNS.values())))
def test_the_first_value_of_a_wrong_type_is_located(kind: str, values: list[str | None]) -> None:
    def alone(value: str | None) -> bool:
        return first_mistyped_row(pa.chunked_array([pa.array([value], pa.string())]), kind) is None

    expected = next((place for place, value in enumerate(values) if not alone(value)), None)
    column = pa.chunked_array([pa.array(values[:7], pa.string()), pa.array(values[7:], pa.string())])
    assert first_mistyped_row(column, kind) == expected
