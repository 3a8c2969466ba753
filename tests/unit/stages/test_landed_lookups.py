"""Landed rows that take columns from another source: as files land, night by night."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.reading import source_readings
from nightshift.definition.source import Availability, Source
from nightshift.errors import DataError, DefinitionError, NotYetAvailable, TerminalError
from nightshift.lake.files import local_path
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.landed_rows import LandedRows
from nightshift.lake.read import read_dates
from nightshift.lake.staging import load_staged, published_inputs
from nightshift.lake.tables import raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import audit_and_publish
from nightshift.stages.ingest import ingest_history
from nightshift.stages.reread import reread
from unit.tables import day

TINY = PROJECT / "tests" / "models"
FAILED = "      failed: {type: boolean}\n"
LOOKUPS = "    lookups:\n      catalogue: {source: makers, key: [machine]}\n"
COLUMNS = """\
      maker: {type: string, lookup: catalogue}
      weight: {type: number, from: kilos, lookup: catalogue}
"""
MAKERS = """\
  makers:
    description: Who makes the machines.
    path: makers/{date}.parquet
    cadence: irregular
    available: {after: 12h}
    key: [machine]
    columns:
      machine: {type: string, required: true}
      maker: {type: string}
      kilos: {type: number}
"""


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    """The tiny model, whose failures know the maker of each machine. A day's failures are there a day later."""
    declare(models)
    return Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))


def declare(models: Path, *more: tuple[str, str]) -> None:
    file = models / "tiny" / "model.yaml"
    changes = (("    repeats: allow\n    columns:\n      machine: {type: string, required: true}\n" + FAILED,
                f"    repeats: allow\n{LOOKUPS}    columns:\n      machine: {{type: string, required: true}}\n"
                f"{FAILED}{COLUMNS}{MAKERS}"), *more)  # fmt: skip
    text = file.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text)


def land(project: Project, source: str, when: date, **columns: list[Any]) -> None:
    write(project.settings.landing_uri, project.definition.sources[source], when, **columns)


def write(landing: str, source: Source, when: date, **columns: list[Any]) -> None:
    path = Path(local_path(landing_file(landing, "", source, when).uri))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def read(project: Project, when: date) -> list[dict[str, Any]]:
    file = landing_file(project.settings.landing_uri, "failures", project.definition.sources["failures"], when)
    lookups = LandedLookups(project.definition, project.settings.landing_uri)
    rows = pa.concat_tables(LandedRows(project.definition, file, lookups))
    return [{name: row[name] for name in ("machine", "maker", "weight")} for row in rows.to_pylist()]


def test_published_rows_have_the_columns_of_what_they_look_up(project: Project) -> None:
    land(project, "makers", day(1), machine=["a", "b"], maker=["Ada", "Bob"], kilos=[1.5, 2.0])
    land(project, "failures", day(1), machine=["b", "c", "a"], failed=[True, False, None])
    staged = ingest_history(project, day(1), day(1))
    audit_and_publish(project, staged, day(1), "test", lambda line: None)
    spec = raw_table(project.definition, "failures")
    assert read_dates(project.lake, spec, day(1), day(1)).to_pylist() == [
        {"source_date": day(1), "machine": "a", "failed": None, "maker": "Ada", "weight": 1.5},
        {"source_date": day(1), "machine": "b", "failed": True, "maker": "Bob", "weight": 2.0},
        {"source_date": day(1), "machine": "c", "failed": False, "maker": None, "weight": None},
    ]
    assert f"look-up catalogue of {day(1)}" in published_inputs(project.lake, spec, day(1))


def test_a_file_looks_up_the_version_that_was_available_when_it_was(project: Project) -> None:
    """A version of a date is there at noon, the failures of that date with its end: so is the version of the same day,
    but not that of the next."""
    for number, maker in ((1, "old"), (3, "new"), (4, "late")):
        land(project, "makers", day(number), machine=["a"], maker=[maker], kilos=[1.0])
    for number in (1, 2, 3):
        land(project, "failures", day(number), machine=["a"], failed=[True])
    assert [read(project, day(number))[0]["maker"] for number in (1, 2, 3)] == ["old", "old", "new"]


