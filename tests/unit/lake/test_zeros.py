"""-0.0 and 0.0 are one value wherever rows are grouped, joined or named by a number."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

from nightshift.features.plan import Tile
from nightshift.features.tiling import TileReader, TileWriter, key_codes
from nightshift.lake.catalog import Lake
from nightshift.lake.groups import Group
from nightshift.lake.labels import join_labels, read_row_labels
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import Layer, TableSpec, raw_table
from nightshift.lake.zeros import plain_zeros, with_plain_zeros
from nightshift.monitoring.outcomes import settle_labels
from nightshift.monitoring.profile import BinnedRows, learn_bins, profile_slices
from unit.conftest import Edit
from unit.features.tile_files import IDENTITY, aggregates
from unit.tables import day

ZEROS = [0.0, -0.0, None, 1.5, -1.5, math.inf]


@pytest.mark.parametrize("stored", [pa.float64(), pa.float32()])
def test_only_the_sign_of_a_zero_changes(stored: pa.DataType) -> None:
    values = pa.array(ZEROS, stored)
    assert [repr(value) for value in plain_zeros(values).to_pylist()] == ["0.0", "0.0", "None", "1.5", "-1.5", "inf"]
    assert plain_zeros(values).type == stored
    assert plain_zeros(pa.array(["-0.0"])).to_pylist() == ["-0.0"]
    rows = with_plain_zeros(pa.table({"zone": values, "load": values, "name": ["-0.0"] * 6}), ["zone", "name"])
    assert [repr(value) for value in rows.slice(1, 1).to_pylist()[0].values()] == ["0.0", "-0.0", "'-0.0'"]


def test_zeros_have_one_number_among_keys() -> None:
    first, second, missing, *_ = key_codes([pa.array(ZEROS), pa.array([1] * 6)], 6).tolist()
    assert first == second >= 0 > missing


def test_a_tile_has_one_row_for_zero_and_is_read_by_either_sign(tmp_path: Path) -> None:
    counted = {"n": aggregates("", ("zone",))["n"]}
    group = Group(("zone",), counted, {"n": "n"})
    columns = IDENTITY | {"key_zone": "number", "n__n": "integer"}
    spec = TableSpec(Layer.TILES, "s", columns, "source_date", ("source_date", "by"), split_by=("model", "days"))
    writer = TileWriter("tiny", spec, (group,), tmp_path.as_uri())
    rows = pa.table(
        {"source_date": [day(1)] * 8, "zone": [-0.0, 0.0, -0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "_true": [True] * 8}
    )
    tile = Tile(day(1), 1)
    [file] = writer.write_days(rows, {"n": "_true"}, {tile: "x"})
    reader = TileReader(spec, {tile: [file.file]})
    for zero in (0.0, -0.0):
        assert reader.read(group, [tile], [pa.array([zero])]).select(["key_zone", "n__n"]).to_pylist() == [
            {"key_zone": 0.0, "n__n": 3}
        ]


def test_labels_of_either_zero_are_those_of_one_observation() -> None:
    rows = pa.table({"score_date": [day(1)] * 2, "zone": [-0.0, 1.0], "load": [0.5, 0.25]})
    labels = pa.table({"score_date": [day(1)] * 2, "zone": [0.0, 1.0], "label": [1.0, 0.0]})
    assert join_labels(rows, labels, ("zone",))["label"].to_pylist() == [1.0, 0.0]
    twice = pa.table({"score_date": [day(1)] * 2, "zone": [0.0, -0.0], "label": [1.0, 0.0]})
    assert settle_labels(twice, ("zone",))[1] == 1


def test_a_label_of_minus_zero_is_zero(lake: Lake, edit: Edit) -> None:
    definition = edit("  expression: failed", "  expression: -cast(failed as double)")
    spec = raw_table(definition, "failures")
    rows = pa.Table.from_pylist([{"source_date": day(1), "machine": "a", "failed": False}], schema=spec.schema)
    publish(lake, spec, stage_arrow(lake, spec, rows, day(1), day(1), {}))
    [label] = read_row_labels(lake, definition, day(1), day(1))["label"].to_pylist()
    assert repr(label) == "0.0"


def test_zeros_are_one_slice() -> None:
    rows = pa.table({"zone": [0.0, -0.0, 1.0]})
    slices = profile_slices(BinnedRows.of(rows, learn_bins(rows, {"zone": "number"})), rows, ["zone"])
    assert {name: profile.rows for name, profile in slices.items()} == {"zone=0": 2, "zone=1": 1}
