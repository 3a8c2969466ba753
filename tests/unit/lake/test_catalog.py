"""A folder that was copied or renamed still has the addresses of the old one in its catalog."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import TableSpec
from nightshift.settings import Settings
from unit.tables import day, publish_rows, published_rows, stage

ROWS = [("a", 1.0)]


@pytest.fixture
def old(tmp_path: Path, readings: TableSpec) -> Path:
    folder = tmp_path / "old"
    publish_rows(Lake(Settings(var=folder)), readings, {day(1): ROWS})
    return folder


def copied(old: Path, new: Path) -> None:
    shutil.copytree(old, new)


def renamed(old: Path, new: Path) -> None:
    old.rename(new)


def files_below(folder: Path) -> list[Path]:
    """The files of the warehouse and the catalog; what SQLite keeps beside it goes when its connection does."""
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("catalog.db-"))


@pytest.mark.parametrize("change", [copied, renamed])
def test_an_installation_that_was_copied_or_renamed_is_refused_and_nothing_is_written_to_the_old_place(
    old: Path, readings: TableSpec, change: Callable[[Path, Path], None]
) -> None:
    new = old.with_name("new")
    change(old, new)
    before = files_below(old)
    lake = Lake(Settings(var=new))
    uses: list[Callable[[], object]] = [
        lambda: publish(lake, readings, stage(lake, readings, {day(2): ROWS})),
        lambda: lake.ensure(readings),
        lambda: published_rows(lake, readings),
        lambda: run_sql(lake, f"select * from {readings.name}"),
    ]
    for use in uses:
        with pytest.raises(
            TerminalError, match=r"raw\.readings: the table.*old/warehouse.*allowed.*new/warehouse.*move"
        ):
            use()
    assert files_below(old) == before


def test_a_folder_that_is_a_link_to_where_it_was_moved_is_the_same_installation(old: Path, readings: TableSpec) -> None:
    new = old.with_name("new")
    old.rename(new)
    old.symlink_to(new)
    for folder in (old, new):
        assert published_rows(Lake(Settings(var=folder)), readings) == {day(1): ROWS}
