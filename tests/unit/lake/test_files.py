from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.errors import NightshiftError
from nightshift.lake.files import as_uri, exists, list_files, local_path, read_bytes, remove, write_bytes

NAMES = ["plain", "with space", "ünïcode", "plus+and&more"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_written_and_listed_below_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    write_bytes(f"{as_uri(folder)}/a/b.txt", b"content")
    assert (folder / "a" / "b.txt").read_bytes() == b"content"
    assert exists(f"{as_uri(folder)}/a/b.txt")
    [uri] = list_files(as_uri(folder))
    assert read_bytes(uri) == b"content"
    assert Path(local_path(uri)) == folder / "a" / "b.txt"


def test_uris_of_object_stores_stay_as_they_are() -> None:
    assert as_uri("s3://bucket/some prefix") == "s3://bucket/some prefix"


def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    assert list_files(as_uri(tmp_path / "nothing")) == []
    assert not exists(as_uri(tmp_path / "nothing"))


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert not exists(as_uri(tmp_path))


def test_files_are_listed_by_ending_sorted_and_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.csv", "a/c.csv", "a.parquet"):
        write_bytes(f"{as_uri(tmp_path)}/{name}", b"")
    assert list_files(as_uri(tmp_path), ".csv") == [f"{as_uri(tmp_path)}/a/c.csv", f"{as_uri(tmp_path)}/b.csv"]


def test_writing_again_replaces_the_file_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    uri = f"{as_uri(tmp_path)}/a.txt"
    write_bytes(uri, b"one")
    write_bytes(uri, b"two")
    assert read_bytes(uri) == b"two"
    assert list_files(as_uri(tmp_path)) == [uri]


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, NightshiftError)):
        read_bytes(as_uri(tmp_path / "nothing"))


def test_removing_a_missing_file_is_no_error(tmp_path: Path) -> None:
    uri = f"{as_uri(tmp_path)}/a.txt"
    write_bytes(uri, b"")
    remove(uri)
    remove(uri)
    assert not exists(uri)
