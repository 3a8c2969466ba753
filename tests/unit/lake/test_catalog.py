"""A catalog whose folder was copied or renamed still has the old addresses; one whose creator was killed is sound."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
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


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_table_whose_creation_is_killed_after_any_write_is_there_with_its_partitions_or_not_at_all(
    lake: Lake, readings: TableSpec, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException): ...

    written = count(1)

    def kill_after(write: Callable[..., object], *arguments: object, **named: object) -> object:
        result = write(*arguments, **named)
        if next(written) == writes:
            raise KilledError
        return result

    with monkeypatch.context() as patch, suppress(KilledError):
        for name in ("create_namespace", "create_table", "commit_table"):
            patch.setattr(lake.catalog, name, partial(kill_after, getattr(lake.catalog, name)))
        lake.ensure(readings)
    again = Lake(lake.settings)
    if again.table_exists(readings.name):
        assert [field.name for field in again.table(readings.name).spec().fields] == [*readings.partition_columns]
    publish_rows(again, readings, {day(1): ROWS})
    assert published_rows(again, readings) == {day(1): ROWS}
