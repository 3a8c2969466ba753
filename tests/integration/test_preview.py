"""What a night would compute is shown before anything is built: by the night's own job, and without a trace."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from air import STATIONS, decide, land_air
from unit.cli.commands import Command, commands_in_this_process

from nightshift.lake.landed_parts import landing_file
from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.history import build_history
from nightshift.stages.preview import preview

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("jobs_in_this_process")]

MODELS = Path(__file__).parents[1] / "models"
NIGHT = date(2024, 1, 20)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    folders = {"NIGHTSHIFT_VAR": str(tmp_path / "var"), "NIGHTSHIFT_MODELS_FOLDER": str(tmp_path / "models")}
    with commands_in_this_process(folders, monkeypatch, capfd) as command:
        yield command


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(file), file.stat().st_size) for file in folder.rglob("*") if file.is_file())


def measured(file: Path) -> dict[str, float]:
    """The fine dust of a landed file, by station."""
    with file.open() as lines:
        return {row["Station"]: float(row["PM25"]) for row in csv.DictReader(lines) if row["PM25"]}


def test_a_proposed_model_is_previewed_with_nothing_published(run: Command, tmp_path: Path) -> None:
    last = land_air(tmp_path / "var" / "landing", 30)
    assert run("new", "air").code == 0
    decide(
        tmp_path / "models" / "air" / "model.yaml", description="Whether fine dust is above 25", expression="pm25 > 25"
    )
    before = listing(tmp_path)
    night = last - timedelta(days=1)
    ended = run("preview", "air", "--night", str(night), "--csv", "--rows", "100")
    assert ended.code == 0, ended.err
    rows = list(csv.DictReader(ended.out.splitlines()))
    landed = tmp_path / "var" / "landing" / "measurements"
    labels = {station: dust > 25 for station, dust in measured(landed / f"{night}.csv").items()}
    assert {row["station"]: row["label"] for row in rows if row["label"]} == {
        station: str(float(label)) for station, label in labels.items()
    }
    assert f"label: {STATIONS - len(labels)} of {STATIONS} observations have no label" in ended.err
    week = [measured(landed / f"{night - timedelta(days=back)}.csv") for back in range(1, 8)]
    for row in rows:
        values = [dust[row["station"]] for dust in week if row["station"] in dust]
        assert float(row["mean_pm25_7d"]) == pytest.approx(sum(values) / len(values))
    assert listing(tmp_path) == before

    unlabelled = run("preview", "air", "--night", str(last), "--format", "json", "--rows", "2")
    assert len(json.loads(unlabelled.out)) == 2
    assert f"label: no file of 'measurements' for {last} has landed" in unlabelled.err
    assert listing(tmp_path) == before


def test_keys_seen_lately_are_previewed(run: Command, tmp_path: Path) -> None:
    last = land_air(tmp_path / "var" / "landing", 30)  # of which there are no measurements yet
    assert run("new", "dust", "--source", "measurements").code == 0
    decide(tmp_path / "models" / "dust" / "model.yaml", description="Whether dust is above 25", expression="pm25 > 25")
    before = listing(tmp_path)
    ended = run("preview", "dust", "--night", str(last), "--csv", "--rows", "100")
    assert ended.code == 0, ended.err
    assert len(list(csv.DictReader(ended.out.splitlines()))) == STATIONS
    assert listing(tmp_path) == before


def test_a_preview_is_what_the_night_publishes_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    project = Project("tiny", Settings(home=PROJECT, var=tmp_path / "var", models_folder=MODELS))
    land(project, NIGHT + timedelta(days=1))
    for name, source in project.definition.sources.items():  # a date without a file within the window
        if name == "failures":
            file = landing_file(project.settings.landing_uri, name, source, NIGHT - timedelta(days=2))
            Path(file.uri.removeprefix("file://")).unlink()
    shown = preview(project, NIGHT, lambda line: None)
    assert any("failures: 1 date has not landed (2024-01-18)" in line for line in shown.left_out), shown.left_out
    build_history(project, date(2024, 1, 1), NIGHT, lambda line: None)
    spec = features_table(project.definition)
    published = read_dates(project.lake, spec, NIGHT, NIGHT).sort_by([(name, "ascending") for name in spec.key])
    assert shown.rows.drop_columns("label").select(published.column_names).to_pylist() == published.to_pylist()
    assert shown.labelled == shown.rows.num_rows == 60

    before = listing(tmp_path)
    for file in (tmp_path / "var" / "landing").rglob("*.*"):
        file.unlink()  # the raw tables have the rows still
    again = preview(project, NIGHT, lambda line: None)
    assert again.rows.to_pylist() == shown.rows.to_pylist()
    assert [name for name, _ in listing(tmp_path)] == [name for name, _ in before if "/landing/" not in name]
