"""Files as systems deliver them, read as their source declares: published as they were meant, or refused."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.definition.source import Source
from nightshift.errors import DataError
from nightshift.lake.landed_files import read_landed
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.tables import Layer, TableSpec

DAY = date(2024, 1, 2)
ITEM = {"type": "string"}


def parquet(int96: bool = False, **columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    items = pa.array([f"i{number}" for number in range(len(next(iter(columns.values()))))])
    pq.write_table(pa.table({"item": items, **columns}), sink, use_deprecated_int96_timestamps=int96)
    return sink.getvalue()


def read(
    landing: Path, content: bytes, columns: dict[str, Any], ending: str = "csv", zone: str = "UTC", **keys: Any
) -> pa.Table:
    """Lands a file and reads it by a declaration."""
    available = {"after": timedelta(hours=1)}
    declared = Source.model_validate(
        {"description": "d", "path": f"{{date}}.{ending}", "available": available, "columns": columns, **keys}
    )
    (landing / f"{DAY}.{ending}").write_bytes(content)
    spec = TableSpec(Layer.RAW, "plan", {"source_date": "date", **declared.landed}, "source_date", ())
    rows, _ = read_landed(landing_file(str(landing), "plan", declared, DAY), declared, spec, zone)
    return rows.drop(["source_date"])


@pytest.mark.parametrize(
    ("content", "columns", "keys", "expected"),
    [
        pytest.param(
            b'item,title\ni0,"the \\"good\\" one"\ni1,"5\\" pipe"\n',
            {"title": {"type": "string"}},
            {"csv": {"escape": "\\"}},
            ['the "good" one', '5" pipe'],
            id="backslashes before quotes",
        ),
        pytest.param(
            b'item,country\ni0,"NA"\ni1,US\n', {"country": {"type": "string"}}, {}, ["NA", "US"], id="Namibia in CSV"
        ),
        pytest.param(
            parquet(country=pa.array(["NA", "US"])),
            {"country": {"type": "string"}},
            {"ending": "parquet"},
            ["NA", "US"],
            id="Namibia in Parquet",
        ),
        pytest.param(
            b"item,title\ni0,\\N\ni1,x\n", {"title": {"type": "string"}}, {}, [None, "x"], id="null of databases"
        ),
        pytest.param(
            b"item;size\ni0;1,5\ni1;-\n",
            {"size": {"type": "number"}},
            {"csv": {"separator": ";", "decimal": ",", "null": ["-"]}},
            [1.5, None],
            id="decimal commas",
        ),
        pytest.param(
            b"item,seen\ni0,2024-01-02T06:00:00.123456000Z\n",
            {"seen": {"type": "timestamp"}},
            {},
            [datetime(2024, 1, 2, 6, 0, 0, 123456, UTC)],
            id="nine digits of which three are zeros",
        ),
        pytest.param(
            b"item,Dep Time\ni0,17\n",
            {"dep_time": {"type": "integer", "from": "Dep Time"}},
            {},
            [17],
            id="alias in CSV",
        ),
        pytest.param(
            parquet(**{"Dep Time": pa.array([17, None])}),
            {"dep_time": {"type": "integer", "from": "Dep Time"}},
            {"ending": "parquet"},
            [17, None],
            id="alias in Parquet",
        ),
        pytest.param(
            parquet(account=pa.array([1234567890123456.0, 99999999999999.0, 12345.0, None])),
            {"account": {"type": "string"}},
            {"ending": "parquet"},
            ["1234567890123456", "99999999999999", "12345", None],
            id="identifiers as floating point numbers",
        ),
        pytest.param(
            parquet(due=pa.array([datetime(2024, 1, 1, 23), datetime(2024, 7, 1, 22)], pa.timestamp("us", "UTC"))),
            {"due": {"type": "date"}},
            {"ending": "parquet", "zone": "Europe/Berlin"},
            [date(2024, 1, 2), date(2024, 7, 2)],
            id="midnights of Berlin",
        ),
        pytest.param(
            parquet(True, ends=pa.array([datetime(9999, 12, 31), datetime(1, 1, 1)], pa.timestamp("us"))),
            {"ends": {"type": "date"}},
            {"ending": "parquet"},
            [date(9999, 12, 31), date(1, 1, 1)],
            id="INT96 of far years",
        ),
    ],
)
def test_a_file_is_published_as_it_was_meant(
    tmp_path: Path, content: bytes, columns: dict[str, Any], keys: dict[str, Any], expected: list[Any]
) -> None:
    [values] = read(tmp_path, content, columns, **keys).columns
    assert values.to_pylist() == expected


CODES = [0, 1, 2, 9, -1]


@pytest.mark.parametrize(
    ("content", "kind", "ending", "message"),
    [
        pytest.param(
            b'item,value\ni0,"the \\"good\\" one"\n',
            "string",
            "csv",
            ".csv: cannot be read: line 2: text behind a closing quote",
            id="backslashes before quotes",
        ),
        pytest.param(
            gzip.compress(b"item,value\na,red\n") + gzip.compress(b"item,value\nb,blue\n"),
            "string",
            "csv.gz",
            ".csv.gz row 2: the header once more; fix: land the rows with the header in the first line only",
            id="two parts with a header each",
        ),
        pytest.param(
            b"item,value\ni0,2024-01-02T06:00:00.123456789Z\n",
            "timestamp",
            "csv",
            ".csv row 1: column 'value' holds a time with digits beyond the microsecond, which would be lost; received "
            "'2024-01-02T06:00:00.123456789Z'; allowed: timestamp: ISO 8601 with its offset, "
            "'2013-07-04T06:00:00Z', or by the source's clock, '2013-07-04T06:00:00'; at most microseconds; "
            "fix: land it with at most six digits of a second",
            id="nanoseconds in CSV",
        ),
        pytest.param(
            parquet(value=pa.array([1704175200123456789], pa.timestamp("ns"))),
            "timestamp",
            "parquet",
            ".parquet row 1: column 'value' holds a time with digits beyond the microsecond, which would be lost",
            id="nanoseconds in Parquet",
        ),
        *(
            pytest.param(
                parquet(value=pa.array(CODES, stored)),
                "boolean",
                "parquet",
                ".parquet row 3: column 'value' holds a value that is not of type boolean; received 2",
                id=f"booleans from {stored}",
            )
            for stored in (pa.int8(), pa.int64(), pa.float32(), pa.float64())
        ),
        pytest.param(
            b"item,value\n" + "".join(f"i,{code}\n" for code in CODES).encode(),
            "boolean",
            "csv",
            ".csv row 3: column 'value' holds a value that is not of type boolean; received '2'",
            id="booleans from codes in CSV",
        ),
        *(
            pytest.param(
                parquet(value=pa.array([None, 1704153600], stored)),
                kind,
                "parquet",
                f".parquet row 2: column 'value' is stored as {stored}, which is not converted to {kind}; received "
                "1704153600; allowed: string, integer, number, boolean; fix: ",
                id=f"{stored} as {kind}",
            )
            for stored in (pa.int32(), pa.int64(), pa.uint64())
            for kind in ("date", "timestamp")
        ),
        pytest.param(
            parquet(value=pa.array([1.0, 9007199254740992.0])),
            "integer",
            "parquet",
            ".parquet row 2: column 'value' holds a number of so many digits that a floating point number may have "
            "lost some; received 9007199254740992.0; allowed: integer: whole, below 2^53",
            id="53 bits",
        ),
        pytest.param(
            parquet(value=pa.array([10**12], pa.timestamp("s"))),
            "timestamp",
            "parquet",
            ".parquet row 1: column 'value' holds a time outside the years 0001 to 9999; received ",
            id="a year that Python has not",
        ),
        pytest.param(
            parquet(value=pa.array([[1]])),
            "string",
            "parquet",
            "column 'value' is stored as list<element: int64>, which is not converted to string; received [1]; "
            "allowed: another type in the file",
            id="lists",
        ),
    ],
)
def test_a_file_that_would_be_published_otherwise_is_refused_in_one_line(
    tmp_path: Path, content: bytes, kind: str, ending: str, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, {"item": ITEM, "value": {"type": kind}}, ending)
    assert f"{DAY}{message}" in str(caught.value) or message in str(caught.value)
    assert str(caught.value).startswith(f"file://{tmp_path}/{DAY}.{ending}")
    assert str(caught.value).isprintable()


def test_a_missing_column_with_another_name_in_the_file_is_named_as_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, b"item,DepTime\ni0,1\n", {"dep_time": {"type": "integer", "from": "Dep Time"}})
    assert "column 'Dep Time' is missing; received 'item, DepTime'; fix: " in str(caught.value)
    assert "correct `columns.dep_time.from` in the definition" in str(caught.value)


def test_the_name_of_a_column_may_be_that_of_another_in_the_file(tmp_path: Path) -> None:
    columns = {"a": {"type": "string", "from": "b"}, "b": {"type": "string", "from": "a"}}
    assert read(tmp_path, b"a,b\n1,2\n", columns).to_pylist() == [{"a": "2", "b": "1"}]
