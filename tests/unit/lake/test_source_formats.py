from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.definition.source import SOURCE_ENDINGS
from nightshift.errors import DataError
from nightshift.lake import parquet_values, source_formats
from nightshift.lake.landed_bytes import LandedBytes
from nightshift.lake.source_formats import FORMATS, read_source_file

ROWS = pa.table({"machine": ["a", "b"], "load": ["0.5", "1"]})


def parse_source_file(uri: str, content: bytes) -> pa.Table:
    return pa.concat_tables(read_source_file(uri, LandedBytes(io.BytesIO(content))))


def written(ending: str) -> bytes:
    """The rows as a file of a format."""
    if ending == ".parquet":
        sink = io.BytesIO()
        pq.write_table(ROWS, sink)
        return sink.getvalue()
    text = (
        b"machine,load\na,0.5\nb,1\n" if ".csv" in ending else b'{"machine":"a","load":0.5}\n{"machine":"b","load":1}'
    )
    return gzip.compress(text) if ending.endswith(".gz") else text


def test_every_ending_that_a_definition_allows_has_a_reader() -> None:
    assert set(FORMATS) == set(SOURCE_ENDINGS)


@pytest.mark.parametrize("ending", SOURCE_ENDINGS)
def test_each_format_gives_the_same_rows(ending: str) -> None:
    assert parse_source_file(f"file:///landing/plan{ending}", written(ending)).equals(ROWS)


@pytest.mark.parametrize("ending", [ending for ending in SOURCE_ENDINGS if ending.endswith((".gz", ".parquet"))])
def test_an_upload_that_only_began_is_no_file_without_rows(ending: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        parse_source_file(f"file:///landing/plan{ending}", b"")


@pytest.mark.parametrize("ending", [".csv.gz", ".parquet", ".jsonl", ".jsonl.gz"])
def test_a_truncated_file_is_one_clear_error(ending: str) -> None:
    with pytest.raises(DataError, match=r"plan.*: cannot be read: .*; fix: land the (complete )?file again"):
        parse_source_file(f"file:///landing/plan{ending}", written(ending)[:-9])


MIB = 2**20
BOMBS = [
    pytest.param(".csv.gz", b"a,b\n", bytes(MIB), id="CSV, a line of zeros"),
    pytest.param(".csv.gz", b"a,b\n", b"0,0\n" * (MIB // 4), id="CSV, many rows"),
    pytest.param(".csv.gz", b"a,b\n", b"\n" * MIB, id="CSV, empty lines"),
    pytest.param(".csv.gz", b'a,b\n"', b"0" * MIB, id="CSV, a quote that is never closed"),
    pytest.param(".jsonl.gz", b"", bytes(MIB), id="JSON, zeros"),
    pytest.param(".jsonl.gz", b'{"a":"', b"0" * MIB, id="JSON, one line"),
    pytest.param(".jsonl.gz", b"", b"\n" * MIB, id="JSON, empty lines"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "head", "block"), BOMBS)
def test_a_small_file_of_a_gigabyte_is_refused_before_it_is_unpacked(ending: str, head: bytes, block: bytes) -> None:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb") as packed:
        packed.write(head)
        for _ in range(1024):
            packed.write(block)
    file = LandedBytes(io.BytesIO(stream.getvalue()))
    with pytest.raises(DataError, match=r"it is unpacked to more bytes than data can have; received"):
        list(read_source_file(f"file:///landing/plan{ending}", file))
    assert file.position < len(stream.getvalue()) / 4


@pytest.mark.slow
def test_parquet_whose_pages_are_unpacked_to_a_gigabyte_is_refused_before_they_are() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [bytes(MIB)] * 1024}), sink, compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match=r"it is unpacked to more bytes than data can have; received"):
        parse_source_file("file:///landing/plan.parquet", sink.getvalue())


