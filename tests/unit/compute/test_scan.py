from __future__ import annotations

from datetime import UTC, date, datetime
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from nightshift.compute import scan
from nightshift.compute.driver import reason
from nightshift.compute.scan import FileScan, file_shares
from nightshift.lake.parquet import FilePart
from nightshift.lake.tables import ROW_NUMBER, Layer, TableSpec

COLUMNS = {
    "source_date": "date",
    "name": "string",
    "kind": "category",
    "load": "number",
    "count": "integer",
    "ok": "boolean",
    "at": "timestamp",
    "sketch": "binary",
}
SPEC = TableSpec(Layer.RAW, "readings", COLUMNS, "source_date", ("source_date", "name"))
DAY = date(2024, 3, 10)
AT = datetime(2024, 3, 10, 2, 30, 0, 123456, UTC)  # in New York no such local time exists


def rows(first: int, count: int) -> pa.Table:
    values = [(DAY, f"n{n}", "a", n / 3, n, n % 2 == 0, AT, bytes([n])) for n in range(first, first + count - 1)]
    values.append((DAY, f"n{first + count - 1}", *[None] * 6))
    return pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in values], SPEC.schema)


def written(folder: Path, *tables: pa.Table) -> dict[str, int]:
    """Files of three rows a row group, with their sizes."""
    files = {}
    for number, table in enumerate(tables):
        file = folder / f"{number}.parquet"
        pq.write_table(table, file, row_group_size=3)
        files[file.as_uri()] = file.stat().st_size
    return files


def test_workers_read_every_type_as_it_is_written(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "TASK_BYTES", 500)  # several tasks for each file
    tables = [rows(0, 10), rows(10, 5), rows(20, 1)]
    files = written(tmp_path, *tables[:2], tables[2].drop_columns(["load", "at"]))  # declared later
    expected = pa.concat_tables([*tables[:2], tables[2]])
    read = FileScan.of(SPEC, files)
    assert len(read.shares) > len(files)
    assert read.frame(spark).toArrow().cast(SPEC.schema).equals(expected)
    assert read.only(["at", "name"]).frame(spark).toArrow().to_pylist() == expected.select(["name", "at"]).to_pylist()
    # As Spark itself understands them, not only on the way through it.
    assert read.frame(spark).where(f"at = timestamp'{AT:%Y-%m-%d %H:%M:%S.%f}Z' and count is not null").count() == 13


def test_rows_are_numbered_throughout_the_files(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "TASK_BYTES", 500)
    files = written(tmp_path, rows(0, 10), rows(10, 5))
    shares = file_shares(files, dict(zip(files, (0, 10), strict=True)))
    numbered = FileScan({"name": "string", ROW_NUMBER: "integer"}, shares).frame(spark).collect()
    assert [tuple(row) for row in numbered] == [(f"n{number}", number) for number in range(15)]


def test_no_files_are_no_rows(spark: SparkSession) -> None:
    frame = FileScan.of(SPEC, {}, ["at", "load"]).frame(spark)
    assert (frame.columns, frame.count()) == (["load", "at"], 0)


@pytest.mark.parametrize("kind", ["missing", "truncated"])
def test_a_job_says_which_file_it_cannot_read(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    good, damaged = written(tmp_path, rows(0, 10), rows(10, 5)).items()
    file = tmp_path / "1.parquet"
    content = file.read_bytes()
    file.unlink() if kind == "missing" else file.write_bytes(content[:100])
    with pytest.raises(PySparkException) as failure:
        FileScan.of(SPEC, dict([good, damaged])).frame(spark).collect()
    problem = "is missing" if kind == "missing" else "cannot be read: Parquet magic bytes not found"
    assert reason(failure.value).startswith(f"{damaged[0]}: a data file {problem}")


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9)), max_size=12))
def test_shares_have_each_row_group_once_in_order_and_are_near_the_size_of_a_task(files: list[tuple[int, int]]) -> None:
    sizes = {f"file:///{number}": size for number, (size, _) in enumerate(files)}
    groups = {f"file:///{number}": count for number, (_, count) in enumerate(files)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "TASK_BYTES", 32)
        patch.setattr(scan, "row_group_count", groups.__getitem__)
        shares = file_shares(sizes)

    def size(part: FilePart) -> float:
        first, end = part.row_groups or (0, 1)
        return sizes[part.file] * (end - first) / (groups[part.file] if part.row_groups else 1)

    parts = [part for share in shares for part in share]
    assert list(dict.fromkeys(part.file for part in parts)) == list(sizes)
    for file in sizes:
        cuts = [part.row_groups for part in parts if part.file == file]
        if cuts != [None]:
            assert [n for cut in cuts for n in range(*(cut or (0, 0)))] == list(range(groups[file]))
    assert len(shares) <= max(1, ceil(sum(sizes.values()) / 32))
    largest = max((size(part) for part in parts), default=0)
    assert all(sum(map(size, share)) <= 32 + largest for share in shares)
