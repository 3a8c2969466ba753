from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.definition.source import SOURCE_ENDINGS
from nightshift.errors import DataError
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
