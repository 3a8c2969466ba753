from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from nightshift.errors import FullDiskError, TerminalError
from nightshift.lake import parquet
from nightshift.lake.catalog import Lake
from nightshift.lake.files import list_files, local_path
from nightshift.lake.parquet import write_files
from nightshift.lake.publish import publish
from nightshift.lake.staging import (
    load_staged,
    new_attempt,
    read_staged,
    seal,
    stage_arrow,
    stage_parts,
    staging_folder,
)
from nightshift.lake.tables import TableSpec
from unit.tables import DAY, arrow, day, published_rows, stage


def test_staged_rows_read_back_sorted_by_the_tables_key(lake: Lake, readings: TableSpec) -> None:
    rows = arrow(readings, {day(2): [("b", 2.0), ("a", 1.0)], day(1): [("a", 0.5)]})
    staged = stage_arrow(lake, readings, rows, day(1), day(2), {"file:///x": "digest"})
    assert read_staged(staged, readings).equals(rows.take([2, 1, 0]))
    assert (staged.table, staged.rows, staged.first, staged.last) == ("raw.readings", 3, day(1), day(2))


def test_each_partition_is_a_file_of_its_own(lake: Lake, readings: TableSpec) -> None:
    staged = stage(lake, readings, {day(1): [("a", 1.0)], day(2): [("a", 1.0), ("b", 1.0)], day(4): [("a", 1.0)]})
    assert len(staged.files) == 3


def test_a_staged_set_is_loaded_from_its_folder_alone(lake: Lake, readings: TableSpec) -> None:
    staged = stage(lake, readings, {day(1): [("a", 1.0)]})
    assert load_staged(staged.location) == staged


def test_every_attempt_has_a_folder_of_its_own(lake: Lake, readings: TableSpec) -> None:
    first, second = (stage(lake, readings, {day(1): [("a", 1.0)]}) for _ in range(2))
    assert not set(first.files) & set(second.files)


def test_columns_the_table_does_not_have_are_not_staged(lake: Lake, readings: TableSpec) -> None:
    rows = arrow(readings, {day(1): [("a", 1.0)]})
    wide = rows.append_column("extra", pa.array([1]))
    assert read_staged(stage_arrow(lake, readings, wide, DAY, DAY, {}), readings).column_names == rows.column_names


def test_no_rows_are_staged_as_a_table_without_rows_but_with_every_column(lake: Lake, readings: TableSpec) -> None:
    staged = stage_arrow(lake, readings, arrow(readings, {}), DAY, DAY, {})
    assert staged.rows == 0
    assert read_staged(staged, readings).num_rows == 0
    assert read_staged(staged, readings).column_names == list(readings.columns)


def test_files_that_a_killed_worker_left_in_the_folder_are_not_staged(lake: Lake, readings: TableSpec) -> None:
    """Another worker wrote the same rows again, and told so: whoever counts the folder counts them twice."""
    attempt = new_attempt(DAY, DAY)
    folder = staging_folder(lake.warehouse, readings.name, attempt)
    rows = arrow(readings, {DAY: [("a", 1.0), ("b", 2.0)]})
    write_files(readings, rows, folder)
    Path(local_path(folder), "2024-01-01-broken.parquet").write_bytes(b"PAR1 and no more")
    written = write_files(readings, rows, folder)
    staged = seal(folder, readings.name, attempt, DAY, DAY, {}, row_counts=written)
    assert (set(staged.files), staged.rows) == (set(written), 2)
    assert load_staged(folder) == staged
    assert read_staged(staged, readings).equals(rows)
    publish(lake, readings, staged)
    assert published_rows(lake, readings) == {DAY: [("a", 1.0), ("b", 2.0)]}


def test_files_outside_the_row_counts_are_not_staged(lake: Lake, readings: TableSpec) -> None:
    attempt = new_attempt(DAY, DAY)
    folder = staging_folder(lake.warehouse, readings.name, attempt)
    write_files(readings, arrow(readings, {DAY: [("a", 1.0)]}), folder)
    staged = seal(folder, readings.name, attempt, DAY, DAY, {}, row_counts={})
    assert (staged.files, staged.rows) == ((), 0)
    assert load_staged(folder) == staged


def test_an_unfinished_attempt_cannot_be_published(lake: Lake, readings: TableSpec) -> None:
    staged = stage(lake, readings, {DAY: [("a", 1.0)]})
    Path(local_path(staged.location), "_staged.json").unlink()
    with pytest.raises(
        TerminalError, match="the folder holds no complete staged set; fix: clear the task that stages it"
    ):
        load_staged(staged.location)


def test_a_missing_folder_cannot_be_published(lake: Lake) -> None:
    with pytest.raises(TerminalError, match="the folder holds no complete staged set"):
        load_staged(staging_folder(lake.warehouse, "raw.readings", new_attempt(DAY, DAY)))


def test_an_attempt_that_finds_no_space_leaves_it_free_and_may_be_made_again(
    lake: Lake, readings: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the disk were full after one file."""
    rows = arrow(readings, {DAY: [("a", 1.0)]})
    write, left = parquet.pq.write_table, iter([True])

    def write_if_there_is_space(*arguments: Any, **options: Any) -> None:
        if next(left, False):
            write(*arguments, **options)
        else:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(parquet.pq, "write_table", write_if_there_is_space)
        with pytest.raises(
            FullDiskError, match=r"staged/raw\.readings/.*: no space is left on the disk; fix: free space"
        ):
            stage_parts(lake, readings, [rows, rows], DAY, DAY, {})
    assert list_files(f"{lake.warehouse}/staged") == []
    assert stage_arrow(lake, readings, rows, DAY, DAY, {}).rows == rows.num_rows
