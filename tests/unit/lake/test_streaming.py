"""Files that are read in blocks: the same rows, digests and refusals as of files that are read whole."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import SOURCE_ENDINGS, Source
from nightshift.errors import DataError, TransientError
from nightshift.lake import json_lines, landed_bytes, landed_rows, parquet, parquet_values, source_formats
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.landed_bytes import LandedBytes
from nightshift.lake.landed_files import LandedTables, parse_landed, read_landed
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.landed_rows import LandedRows
from nightshift.lake.parquet import joined_tables
from nightshift.lake.source_formats import read_source_file
from nightshift.lake.staging import read_staged, stage_parts
from nightshift.lake.tables import Layer, TableSpec
from nightshift.lake.unreadable import UnreadableFileError
from unit.examples import examples

DAY, INSTANT = date(2024, 1, 1), pa.timestamp("us", "UTC")
SPEC = TableSpec(
    Layer.RAW, "r", {"source_date": "date", "id": "string", "load": "number"}, "source_date", ("source_date", "id")
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.text('aé,"\n ', max_size=9) | st.none(), "load": st.integers(-9, 9).map(str) | st.just("x")},
        optional={"more": st.just("y")},
    ),
    max_size=40,
)


@contextmanager
def small_blocks(size: int) -> Iterator[None]:
    """Files are read in blocks of so many bytes, and tables of few rows are staged."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (landed_bytes, json_lines, source_formats, parquet_values):
            patch.setattr(module, "BLOCK_BYTES", size)
        patch.setattr(parquet, "MAX_ROWS_IN_MEMORY", size)
        yield


def written(rows: list[dict[str, str]], ending: str) -> bytes:
    """The rows as a file of a format."""
    if "json" in ending:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    else:
        sink, table = io.BytesIO(), pa.Table.from_pylist(rows, pa.schema({"id": pa.string(), "load": pa.string()}))
        if ending == ".parquet":
            pq.write_table(table, sink, row_group_size=7)
        else:
            pc_csv.write_csv(table, sink)
        text = sink.getvalue()
    return gzip.compress(text) if ending.endswith(".gz") else text


def source_of(ending: str) -> Source:
    columns = {"id": {"type": "string"}, "load": {"type": "number"}}
    return Source.model_validate(
        {"description": "", "path": f"{{date}}{ending}", "available": {"after": "1h"}, "columns": columns}
    )


def read(folder: str, ending: str) -> tuple[pa.Table, str] | str:
    """The rows and the digest, or why they are refused."""
    source = source_of(ending)
    try:
        return read_landed(landing_file(folder, "r", source, DAY), source, SPEC)
    except DataError as error:
        return str(error)


@examples(max_examples=200, deadline=None)
@given(ROWS, st.sampled_from(SOURCE_ENDINGS), st.integers(1, 60))
def test_blocks_give_the_rows_the_digest_and_the_refusal_of_the_whole_file(
    rows: list[dict[str, str]], ending: str, size: int
) -> None:
    with TemporaryDirectory() as folder:
        content = written(rows, ending)
        (Path(folder) / f"{DAY}{ending}").write_bytes(content)
        whole = read(folder, ending)
        with small_blocks(size):
            assert read(folder, ending) == whole
        if bad := next((number for number, row in enumerate(rows, 1) if row["load"] == "x"), 0):
            assert f"row {bad}: column 'load' holds a value that is not of type number" in str(whole)
        else:
            assert whole[1] == sha256(content).hexdigest()


def test_a_key_that_only_a_later_line_has_is_a_column(tmp_path: Path) -> None:
    text = '{"id": "a"}\n' * 20 + '{"load": 2}\n'
    (tmp_path / f"{DAY}.jsonl").write_text(text)
    with small_blocks(16):
        rows = read(str(tmp_path), ".jsonl")
        assert not isinstance(rows, str)
        assert rows[0]["load"].to_pylist() == [None] * 20 + [2.0]
        (tmp_path / f"{DAY}.jsonl").write_text(text.replace("load", "weight"))
        assert "column 'load' is missing; received 'id, weight'" in str(read(str(tmp_path), ".jsonl"))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("more", [b"500,1\n", b"500,x,\n", b""])
def test_a_large_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, ending: str, more: bytes) -> None:
    file, source = tmp_path / f"{DAY}{ending}", source_of(ending)
    file.write_bytes(written([{"id": str(number), "load": "1"} for number in range(500)], ending))
    with small_blocks(100):
        tables = iter(LandedTables(landing_file(str(tmp_path), "r", source, DAY), source, SPEC))
        next(tables)
        if more:
            with file.open("ab") as stream:
                stream.write(more)
        else:
            file.write_bytes(b"id,load\n1,x\n")
        with pytest.raises(TransientError, match=rf"{DAY}{ending}: the file changed while it was read"):
            list(tables)


