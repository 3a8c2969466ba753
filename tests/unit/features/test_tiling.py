"""Tiles as files: how they are written, and that reading loses nothing."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.features.plan import Tile
from nightshift.features.tiles import published_tiles
from nightshift.features.tiling import TileFile, TileReader, TileWriter, key_codes
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.groups import OVERALL, Group
from nightshift.lake.publish import publish
from nightshift.lake.staging import new_attempt, seal, staging_folder
from unit.examples import examples
from unit.features.spans import DAY, START, tile_at
from unit.features.tile_files import (
    BY_NAME,
    BY_THREE,
    BY_TWO,
    GROUPS,
    KEYS,
    OPERANDS,
    OVER_ALL,
    SPEC,
    Row,
    by_hand,
    contents,
    fingerprints,
    landed,
    longer,
    row,
    some_rows,
    write,
)


@pytest.fixture
def writer(tmp_path: Path) -> TileWriter:
    return TileWriter("tiny", SPEC, GROUPS, tmp_path.as_uri())


# ---- a file


def test_each_group_is_a_row_group_of_its_own_with_its_name_its_keys_and_its_partials(writer: TileWriter) -> None:
    [(_, [file])] = write(writer, [row("a"), row("b"), row("a", flag=False)]).items()
    parquet = pq.ParquetFile(local_path(file))
    assert parquet.schema_arrow.equals(SPEC.schema)
    assert parquet.num_row_groups == len(GROUPS)
    for number, group in enumerate(GROUPS):
        row_group = parquet.read_row_group(number)
        assert set(row_group["by"].to_pylist()) == {group.name}
        unused = {f"key_{name}" for name in KEYS} - set(group.keys)
        assert all(row_group[name].null_count == row_group.num_rows for name in unused)
        assert all(row_group[name].null_count == 0 for name in [*group.keys, "n__n", "total__n"])
    assert {group.name for group in GROUPS} == {"name", OVERALL, "number, day, flag", "flag, name"}


def test_every_row_has_its_model_span_first_day_and_fingerprint(writer: TileWriter) -> None:
    files = write(writer, [row(), row("b", day=1)])
    [week] = longer(writer, tile_at(0, 8), files)
    written = {**files, week.tile: [week.file]}
    origins = {tile_at(0, 1): f"from {START}", tile_at(1, 1): f"from {START + DAY}", tile_at(0, 8): "from its parts"}
    for of, [file] in written.items():
        rows = pq.ParquetFile(local_path(file)).read().select(["model", "days", "source_date", "made_from"]).to_pylist()
        assert {tuple(row.values()) for row in rows} == {("tiny", of.days, of.start, origins[of])}


def test_a_writer_returns_the_number_of_rows_of_each_file(writer: TileWriter) -> None:
    table = landed([row("a"), row("b"), row("b"), row("c", day=3)])
    written = list(writer.write_days(table, OPERANDS, fingerprints(table)))
    assert {tile_file.tile for tile_file in written} == {tile_at(0, 1), tile_at(3, 1)}
    for tile_file in written:
        assert tile_file.rows == pq.read_metadata(local_path(tile_file.file)).num_rows
        assert TileFile.of(tile_file.to_batch().to_pylist()[0]) == tile_file


def test_no_rows_are_no_tiles(writer: TileWriter) -> None:
    assert write(writer, []) == {}


def test_a_limb_that_no_value_has_is_null_in_the_file(writer: TileWriter) -> None:
    [(_, [file])] = write(writer, [row(v=1.0)]).items()
    rows = pq.ParquetFile(local_path(file)).read()
    assert {n for n in range(5) if rows[f"total__sum{n}"].null_count < rows.num_rows} == {2}


# ---- keys


def test_a_row_with_a_null_in_a_key_counts_in_the_groups_without_that_column_only(writer: TileWriter) -> None:
    rows = [row(None), row("a"), row("a", flag=None), row(None, flag=None), row(None, number=None, flag=False)]
    files = write(writer, rows)
    assert {key: values[0] for key, values in contents(files, BY_NAME, files).items()} == {("a",): 2}
    assert {key: values[0] for key, values in contents(files, OVER_ALL, files).items()} == {(): 5}
    assert {key: values[0] for key, values in contents(files, BY_TWO, files).items()} == {(True, "a"): 1}
    assert {key: values[0] for key, values in contents(files, BY_THREE, files).items()} == {(0, START, True): 2}


@pytest.mark.parametrize(
    "rows", [[row(None)], [row(None, flag=None)], [row(number=None)], [row(None), row("a", day=1)]]
)
def test_a_group_without_keys_does_not_affect_other_groups(writer: TileWriter, rows: list[Row]) -> None:
    files = write(writer, rows)
    longer_files = {tile_at(0, 8): [group.file for group in longer(writer, tile_at(0, 8), files)]}
    for group in GROUPS:
        assert contents(files, group, files) == by_hand(rows, group)
        assert contents(longer_files, group, longer_files) == by_hand(rows, group)


@pytest.mark.slow
@examples(max_examples=30)
@given(some_rows)
def test_tiles_of_a_day_hold_what_the_rows_of_the_day_say(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    writer = TileWriter("tiny", SPEC, GROUPS, tmp_path_factory.mktemp("tiles").as_uri())
    files = write(writer, rows)
    assert set(files) == {Tile(group["source_date"], 1) for group in rows}
    for group in GROUPS:
        for of in files:
            assert contents(files, group, [of]) == by_hand([r for r in rows if r["source_date"] == of.start], group)


@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.integers(-3, 3))] * 4), max_size=30),
    st.integers(0, 4),
)
def test_rows_have_the_same_number_if_and_only_if_they_have_the_same_key(
    rows: list[tuple[int | None, ...]], columns: int
) -> None:
    keys = [row[:columns] for row in rows]
    codes = key_codes([pa.array([key[n] for key in keys], pa.int64()) for n in range(columns)], len(rows)).tolist()
    assert [code < 0 for code in codes] == [None in key for key in keys]
    coded = [(key, code) for key, code in zip(keys, codes, strict=True) if code >= 0]
    assert len(set(coded)) == len({key for key, _ in coded}) == len({code for _, code in coded})


def test_the_numbers_of_long_keys_of_many_values_do_not_run_over() -> None:
    """Five columns of ten thousand values each have more keys than there are whole numbers."""
    chance = np.random.default_rng(0)
    columns = [chance.permutation(10_000) for _ in range(5)]
    codes = key_codes([pa.array([*column, *column]) for column in columns], 20_000)
    assert codes.min() >= 0
    assert codes[:10_000].tolist() == codes[10_000:].tolist()
    assert len(set(codes.tolist())) == 10_000


# ---- tiles of tiles


@pytest.mark.slow
@examples(max_examples=30)
@given(some_rows, st.randoms(use_true_random=False))
def test_a_tile_of_tiles_is_that_of_all_their_rows_however_they_were_spread_over_files(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], chance: random.Random
) -> None:
    writer = TileWriter("tiny", SPEC, GROUPS, tmp_path_factory.mktemp("tiles").as_uri())
    single = write(writer, rows)
    spread: dict[Tile, list[str]] = {}
    shuffled, cut = chance.sample(rows, len(rows)), chance.randint(0, len(rows))
    for part in (shuffled[:cut], shuffled[cut:]):
        for of, names in write(writer, part).items():
            spread.setdefault(of, []).extend(names)
    week = tile_at(0, 8)
    inside = [row for row in rows if row["source_date"] in set(week.dates)]
    merged, merged_spread = (
        [tile_file.file for tile_file in longer(writer, week, parts)] for parts in (single, spread)
    )
    for of in GROUPS:
        expected = contents({week: merged}, of, [week])
        assert expected == by_hand(inside, of)
        assert contents({week: merged_spread}, of, [week]) == expected
        # A tile in two files is read like one.
        days = sorted(single)
        assert contents(spread, of, days) == contents(single, of, days) == by_hand(rows, of)
    reader = TileReader(SPEC, {week: merged_spread})
    assert all(reader.read(of, [week]).num_rows == len(by_hand(inside, of)) for of in GROUPS)


def test_a_longer_tile_is_built_without_missing_parts(writer: TileWriter) -> None:
    files = write(writer, [row("a"), row("b", day=6)])
    [week] = longer(writer, tile_at(0, 8), files)
    assert week.rows == 2 + 1 + 1 + 2
    assert contents({week.tile: [week.file]}, BY_NAME, [week.tile]).keys() == {("a",), ("b",)}


# ---- reading


def test_only_the_tiles_that_are_asked_for_are_read_and_those_that_are_missing_are_not_missed(
    writer: TileWriter,
) -> None:
    files = write(writer, [row("a"), row("b", day=1), row("c", day=2)])
    requested = [tile_at(2, 1), tile_at(0, 1), tile_at(5, 1), tile_at(0, 8)]
    assert contents(files, BY_NAME, requested).keys() == {("a",), ("c",)}
    reader = TileReader(SPEC, files)
    rows = reader.read(BY_NAME, requested).select(["days", "source_date"]).to_pylist()
    assert [(row["source_date"], row["days"]) for row in rows] == [(START + 2 * DAY, 1), (START, 1)]


@pytest.mark.parametrize("of", GROUPS, ids=lambda group: group.name)
def test_reading_no_files_gives_an_empty_table_with_every_column(writer: TileWriter, of: Group) -> None:
    files = write(writer, [row()])
    reader = TileReader(SPEC, files)
    full, empty, missing = reader.read(of, files), reader.read(of, []), reader.read(of, [tile_at(9, 1)])
    assert full.column_names == [*of.keys, *of.partial_columns, "days", "source_date"]
    assert [field.type for field in full.schema] == [SPEC.schema.field(name).type for name in full.column_names]
    assert empty.equals(missing)
    assert empty.schema.equals(full.schema)
    assert empty.num_rows == 0


@pytest.mark.slow
@examples(max_examples=30)
@given(some_rows, st.data())
def test_a_reader_with_requested_keys_returns_all_their_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], data: st.DataObject
) -> None:
    writer = TileWriter("tiny", SPEC, GROUPS, tmp_path_factory.mktemp("tiles").as_uri())
    files = write(writer, rows)
    for of in GROUPS:
        features_by_key = contents(files, of, sorted(files))
        wanted = data.draw(st.lists(st.sampled_from([*features_by_key]))) if features_by_key else []
        kinds = {"string": pa.string(), "integer": pa.int64(), "date": pa.date32(), "boolean": pa.bool_()}
        columns = [
            pa.array({key[number] for key in wanted} | {None}, kinds[KEYS[column]])
            for number, column in enumerate(of.by)
        ]
        reader = TileReader(SPEC, files)
        every, filtered = (reader.read(of, sorted(files), keys).to_pylist() for keys in ((), columns))
        assert all(row in every for row in filtered)
        keys = set(wanted)
        matter = [row for row in every if tuple(row[column] for column in of.keys) in keys]
        assert [row for row in filtered if tuple(row[column] for column in of.keys) in keys] == matter


def test_rows_of_other_keys_are_left_out_if_there_are_many(writer: TileWriter) -> None:
    files = write(writer, [row(f"{number}") for number in range(100)])
    reader = TileReader(SPEC, files)
    rows_read = reader.read(BY_NAME, files, [pa.array(["7", "93", "none", None])])
    assert sorted(rows_read["key_name"].to_pylist()) == ["7", "93"]


# ---- in a lake


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([row("a"), row("b"), row("c", day=1)], id="tiles of two days"),
        pytest.param([row(None), row("c", day=1)], id="a group without a key"),
    ],
)
def test_written_tiles_are_published_and_read_back(
    lake: Lake, caplog: pytest.LogCaptureFixture, rows: list[Row]
) -> None:
    """Iceberg warns of every column whose bounds it is to keep and does not find: hundreds of lines a night."""
    attempt = new_attempt(START, START + DAY)
    writer = TileWriter("tiny", SPEC, GROUPS, staging_folder(lake.warehouse, SPEC.name, attempt))
    table = landed(rows)
    written = list(writer.write_days(table, OPERANDS, fingerprints(table)))
    counts = {tile_file.file: tile_file.rows for tile_file in written}
    staged = seal(
        writer.folder, SPEC.name, attempt, START, START + DAY, {}, {"model": "tiny", "days": 1}, row_counts=counts
    )
    with caplog.at_level(logging.WARNING):
        publish(lake, SPEC, staged)
    assert not caplog.records
    published = published_tiles(lake, SPEC, "tiny", {tile_at(0, 1), tile_at(1, 1), tile_at(2, 1)})
    assert {of: tile_file.fingerprint for of, tile_file in published.items()} == fingerprints(table)
    files = {of: list(tile_file.files) for of, tile_file in published.items()}
    assert files == {tile_file.tile: [tile_file.file] for tile_file in written}
    for of in GROUPS:
        assert contents(files, of, files) == by_hand(rows, of)
    assert lake.table(SPEC.name).scan().to_arrow().num_rows == sum(counts.values()) == staged.rows


def test_a_tile_without_any_key_has_no_file_and_is_published_empty(lake: Lake) -> None:
    groups, attempt = (BY_NAME, BY_TWO), new_attempt(START, START)
    writer = TileWriter("tiny", SPEC, groups, staging_folder(lake.warehouse, SPEC.name, attempt))
    table = landed([row(None)])
    assert list(writer.write_days(table, OPERANDS, fingerprints(table))) == []
    split: dict[str, str | int] = {"model": "tiny", "days": 1}
    publish(lake, SPEC, seal(writer.folder, SPEC.name, attempt, START, START, {}, split, row_counts={}))
    assert published_tiles(lake, SPEC, "tiny", {tile_at(0, 1)}) == {}
