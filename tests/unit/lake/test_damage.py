"""Damaged data files, whoever reads them, are named by table, date and file, with the command that heals them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import AlwaysTrue

from nightshift.errors import DamagedFileError, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.damage import damaged_file, file_problem, find_damage, reworded
from nightshift.lake.parquet import FilePart, dataset_of, read_batches, row_count
from nightshift.lake.read import data_files, read_dates, read_rows
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality.distinct_keys import are_distinct
from nightshift.quality.distributions import published_distributions
from nightshift.settings import Settings, get_settings
from unit.tables import EARLY, LATE, day, publish_rows

ROWS = {day(1): [("a", 1.0), ("b", 2.0)], day(2): [("a", 3.0)]}
WRONG_DAY = day(2)


def other_rows(file: Path) -> None:
    """A file that is read without an error, of another size: only its table knows that it is not the one."""
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table] * 50), file)


def flip(file: Path) -> None:
    """Other bytes within each page, of which the rest of the file knows nothing."""
    group, content = pq.ParquetFile(file).metadata.row_group(0), bytearray(file.read_bytes())
    for column in map(group.column, range(group.num_columns)):
        start = column.dictionary_page_offset or column.data_page_offset
        content[start + column.total_compressed_size - 3] ^= 0xFF
    file.write_bytes(content)


def rename_column(file: Path) -> None:
    """Another name of a column in the footer: read by its own name, it would be a column without a value."""
    content, metadata = file.read_bytes(), pq.ParquetFile(file).metadata
    name = metadata.schema.column(1).name.encode()
    pages = sum(metadata.row_group(0).column(number).total_compressed_size for number in range(metadata.num_columns))
    file.write_bytes(content[:pages] + content[pages:].replace(name, name.swapcase()))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "is missing"),
    "empty": (lambda file: file.write_bytes(b""), r"has 0 of [\d,]+ bytes"),
    "truncated": (lambda file: file.write_bytes(file.read_bytes()[:-9]), r"has [\d,]+ of [\d,]+ bytes"),
    "longer": (lambda file: file.write_bytes(file.read_bytes() + b"x"), r"has [\d,]+ of [\d,]+ bytes"),
    "other bytes": (lambda file: file.write_bytes(b"x" * file.stat().st_size), "cannot be read: .*"),
    "flipped bytes": (flip, "cannot be read: could not verify page integrity.*"),
    "renamed column": (rename_column, "cannot be read: its footer does not have the checksum .*"),
    "other rows": (other_rows, r"has [\d,]+ of [\d,]+ bytes"),
}


def scan_rows(lake: Lake, spec: TableSpec) -> object:
    return read_rows(lake.table(spec.name).scan(AlwaysTrue()))


def read_in_batches(lake: Lake, spec: TableSpec) -> object:
    parts = [FilePart(file) for file in data_files(lake, spec, EARLY, LATE)]
    return list(read_batches(parts, spec.schema))


READERS: dict[str, Callable[[Lake, TableSpec], object]] = {
    "sql": lambda lake, spec: run_sql(lake, f"select sum(load) from {spec.name}"),
    "sql of a join": lambda lake, spec: run_sql(lake, f"select sum(a.load) from {spec.name} a, {spec.name} b"),
    "arrow": lambda lake, spec: read_dates(lake, spec, EARLY, LATE),
    "pyiceberg": scan_rows,
    "batches": read_in_batches,
    "distinct keys": lambda lake, spec: are_distinct(list(data_files(lake, spec, EARLY, LATE)), 3, spec, spec.key),
    "distributions": lambda lake, spec: published_distributions(lake, spec, [day(1), day(2)], ["machine", "load"]),
}


@pytest.fixture
def lake(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake of this process's settings: who names a file looks up its size and its model."""
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    monkeypatch.setattr("nightshift.lake.damage.get_settings", lambda: settings)
    return Lake(settings)


def damaged(lake: Lake, spec: TableSpec, damage: str) -> Path:
    """The file of a date of a published table, which is damaged."""
    publish_rows(lake, spec, ROWS)
    [file] = data_files(lake, spec, WRONG_DAY, WRONG_DAY)
    path = Path(file.removeprefix("file://"))
    DAMAGES[damage][0](path)
    return path


# Those that ask before they read; the rest are jobs, for which their driver asks. Other files look whole to them.
ASK_BEFORE = ("sql", "sql of a join", "arrow", "pyiceberg")
LOOK_WHOLE = ("other rows", "renamed column")


@pytest.mark.parametrize(
    ("reader", "damage"),
    [(reader, damage) for reader in READERS for damage in DAMAGES if damage not in LOOK_WHOLE or reader in ASK_BEFORE],
)
def test_who_reads_a_damaged_file_names_it(lake: Lake, readings: TableSpec, reader: str, damage: str) -> None:
    file = damaged(lake, readings, damage)
    with pytest.raises(
        DamagedFileError, match=f"^raw.readings of 2024-01-02: a data file {DAMAGES[damage][1]}: file://{file}; fix: "
    ) as raised:
        READERS[reader](lake, readings)
    assert "\n" not in str(raised.value)