def test_a_history_begins_with_the_version_that_its_first_date_looks_up(project: Project) -> None:
    """The version of a date is there at noon: at the first night's cutoff, at midnight, that of the day before is."""

    def versions(first: int, last: int) -> list[tuple[date, date]]:
        locations = ingest_history(project, day(first), day(last))
        if locations:
            audit_and_publish(project, locations, day(last), "test", lambda line: None)
        sets = map(load_staged, locations)
        return [(staged.first, staged.last) for staged in sets if staged.table == "raw.makers"]

    for number in (1, 2, 4, 5):
        land(project, "makers", day(number), machine=["a"], maker=["Ada"], kilos=[1.0])
    assert versions(3, 4) == [(day(2), day(4))]
    assert versions(5, 5) == [(day(5), day(5))]
    assert versions(6, 6) == []
    assert versions(1, 1) == [(day(1), day(1))]


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    models = Path(shutil.copytree(TINY, tmp_path_factory.mktemp("definition") / "models"))
    declare(models)
    return load_definition(models / "tiny")


@given(st.sets(st.integers(-3, 12), min_size=1, max_size=5), st.integers(-30, 60), st.integers(0, 10))
def test_the_version_is_the_newest_of_those_available(
    definition: ModelDefinition, versions: set[int], after: int, number: int
) -> None:
    """Against hours counted by hand: the clocks of the tiny model are UTC, a day's failures are there with its end."""
    available = Availability(after=timedelta(hours=after))
    makers = definition.sources["makers"].model_copy(update={"available": available})
    sources = definition.sources | {"makers": makers}
    with TemporaryDirectory() as landing:
        changed = definition.model_copy(update={"sources": sources})
        for version in versions:
            write(landing, makers, day(4) + timedelta(days=version), machine=["a"], maker=[str(version)], kilos=[1.0])
        file = landing_file(landing, "failures", sources["failures"], day(4) + timedelta(days=number))
        rows = pa.table({"machine": ["a"]})
        usable = [version for version in versions if 24 * version + after <= 24 * number + 24]
        if not usable:
            with pytest.raises(NotYetAvailable, match="no version of makers has landed that is available when the fil"):
                LandedLookups(changed, landing).complete(file, rows)
            return
        completed, inputs = LandedLookups(changed, landing).complete(file, rows)
        assert completed["maker"].to_pylist() == [str(max(usable))]
        assert list(inputs) == [f"look-up catalogue of {day(4) + timedelta(days=max(usable))}"]


def test_a_version_with_two_rows_of_a_key_is_refused(project: Project) -> None:
    land(project, "makers", day(1), machine=["a", "b", "b"], maker=["x", "y", "z"], kilos=[1.0, 1.0, 1.0])
    land(project, "failures", day(1), machine=["a"], failed=[True])
    with pytest.raises(DataError) as caught:
        read(project, day(1))
    message = str(caught.value)
    assert (
        f"makers/{day(1)}.parquet: it cannot be looked up: keys with more than one row, 1 of them; received " in message
    )
    assert message.endswith("fix: land the version again with one row of each key")


def test_rows_without_a_key_have_no_values_and_rows_keep_their_order(project: Project) -> None:
    land(project, "makers", day(1), machine=["a", "b"], maker=["Ada", None], kilos=[1.0, 2.0])
    land(project, "failures", day(1), machine=["b", None, "a", "b"], failed=[True, True, True, False])
    assert [(row["machine"], row["maker"], row["weight"]) for row in read(project, day(1))] == [
        ("b", None, 2.0), (None, None, None), ("a", "Ada", 1.0), ("b", None, 2.0),
    ]  # fmt: skip


def test_a_version_may_have_rows_without_a_key_and_dates_at_an_end_of_the_calendar(project: Project) -> None:
    land(project, "makers", date(1, 1, 1), machine=["a"], maker=["first"], kilos=[1.0])
    land(project, "makers", day(1), machine=["a", None, None], maker=["Ada", "x", "y"], kilos=[1.0, 2.0, 3.0])
    land(project, "makers", date.max, machine=["a"], maker=["never"], kilos=[1.0])
    land(project, "failures", day(1), machine=["a", None], failed=[True, True])
    assert [row["maker"] for row in read(project, day(1))] == ["Ada", None]