@pytest.mark.parametrize("content", [b"id,x,,\n1,2,,\n3,4,,", b"a,b,b\n1,2,3\n" * 9, b"a\n1\n"])
def test_columns_of_one_name_are_parsed_in_blocks_too(content: bytes) -> None:
    whole, blocks = (_parsed("file:///a.csv", content, size) for size in (10**6, 10))
    assert blocks.equals(whole)


def _parsed(uri: str, content: bytes, size: int) -> pa.Table:
    with small_blocks(size), TemporaryDirectory() as folder:
        file = Path(folder) / uri.rsplit("/", 1)[-1]
        file.write_bytes(content)
        return parse_landed(f"file://{file}")[0]


def test_a_line_that_is_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 50)
    with small_blocks(10), pytest.raises(UnreadableFileError, match="line 2 is longer than 50 bytes"):
        list(json_lines.read_json_lines(io.BytesIO(b'{"a": 1}\n{"a": "' + b"x" * 90)))


@pytest.mark.parametrize("rows", [0, 100])
def test_instants_of_spark_in_many_row_groups(rows: int) -> None:
    instants = pa.array([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(rows)], INSTANT)
    notes = pa.array(["x" * (n % 40) for n in range(rows)], pa.string()).dictionary_encode()
    table = pa.table([instants, notes, instants], ["at", "note", "at"])
    tables = _tables(table, 300)
    assert len(tables) > 3 or not rows
    joined = pa.concat_tables(tables)
    assert joined.column_names == table.column_names
    assert all(joined.column(place).to_pylist() == table.column(place).to_pylist() for place in range(3))


def test_digits_beyond_the_microsecond_in_one_row_group_make_texts_of_the_column() -> None:
    instants = pa.array([*range(0, 60_000, 1000), 60_001], pa.timestamp("ns"))
    tables = _tables(pa.table({"at": instants, "exact": instants.cast(pa.timestamp("us"), safe=False)}), 30)
    assert len(tables) > 3
    assert {str(part.schema.field("at").type) for part in tables} == {"string"}
    assert {str(part.schema.field("exact").type) for part in tables} == {"timestamp[us, tz=UTC]"}


def _tables(table: pa.Table, size: int) -> list[pa.Table]:
    """A table that is written as Spark did, and read in blocks."""
    sink = io.BytesIO()
    pq.write_table(table, sink, use_deprecated_int96_timestamps=True, row_group_size=13)
    with small_blocks(size):
        return list(read_source_file("file:///a.parquet", LandedBytes(io.BytesIO(sink.getvalue()))))


def test_long_reading_says_how_far_it_is(
    tmp_path: Path, tiny: ModelDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landed_rows, "REPORTED", 10)
    file = landing_file(str(tmp_path), "plan", tiny.sources["plan"], DAY)
    text = "machine,load,kind\n" + "".join(f"m{n},0.5,a\n" for n in range(25))
    Path(local_path(file.uri)).write_bytes(gzip.compress(text.encode()))
    lines: list[str] = []
    with small_blocks(100):
        assert sum(t.num_rows for t in LandedRows(tiny, file, LandedLookups(tiny, str(tmp_path)), lines.append)) == 25
    assert 0 < len(lines) < 4
    assert lines[0].startswith("plan of 2024-01-01: 1")


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(1, 40))
def test_tables_are_joined_up_to_a_size_in_their_order(sizes: list[int], most: int) -> None:
    tables = [pa.table({"n": [f"{place}-{number}" for number in range(size)]}) for place, size in enumerate(sizes)]
    tables = [table.cast(pa.schema({"n": pa.string()})) for table in tables]
    with small_blocks(most):
        joined = list(joined_tables(tables))
    assert pa.concat_tables(joined).equals(pa.concat_tables(tables))
    assert all(part.num_rows <= max(most, *sizes) for part in joined)


def test_a_staged_set_of_many_tables_has_the_rows_of_one(lake: Lake) -> None:
    rows = pa.table({"source_date": [DAY] * 50, "id": [f"{n:02}" for n in range(50)], "load": [0.5] * 50})
    rows = rows.cast(SPEC.schema)
    parts = [rows.slice(start, 9) for start in range(0, 50, 9)]
    with small_blocks(20):
        staged = stage_parts(lake, SPEC, joined_tables(parts), DAY, DAY, {})
    assert len(staged.files) == 3
    assert read_staged(staged, SPEC).equals(rows)
