"""A source is declared otherwise between nights: its table has values of one reading, and it is said where not."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.definition.reading import source_readings
from nightshift.errors import TerminalError
from nightshift.lake.files import local_path
from nightshift.lake.read import read_dates
from nightshift.lake.readings import outdated_readings
from nightshift.lake.staging import load_staged, published_inputs
from nightshift.lake.tables import READINGS, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.history import reread_published
from nightshift.stages.ingest import ingest, ingest_history
from nightshift.stages.publish import publish
from nightshift.stages.rebuild import check_recipes, describe_outdated
from unit.tables import day

DECLARED = "      load: {type: number, required: true, min: 0, max: 1}\n"
FOLDER = "    path: plan-{date}.csv.gz\n"
# Edits of the source `plan`: what a file that both declarations can read holds by the second.
NULL = (DECLARED, "      load: {type: number}\n"), (FOLDER, f'{FOLDER}    csv: {{null: ["0.25"]}}\n')
FROM = ((DECLARED, "      load: {type: number, from: weight}\n"),)
MORE = ((DECLARED, f"{DECLARED}      weight: {{type: number}}\n"),)
DECIMAL = ((FOLDER, f'{FOLDER}    csv: {{decimal: ","}}\n'),)


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    """The tiny model with four published days of plans."""
    project = Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=models))
    for number in range(1, 5):
        land(project, day(number))
    publish(project, ingest_history(project, day(1), day(3)))
    publish(project, ingest_history(project, day(4), day(4)))
    return project


def land(project: Project, when: date, text: str = "machine,load,weight\na,0.5,2.5\nb,0.25,1.5\n") -> Path:
    file = Path(local_path(project.settings.landing_uri)) / f"plan-{when}.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()))
    return file


def edited(project: Project, *edits: tuple[str, str]) -> Project:
    file = project.settings.models_path / "tiny" / "model.yaml"
    text = file.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text)
    return Project("tiny", project.settings)


def loads(project: Project, column: str = "load") -> dict[int, tuple[float | None, ...]]:
    spec = raw_table(project.definition, "plan")
    rows = read_dates(project.lake, spec, day(1), day(9), columns=("source_date", "machine", column)).to_pylist()
    rows.sort(key=lambda row: (row["source_date"], row["machine"]))
    days = {row["source_date"].day for row in rows}
    return {number: tuple(row[column] for row in rows if row["source_date"] == day(number)) for number in days}


def build(project: Project) -> list[str]:
    return list(reread_published(project, lambda line: None))


def test_the_reading_is_recorded_with_every_date(project: Project) -> None:
    inputs = published_inputs(project.lake, raw_table(project.definition, "plan"), day(2))
    assert json.loads(inputs[READINGS]) == source_readings(project.definition, "plan")
    assert not outdated_readings(project.lake, project.definition)
    assert build(project) == []


@pytest.mark.parametrize(
    ("edits", "column", "values", "change"),
    [
        (NULL, "load", (0.5, None), "another definition of machine, load"),
        (FROM, "load", (2.5, 1.5), "another definition of load"),
        (MORE, "weight", (2.5, 1.5), "another definition of weight"),
    ],
)
def test_published_dates_are_read_again(
    project: Project, edits: tuple[tuple[str, str], ...], column: str, values: tuple[float | None, ...], change: str
) -> None:
    project = edited(project, *edits)
    [line] = [line for line in describe_outdated(project) if line.startswith("raw.plan")]
    assert line == f"raw.plan of 2024-01-01 to 2024-01-04 was read by {change}; fix: nightshift build tiny"
    assert build(project) == [f"raw.plan of 2024-01-01 to 2024-01-04 was of {change}: read again"]
    assert loads(project, column) == dict.fromkeys(range(1, 5), values)
    assert not outdated_readings(project.lake, project.definition)


def test_a_night_reads_them_again_beside_its_own_files_and_records_it(project: Project) -> None:
    project = edited(project, *FROM)
    land(project, day(5))
    outcomes = Path(local_path(project.settings.landing_uri)) / "outcomes" / f"{day(4)}.parquet"
    outcomes.parent.mkdir()
    pq.write_table(pa.table({"machine": ["a"], "failed": [True]}), outcomes)
    locations = ingest(project, day(5), "test", lambda line: None)
    staged = [(batch.table, batch.first, batch.last) for batch in map(load_staged, locations)]
    assert staged == [
        ("raw.plan", day(5), day(5)),
        ("raw.failures", day(4), day(4)),
        ("raw.plan", day(1), day(4)),
    ]
    [row] = project.monitored(day(5), day(5), "ingest")
    assert row["subject"] == "raw.plan of 2024-01-01 to 2024-01-04"
    assert row["detail"] == "was of another definition of load: read again"
    publish(project, locations)
    assert loads(project) == dict.fromkeys(range(1, 6), (2.5, 1.5))
    assert not outdated_readings(project.lake, project.definition)


def test_files_of_the_earlier_declaration_stay_as_they_were_read(project: Project) -> None:
    """The supplier writes a decimal comma from the fourth day on: what came before cannot be read so, and is right."""
    project = edited(project, *DECIMAL)
    land(project, day(4), 'machine,load\na,"0,5"\nb,"0,75"\n')
    retained = [
        f"raw.plan of {day(number)} stays as it was read before: plan-{day(number)}.csv.gz: "
        "column 'load' holds a number with a point, and its source writes a decimal comma"
        for number in (1, 2, 3)
    ]
    assert build(project) == [*retained, f"raw.plan of {day(4)} was of another definition of load: read again"]
    assert loads(project) == dict.fromkeys((1, 2, 3), (0.5, 0.25)) | {4: (0.5, 0.75)}
    assert build(project) == []
    assert not outdated_readings(project.lake, project.definition)


def test_a_column_that_old_files_lack_is_missing_there(project: Project) -> None:
    file = land(project, day(2), "machine,load\na,0.5\nb,0.25\n")
    project = edited(project, *MORE)
    lines = build(project)
    assert f"raw.plan of {day(2)} stays as it was read before: {file.name}: column 'weight' is missing" in lines
    assert loads(project, "weight") == dict.fromkeys((1, 3, 4), (2.5, 1.5)) | {2: (None, None)}


def test_dates_whose_files_are_gone_are_refused_in_a_line(project: Project) -> None:
    for number in (2, 3):
        land(project, day(number)).unlink()
    project = edited(project, *NULL)
    with pytest.raises(TerminalError) as refusal:
        build(project)
    text = str(refusal.value)
    assert "\n" not in text
    assert "raw.plan of 2024-01-02 to 2024-01-03 was read by another definition of machine, load" in text
    assert "no file of 2024-01-02 to 2024-01-03" in text and "fix: land them again" in text
    assert loads(project) == dict.fromkeys(range(1, 5), (0.5, 0.25))


def test_a_new_column_needs_no_file_that_is_gone(project: Project) -> None:
    land(project, day(2)).unlink()
    project = edited(project, *MORE)
    assert any("it is no longer in the landing folder" in line for line in build(project))
    assert loads(project, "weight") == dict.fromkeys((1, 3, 4), (2.5, 1.5)) | {2: (None, None)}


def test_a_training_refuses_rows_of_two_readings(project: Project) -> None:
    project = edited(project, *NULL)
    with pytest.raises(TerminalError) as refusal:
        check_recipes(project, day(1), day(4), 0)
    assert "raw.plan of 2024-01-01 to 2024-01-04 was read by another definition of machine, load" in str(refusal.value)
    assert "nightshift build tiny" in str(refusal.value)


def test_a_column_behind_nothing_stops_no_training(project: Project) -> None:
    check_recipes(edited(project, *MORE), day(1), day(4), 0)


def test_reading_back_and_forth_ends_where_it_began(project: Project) -> None:
    before = loads(project)
    changed = edited(project, *FROM)
    build(changed)
    assert loads(changed) != before
    back = edited(changed, (FROM[0][1], FROM[0][0]))
    build(back)
    assert loads(back) == before