def test_the_key_in_the_rows_files_is_part_of_the_reading(project: Project, models: Path) -> None:
    file, before = models / "tiny" / "model.yaml", source_readings(project.definition, "failures")
    old = "      machine: {type: string, required: true}\n      failed:"
    assert file.read_text().count(old) == 1
    file.write_text(file.read_text().replace(old, old.replace("{type", "{from: engine, type")))
    after = source_readings(Project("tiny", project.settings).definition, "failures")
    assert {name for name in before if before[name] != after[name]} == {"machine", "maker", "weight"}


def test_a_changed_look_up_whose_version_is_gone_is_refused(project: Project, models: Path) -> None:
    """Its old values are not taken for those of the current declaration."""
    land(project, "makers", day(1), machine=["a"], maker=["Ada"], kilos=[1.5])
    land(project, "failures", day(1), machine=["a"], failed=[True])
    audit_and_publish(project, ingest_history(project, day(1), day(1)), day(1), "test", lambda line: None)
    version = landing_file(project.settings.landing_uri, "makers", project.definition.sources["makers"], day(1))
    Path(local_path(version.uri)).unlink()
    file, kilos = models / "tiny" / "model.yaml", "      kilos: {type: number}\n"
    text = file.read_text().replace("from: kilos,", "from: tons,")
    file.write_text(text.replace(kilos, kilos + kilos.replace("kilos", "tons")))
    changed = Project("tiny", project.settings)
    with pytest.raises(TerminalError) as caught:
        reread(changed, ())
    assert "weight" in str(caught.value) and "no version of makers has landed" in str(caught.value)
    assert "fix: land that version again, or declare the columns as before" in str(caught.value)


def test_a_reading_names_the_source_that_is_looked_up(project: Project, models: Path) -> None:
    before = source_readings(project.definition, "failures")
    assert json.loads(before["weight"]) == [
        "number",
        "makers",
        [["1 day, 0:00:00", "UTC"], ["12:00:00", "UTC"]],
        ["string", "machine", ""],
        ["string", "machine", ""],
        ["number", "kilos", ""],
    ]
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("{after: 12h}", "{after: 13h}"))
    after = source_readings(Project("tiny", project.settings).definition, "failures")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"maker", "weight"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("source: makers", "source: makes", r"lookups\.catalogue\.source: unknown source; received 'makes'"),
        ("cadence: irregular", "cadence: daily", r"lookups\.catalogue\.source: needs full versions; received 'daily'"),
        ("key: [machine]}", "key: [machine, machine]}", r"lookups\.catalogue\.key: names a column twice"),
        ("key: [machine]}", "key: [failed]}", r"lookups\.catalogue\.key: a look-up needs exactly one row per key"),
        ("      maker: {type: string, lookup: catalogue}", "      maker: {type: string, lookup: catalog}",
         r"columns\.maker\.lookup: unknown look-up; received 'catalog'; allowed: catalogue"),
        ("from: kilos, ", "", r"columns\.weight: source 'makers' has no such column; received 'weight'; allowed: mach"),
        ("weight: {type: number", "weight: {type: integer",
         r"columns\.weight\.type: has another type in 'makers'; received 'integer'; allowed: number"),
        (COLUMNS, "", r"lookups\.catalogue: no column takes anything from it; fix: declare a column with `lookup: cat"),
    ],
)  # fmt: skip
def test_a_look_up_that_cannot_be_is_one_line(models: Path, old: str, new: str, says: str) -> None:
    declare(models)
    file = models / "tiny" / "model.yaml"
    assert file.read_text().count(old) == 1
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DefinitionError, match=says) as caught:
        Project("tiny", Settings(home=PROJECT, models_folder=models))
    [problem] = caught.value.problems
    assert "sources.failures." in str(problem)