def test_no_byte_changes_the_rows_unseen(lake: Lake, readings: TableSpec) -> None:
    """Of each byte, a changed bit is seen, or the rows are the same: also those of a filter, by a footer's bounds."""
    publish_rows(lake, readings, ROWS)
    [(file, size)] = data_files(lake, readings, WRONG_DAY, WRONG_DAY).items()
    path, stored = Path(file.removeprefix("file://")), dataset_of([file], readings.schema)
    content, rows = path.read_bytes(), stored.to_table(filter=pc.field("load") == 3.0)
    assert rows.num_rows == 1
    seen = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        seen += (is_seen := bool(file_problem(file, size)))
        assert is_seen or dataset_of([file], readings.schema).to_table(filter=pc.field("load") == 3.0) == rows, place
    assert seen > len(content) / 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_sql_on_other_tables_and_dates_goes_on(lake: Lake, readings: TableSpec, damage: str) -> None:
    scores = TableSpec(Layer.SCORES, "tiny", readings.columns, "source_date", readings.key)
    damaged(lake, readings, damage)
    publish_rows(lake, scores, ROWS)
    assert run_sql(lake, "select sum(load) from scores.tiny")[1] == [(6.0,)]
    assert len(run_sql(lake, "show all tables")[1]) == 2
    assert run_sql(lake, "select 1")[1] == [(1,)]
    assert read_dates(lake, readings, day(1), day(1)).num_rows == 2


COMMANDS = {
    "raw.plan": "nightshift build tiny --from 2024-01-02 --to 2024-01-02, which reads the landed files again",
    "quarantine.plan": "nightshift build tiny --from 2024-01-02 --to 2024-01-02, which reads the landed files again",
    "raw.unknown": "nightshift build <model> --from 2024-01-02 --to 2024-01-02, which reads the landed files again",
    "features.tiny": "nightshift build tiny --from 2024-01-02 --to 2024-01-02",
    "tiles.failures": "nightshift build tiny --from 2024-01-02 --to 2024-01-03, which reads the landed files again "
    "and computes the tile of them",
    "scores.tiny": "nightshift score tiny --night 2024-01-02",
    "shadow.tiny": "nightshift score tiny --night 2024-01-02",
    "monitoring.tiny": "nightshift score tiny --night 2024-01-02, which measures the night again",
    "monitoring.registry_events": "",
    "serving.tiny": "",
}


@pytest.mark.parametrize("table", COMMANDS)
def test_the_command_of_each_layer(lake: Lake, table: str) -> None:
    file = f"{lake.warehouse}/staged/{table}/2024-01-02-0a1b/2024-01-02-9f.parquet"
    ways = [COMMANDS[table], "restore the file from a backup"]
    line = f"{table} of 2024-01-02: a data file is missing: {file}; fix: {'; or '.join(filter(None, ways))}"
    assert str(find_damage([file])) == line
    assert str(reworded(line)) == line


def test_a_worker_without_definitions_is_reworded_by_its_driver(lake: Lake) -> None:
    file = f"{lake.warehouse}/staged/raw.plan/a b: c/2024-01-02-9f.parquet"
    here = str(damaged_file(file, "cannot be read: magic: bytes"))
    assert str(reworded(here.replace("build tiny", "build <model>"))) == here
    assert str(reworded("anything else")) == "anything else"


@pytest.mark.parametrize(
    ("table", "split", "command"),
    [
        ("tiles.failures", {"model": "tiny", "days": 8}, "nightshift build tiny --from 2024-01-02 --to 2024-01-10, "),
        ("tiles.failures", {"model": "gone", "days": 1}, "nightshift build gone --from 2024-01-02 --to 2024-01-02, "),
        ("monitoring.tiny", {"monitor": "drift"}, "nightshift score tiny --night 2024-01-02, which measures the night"),
        (
            "monitoring.tiny",
            {"monitor": "gate"},
            "nightshift score tiny --night 2024-01-02, which goes on without what ",
        ),
    ],
)
def test_the_command_follows_the_partition(lake: Lake, table: str, split: dict[str, object], command: str) -> None:
    folder = Path(lake.warehouse.removeprefix("file://")) / "staged" / table / "2024-01-02-0a1b"
    folder.mkdir(parents=True)
    (folder / "_staged.json").write_text(json.dumps({"split": split}))
    assert f"fix: {command}" in str(damaged_file(f"file://{folder}/2024-01-02-9f.parquet", "is missing"))


def test_a_long_tile_that_begins_before_the_schedule_is_built_from_its_start(lake: Lake) -> None:
    """The command is one that is not refused."""
    folder = Path(lake.warehouse.removeprefix("file://")) / "staged" / "tiles.failures" / "a"
    folder.mkdir(parents=True)
    (folder / "_staged.json").write_text(json.dumps({"split": {"model": "tiny", "days": 8}}))
    line = str(damaged_file(f"file://{folder}/2023-12-28-9f.parquet", "is missing"))
    assert "nightshift build tiny --from 2024-01-01 --to 2024-01-05, " in line


def test_a_whole_file_is_not_to_blame(lake: Lake, readings: TableSpec) -> None:
    publish_rows(lake, readings, ROWS)
    files = data_files(lake, readings, EARLY, LATE)
    assert find_damage(list(files)) is None
    assert not any(file_problem(file, size) for file, size in files.items())
    assert row_count(next(iter(files))) == 2
    with pytest.raises(TerminalError, match="the query failed: Conversion Error"):
        run_sql(lake, "select cast(machine as integer) from raw.readings")
