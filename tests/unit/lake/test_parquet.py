from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.model import ModelDefinition
from nightshift.errors import DataError
from nightshift.lake.files import local_path
from nightshift.lake.parquet import FilePart, batches_to_tables, read_batches, write_files
from nightshift.lake.tables import ROW_NUMBER, Layer, TableSpec, monitoring_table
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


# ---- reading in batches

KINDS = {"name": pa.string(), "load": pa.float64(), "at": pa.timestamp("us", "UTC")}

some_files = st.lists(
    st.tuples(
        st.sets(st.sampled_from(["load", "at"])),  # columns that were declared after the file was written
        st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.none() | st.floats(-1, 1), st.integers(0, 9))),
        st.integers(1, 4),  # rows of a row group
    ),
    max_size=4,
)


@given(some_files, st.lists(st.sampled_from([*KINDS]), unique=True), st.integers(1, 6))
def test_batches_have_the_rows_of_all_files_in_order_with_their_numbers(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[set[str], list[tuple[str | None, float | None, int]], int]],
    columns: list[str],
    batch_rows: int,
) -> None:
    folder, parts, rows, first = tmp_path_factory.mktemp("files"), [], list[dict[str, object]](), 0
    for number, (absent, listed, group_rows) in enumerate(files):
        table = pa.Table.from_pylist([dict(zip(KINDS, row, strict=True)) for row in listed], pa.schema(KINDS))
        file = folder / f"{number}.parquet"
        pq.write_table(table.drop_columns(list(absent)), file, row_group_size=group_rows)
        parts.append(FilePart(file.as_uri(), first_row=first))
        rows += [row | dict.fromkeys(absent) for row in table.to_pylist()]
        first += len(listed)
    schema = pa.schema({name: KINDS[name] for name in columns} | {ROW_NUMBER: pa.int64()})
    batches = list(read_batches(parts, schema, batch_rows))
    assert all(batch.schema == schema and 0 < batch.num_rows < 2 * batch_rows for batch in batches)
    assert [row for batch in batches for row in batch.to_pylist()] == [
        {name: row[name] for name in columns} | {ROW_NUMBER: number} for number, row in enumerate(rows)
    ]


@given(st.integers(0, 9), st.lists(st.integers(0, 5), max_size=3))
def test_parts_of_a_file_have_their_row_groups_and_the_numbers_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: int, cuts: list[int]
) -> None:
    file, schema = tmp_path_factory.mktemp("files") / "x.parquet", pa.schema({"n": pa.int64(), ROW_NUMBER: pa.int64()})
    pq.write_table(pa.table({"n": pa.array(range(rows), pa.int64())}), file, row_group_size=2)
    groups = pq.ParquetFile(file).num_row_groups
    ends = sorted({0, groups, *(cut for cut in cuts if cut < groups)})
    parts = [FilePart(file.as_uri(), cut, first_row=100) for cut in pairwise(ends)]
    read_rows = [row for part in parts for batch in read_batches([part], schema) for row in batch.to_pylist()]
    assert read_rows == [{"n": number, ROW_NUMBER: 100 + number} for number in range(rows)]


def test_a_column_of_another_type_is_refused(tmp_path: Path, readings: TableSpec) -> None:
    pq.write_table(pa.table({"load": ["1.5"]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x.parquet: load: .*received 'string'; allowed: double"):
        list(read_batches([FilePart((tmp_path / "x.parquet").as_uri())], readings.schema))


def damage(file: Path, kind: str) -> None:
    content = file.read_bytes()
    match kind:
        case "missing":
            file.unlink()
        case "truncated":
            file.write_bytes(content[: len(content) // 2])
        case "overwritten":
            file.write_bytes(b"\0" * (len(content) // 2) + content[len(content) // 2 :])
        case "empty":
            file.write_bytes(b"")


@pytest.mark.parametrize("kind", ["missing", "truncated", "overwritten", "empty"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"load": [float(number) for number in range(1000)]}), file)
    damage(file, kind)
    with pytest.raises(DataError, match=rf"^{file.as_uri()}: a data file (is missing|cannot be read: .+); fix: .+$"):
        list(read_batches([FilePart(file.as_uri())], pa.schema({"load": pa.float64()})))
