from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.model import ModelDefinition
from nightshift.lake.files import local_path
from nightshift.lake.parquet import batches_to_tables, write_files
from nightshift.lake.tables import Layer, TableSpec, monitoring_table
from unit.tables import arrow, day

some_rows = st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc"), st.integers(0, 3).map(float)), max_size=30)


def read(file: str) -> list[tuple[object, ...]]:
    # ParquetFile, not read_table: that would turn folder names into columns.
    return [tuple(row.values()) for row in pq.ParquetFile(local_path(file)).read().to_pylist()]


@given(some_rows)
def test_each_date_is_a_file_sorted_by_the_tables_key(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, float]]
) -> None:
    spec = TableSpec(
        Layer.RAW,
        "readings",
        {"source_date": "date", "machine": "string", "load": "number"},
        "source_date",
        ("source_date", "machine"),
    )
    folder = tmp_path_factory.mktemp("written").as_uri()
    table = pa.Table.from_pylist(
        [{"source_date": day(n), "machine": machine, "load": load} for n, machine, load in rows], schema=spec.schema
    )
    written = write_files(spec, table, folder)
    rows_by_file = {file: read(file) for file in written}
    assert {file: len(file_rows) for file, file_rows in rows_by_file.items()} == written
    assert len(written) == len({number for number, _, _ in rows})
    for file, file_rows in rows_by_file.items():
        [when] = {row[0] for row in file_rows}
        assert Path(local_path(file)).name.startswith(f"{when}-")
        assert [row[:2] for row in file_rows] == sorted(row[:2] for row in file_rows)
    every = sorted(row for file_rows in rows_by_file.values() for row in file_rows)
    assert every == sorted((day(number), machine, load) for number, machine, load in rows)


def test_files_have_exactly_the_tables_columns_types_and_order(tmp_path: Path, readings: TableSpec) -> None:
    rows = arrow(readings, {day(1): [("a", 1.0)]})
    unordered = pa.table({"load": pa.array([1], pa.int32()), "extra": ["x"], "machine": ["a"], "source_date": [day(1)]})
    [(file, _)] = write_files(readings, unordered, tmp_path.as_uri()).items()
    assert pq.ParquetFile(local_path(file)).read().equals(rows)


def test_files_are_split_by_every_partition_column(tmp_path: Path, tiny: ModelDefinition) -> None:
    spec = monitoring_table(tiny)
    partitions = [("drift", day(1)), ("value", day(1)), ("drift", day(2)), ("drift", day(1))]
    rows = pa.Table.from_pylist(
        [{"monitor": name, "score_date": when} for name, when in partitions], schema=spec.schema
    )
    written = write_files(spec, rows, tmp_path.as_uri())
    assert sorted(written.values()) == [1, 1, 2]
    assert {frozenset(row[:2] for row in read(file)) for file in written} == {
        frozenset({partition}) for partition in partitions
    }


def test_no_rows_are_no_file(tmp_path: Path, readings: TableSpec) -> None:
    assert write_files(readings, arrow(readings, {}), tmp_path.as_uri()) == {}


def test_workers_that_write_the_same_date_use_different_files(tmp_path: Path, readings: TableSpec) -> None:
    rows = arrow(readings, {day(1): [("a", 1.0)]})
    first, second = (write_files(readings, rows, (tmp_path / "new").as_uri()) for _ in range(2))
    assert not first.keys() & second.keys()
    assert {Path(local_path(file)) for file in first | second} == set((tmp_path / "new").iterdir())


# ---- batches


def batches(sizes: list[int]) -> list[pa.RecordBatch]:
    """Batches of so many rows, numbered throughout."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [
        pa.RecordBatch.from_pydict({"row": pa.array(range(start, start + size), pa.int64())})
        for start, size in zip(starts, sizes, strict=True)
    ]


@given(st.lists(st.integers(0, 7)), st.integers(1, 12))
def test_batches_become_tables_of_limited_size_with_every_row_once(sizes: list[int], most: int) -> None:
    tables = list(batches_to_tables(batches(sizes), most))
    assert [row for table in tables for row in table["row"].to_pylist()] == list(range(sum(sizes)))
    assert all(0 < table.num_rows < most + max(sizes) for table in tables)
    # As few as can be: only the last has fewer rows than asked for.
    assert all(table.num_rows >= most for table in tables[:-1])


@pytest.mark.parametrize("sizes", [[], [0], [0, 0, 0]])
def test_batches_without_rows_are_no_table(sizes: list[int]) -> None:
    assert list(batches_to_tables(batches(sizes), 5)) == []


def test_a_table_is_yielded_before_the_next_batch_is_requested() -> None:
    """A worker's memory stays flat: it holds no more than it was told to."""
    requested = []

    def coming() -> object:
        for batch in batches([3, 3, 3, 3]):
            requested.append(batch)
            yield batch

    tables = batches_to_tables(coming(), 5)
    assert next(tables).num_rows == 6
    assert len(requested) == 2
