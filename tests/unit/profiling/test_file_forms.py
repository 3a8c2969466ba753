"""Contracts of files that are not plain CSV, or whose columns have names that a definition cannot give."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nightshift.definition.draft import Draft, find_draft
from nightshift.definition.source import Source
from nightshift.definition.source_rules import source_file_problems
from nightshift.definition.yaml_tree import plain
from nightshift.lake.landed_files import read_landed
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.tables import Layer, TableSpec
from nightshift.profiling.column_names import column_names, name_problem, similar_name
from nightshift.profiling.proposal import Proposal
from nightshift.profiling.propose import propose
from nightshift.profiling.source_profile import profile_landed_files

DAYS = [date(2024, 3, 1) + timedelta(days=n) for n in range(4)]


def declared(models: Path, source: str) -> Draft:
    folder = models / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"    {line}" for line in source.strip().splitlines())
    (folder / "model.yaml").write_text(f"name: shop\nsources:\n  orders:\n{lines}\n")
    return find_draft(models, "shop", "orders")


def proposed(landing: Path, draft: Draft) -> Proposal:
    return propose(
        "shop", "orders", draft, profile_landed_files(str(landing), "orders", draft, DAYS, lambda line: None)
    )


def source_of(proposal: Proposal) -> Source:
    [(_, values)] = plain(YAML().load(proposal.to_yaml()))["sources"].items()
    return Source.model_validate(values)


def ingested(landing: Path, source: Source) -> pa.Table:
    spec = TableSpec(Layer.RAW, "orders", {"source_date": "date", **source.landed}, "source_date", ())
    files = [landing_file(str(landing), "orders", source, day) for day in DAYS]
    return pa.concat_tables(read_landed(file, source, spec)[0] for file in files).drop(["source_date"])


def land(landing: Path, text: str) -> None:
    for number, day in enumerate(DAYS):
        (landing / f"{day}.csv").write_text(text.replace("NUMBER", str(number)))


def test_columns_with_other_names_in_the_files_are_proposed_with_both_names(tmp_path: Path) -> None:
    land(tmp_path, "Dep Time,shipWeight,2nd,id\nNUMBER,1.5,x,i0\n7,2.5,y,i1\n")
    proposal = proposed(tmp_path, find_draft(tmp_path / "none", "shop", "orders", "{date}.csv"))
    source = source_of(proposal)
    assert source.file_columns == {"dep_time": "Dep Time", "ship_weight": "shipWeight", "id": "id"}
    assert [str(column.type) for column in source.columns.values()] == ["integer", "number", "string"]
    assert list(source_file_problems(source)) == []
    assert ingested(tmp_path, source)["dep_time"].to_pylist() == [0, 7, 1, 7, 2, 7, 3, 7]
    [note] = proposal.notes
    assert "column '2nd' is left out: not a name" in note and "`from` can give it another one" in note


def test_declared_names_in_the_files_stay(tmp_path: Path) -> None:
    land(tmp_path, "Dep Time,dep_time,label\nNUMBER,x,1\n7,y,2\n")
    draft = declared(
        tmp_path,
        """path: "{date}.csv"
columns:
  dep_time: {from: Dep Time, type: integer}
  outcome: {from: label, type: integer}
""",
    )
    proposal = proposed(tmp_path, draft)
    source = source_of(proposal)
    assert source.file_columns == {"dep_time": "Dep Time", "outcome": "label"}
    assert proposal.notes == ()
    assert ingested(tmp_path, source).to_pydict() == {"dep_time": [0, 7, 1, 7, 2, 7, 3, 7], "outcome": [1, 2] * 4}


def test_files_are_profiled_as_they_are_declared_to_be_written(tmp_path: Path) -> None:
    land(tmp_path, "id;weight;note\n'a;1';1,5;-\n'b';NUMBER,25;x\\'y\n")
    declaration = 'path: "{date}.csv"\ncsv: {separator: ";", quote: "\'", escape: "\\\\", decimal: ",", null: ["-"]}\n'
    draft = declared(tmp_path, declaration)
    source = source_of(proposed(tmp_path, draft))
    assert source.csv == draft.source.csv
    assert {name: column.type for name, column in source.columns.items()} == {
        "id": "string",
        "weight": "number",
        "note": "string",
    }
    assert ingested(tmp_path, source).to_pylist()[:2] == [
        {"id": "a;1", "weight": 1.5, "note": None},
        {"id": "b", "weight": 0.25, "note": "x'y"},
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([0, 1, 1], pa.int8()), "integer"),
        (pa.array([2019, 2020, 2021], pa.int32()), "integer"),
        (pa.array([2.0**53, 0.5, 1.0]), "number"),
        (pa.array([2**53, 1, 2]), "integer"),
        (pa.array([1, 2, None], pa.timestamp("s", "UTC")), "timestamp"),
        (pa.array([1, 2, 3], pa.time32("s")), "string"),
        (pa.array([1, 2, 3], pa.timestamp("ns")), None),
        (pa.array([1, 2, 3], pa.duration("s")), None),
    ],
)
def test_a_type_is_proposed_that_ingest_accepts(tmp_path: Path, values: pa.Array, kind: str | None) -> None:
    for day in DAYS:
        pq.write_table(pa.table({"id": ["a", "b", "c"], "value": values}), tmp_path / f"{day}.parquet")
    proposal = proposed(tmp_path, find_draft(tmp_path / "none", "shop", "orders", "{date}.parquet"))
    source = source_of(proposal)
    assert source.landed.get("value") == kind
    assert ingested(tmp_path, source).num_rows == 3 * len(DAYS)
    assert bool(proposal.notes) == (kind is None)


# ---- names


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("Dep Time", "dep_time"),
        ("depTime", "dep_time"),
        ("DEP-TIME (min)", "dep_time_min"),
        ("größe", "groesse"),
        ("Öltemperatur °C", "oeltemperatur_c"),
        ("Durée", "duree"),
        ("id", "id"),
        ("2nd", "2nd"),
        ("", ""),
    ],
)
def test_a_similar_name(name: str, similar: str) -> None:
    assert similar_name(name) == similar


NAMES = st.sampled_from(["a", "A", "a b", "A B", "a_b", "label", "2", "", "x"])


@given(st.lists(NAMES, unique=True), st.dictionaries(st.sampled_from(["a", "a_b", "x", "y"]), NAMES, max_size=3))
def test_every_column_of_a_file_has_a_name_of_its_own(landed: list[str], files: dict[str, str]) -> None:
    by_file_name = {name: column for column, name in files.items()}
    declaration = {column: name for name, column in by_file_name.items()}  # a column of the file once
    columns = column_names(landed, declaration)
    assert len(set(columns.values())) == len(columns)
    assert set(columns) <= set(landed)
    for column, name in declaration.items():
        assert name not in landed or columns[name] == column
    for name in landed:
        if not name_problem(name) and name not in {*declaration, *declaration.values()}:
            assert columns[name] == name


def test_a_file_that_ingest_would_refuse_is_skipped_and_named(tmp_path: Path) -> None:
    land(tmp_path, "id,size\ni0,NUMBER\ni1,2\n")
    (tmp_path / f"{DAYS[1]}.csv").write_text("id,size\ni0,1\nid,size\n")
    (tmp_path / f"{DAYS[2]}.csv").write_text('id,size\n"i0"x,1\n')
    proposal = proposed(tmp_path, find_draft(tmp_path / "none", "shop", "orders", "{date}.csv"))
    assert ["row 2: the header once more" in proposal.notes[0], "text behind a closing quote" in proposal.notes[1]] == [
        True
    ] * 2