@pytest.mark.slow
def test_a_repetitive_file_of_a_block_and_a_large_file_of_data_are_read() -> None:
    text = b"a,b\n" + b"0,0\n" * MIB  # 1,000 times as small
    assert parse_source_file("file:///landing/plan.csv.gz", gzip.compress(text)).num_rows == MIB
    content = io.BytesIO(gzip.compress(b"a,b\n" + b"".join(b"%d,0\n" % number for number in range(9 * MIB)), 6))
    assert sum(table.num_rows for table in read_source_file("plan.csv.gz", LandedBytes(content))) == 9 * MIB


LONG = "x" * 5000
DELTAS = {"use_dictionary": False, "column_encoding": {"value": "DELTA_BYTE_ARRAY"}}
REPEATED = [
    pytest.param({}, pa.array([LONG] * 4000), id="a text"),
    pytest.param({}, pa.array([LONG, None] * 2000).dictionary_encode(), id="a category"),
    pytest.param({}, pa.array([None] * 2000 + [LONG] * 2000), id="a text after many rows without"),
    pytest.param({}, pa.array([f"{number}" for number in range(2000)] + [LONG] * 2000), id="a text after short ones"),
    pytest.param({}, pa.array([LONG] * 4000, pa.large_string()), id="a large text"),
    pytest.param({}, pa.array([LONG.encode()] * 4000), id="bytes"),
    pytest.param({}, pa.array([LONG.encode()] * 4000, pa.binary(5000)), id="bytes of one length"),
    pytest.param({}, pa.array([[LONG, LONG]] * 2000), id="a list"),
    pytest.param({}, pa.array([[]] * 2000 + [[LONG]] * 2000), id="a list after empty ones"),
    pytest.param({}, pa.array([{"a": LONG}] * 4000), id="a struct"),
    pytest.param({}, pa.array([[("k", LONG)]] * 4000, pa.map_(pa.string(), pa.string())), id="a map"),
    pytest.param(DELTAS, pa.array([LONG] * 4000), id="differences"),
    pytest.param({"row_group_size": 7}, pa.array([LONG] * 4000), id="small row groups"),
]  # fmt: skip


@pytest.mark.parametrize("int96", [False, True])
@pytest.mark.parametrize(("options", "values"), REPEATED)
def test_no_more_than_a_block_of_parquet_is_in_memory_where_values_repeat(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], values: pa.Array, int96: bool
) -> None:
    monkeypatch.setattr(parquet_values, "BLOCK_BYTES", MIB)
    monkeypatch.setattr(parquet_values, "UNCLEAR_ROWS", 1)
    monkeypatch.setattr(source_formats, "BLOCK_BYTES", MIB)
    times = pa.array(range(len(values)), pa.timestamp("us"))
    rows = pa.table({"value": values} | ({"at": times} if int96 else {}))
    sink = io.BytesIO()
    pq.write_table(rows, sink, use_deprecated_int96_timestamps=int96, **options)
    tables = list(read_source_file("file:///landing/plan.parquet", LandedBytes(io.BytesIO(sink.getvalue()))))
    assert MIB / 2 < max(table.nbytes for table in tables) < 1.1 * MIB  # with offsets and bits
    # The blocks are full: a table per batch or row group would be slow.
    assert len(tables) < 4 * sum(table.nbytes for table in tables) / MIB
    read = pa.concat_tables(tables)
    assert read["value"].to_pylist() == values.to_pylist()
    assert not int96 or read["at"].cast(pa.timestamp("us")).equals(rows["at"])


def test_columns_of_one_name_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_values, "BLOCK_BYTES", MIB)
    monkeypatch.setattr(parquet_values, "UNCLEAR_ROWS", 1)
    monkeypatch.setattr(source_formats, "BLOCK_BYTES", MIB)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([LONG] * 500), pa.array(["y"] * 500)], ["a", "a"]), sink)
    tables = list(read_source_file("file:///landing/plan.parquet", LandedBytes(io.BytesIO(sink.getvalue()))))
    assert max(table.nbytes for table in tables) < 1.1 * MIB
    assert pa.concat_tables(tables).column(1).to_pylist() == ["y"] * 500
