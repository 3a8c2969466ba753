"""The sources that landed files look like: single files, dates in parts, and what is left over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.errors import TerminalError
from nightshift.profiling.landed_sources import LandedSource, find_landed_sources
from nightshift.settings import get_settings

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(10)]


def land(landing: Path, *names: str, days: list[date] = DAYS, text: str = "") -> None:
    """Files of every date; `{uuid}` is another one in each."""
    for day in days:
        for name in names:
            file = landing / name.replace("{date}", str(day)).replace("{uuid}", str(UUID(int=day.day)))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/{date}.csv"], LandedSource("a", "a/{date}.csv", 10)),
        (["a/run-2-{date}.csv"], LandedSource("a_run_2", "a/run-2-{date}.csv", 10)),
        (
            ["clicks/{date}/part-0.jsonl.gz", "clicks/{date}/part-1.jsonl.gz"],
            LandedSource("clicks", "clicks/{date}/part-*.jsonl.gz", 20, {"settled": "1h"}),
        ),
        (
            [*(f"dt={{date}}/part-0000{part}-{{uuid}}-c000.parquet" for part in range(2)), "dt={date}/_SUCCESS"],
            LandedSource("dt_part_c", "dt={date}/part-*-*-c*.parquet", 20, {"marker": "dt={date}/_SUCCESS"}),
        ),
        (
            ["o/{date}T00.csv", "o/{date}T01.csv"],
            LandedSource("o", "o/{date}T*.csv", 20, {"settled": "1h"}),
        ),
    ],
)
def test_files_that_differ_in_their_parts_are_a_source(
    tmp_path: Path, names: list[str], expected: LandedSource
) -> None:
    land(tmp_path, *names)
    assert find_landed_sources(str(tmp_path)) == ([expected], [])


def test_files_of_different_kinds_in_the_folder_of_a_date_are_sources_of_their_own(tmp_path: Path) -> None:
    land(tmp_path, "{date}/orders.csv", "{date}/clicks.csv", "{date}/readme.txt")
    sources, notes = find_landed_sources(str(tmp_path))
    assert [(source.name, source.path) for source in sources] == [
        ("clicks", "{date}/clicks.csv"),
        ("orders", "{date}/orders.csv"),
    ]
    assert notes == [
        "not used: 10 files without one date of the form 2026-01-31 in their names, or of another format: "
        "2024-01-01/readme.txt"
    ]


def test_a_marker_that_few_dates_have_is_none(tmp_path: Path) -> None:
    land(tmp_path, "c/{date}/0.csv", "c/{date}/1.csv")
    land(tmp_path, "c/{date}/stopped.log", days=DAYS[:2])
    sources, notes = find_landed_sources(str(tmp_path))
    assert [source.complete for source in sources] == [{"settled": "1h"}]
    assert "stopped.log" in notes[0]


@pytest.mark.parametrize("name", ["2024-02-30.csv", "2024-01-01-2024-01-02.csv", "notes.txt", "2024-01-01.txt"])
def test_files_that_no_source_can_have(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(TerminalError, match=f"1 files, and none that a source can have; received '{name}'"):
        find_landed_sources(str(tmp_path))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("NIGHTSHIFT_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("NIGHTSHIFT_VAR", str(tmp_path / "var"))
    get_settings.cache_clear()
    yield tmp_path / "models"
    get_settings.cache_clear()


def test_a_definition_is_proposed_from_parts(models: Path, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    clicks = '{"customer": "a", "seconds": 1.5}\n{"customer": "b", "seconds": 2.5}\n'
    land(landing, "clicks/{date}/0.jsonl", text=clicks)
    land(landing, "clicks/{date}/1.jsonl", text=clicks.replace('"a"', '"c"').replace('"b"', '"d"'))
    land(landing, "clicks/{date}/_SUCCESS")
    outcomes = "customer,bought\na,true\nb,false\nc,true\nd,false\n"
    land(landing, "outcomes/{date}T07.csv", "outcomes/{date}T08.csv", text=outcomes.replace("c,true\nd,false\n", ""))
    result = CliRunner().invoke(app, ["new", "buy", "--observations", "clicks", "--label", "outcomes"])
    assert result.exit_code == 0, result.output
    text = (models / "buy" / "model.yaml").read_text()
    assert 'path: clicks/{date}/*.jsonl\n    complete: {marker: "clicks/{date}/_SUCCESS"}' in text, text
    assert "complete: {settled: !decide 1h}  # how long no part of a date is written" in text, text
    assert "parts of each date" in text
