"""A model's definition is proposed from landed files: nothing that they cannot show passes for decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from air import FIRST, decide, land_air
from click.testing import Result
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.load import load_definition
from nightshift.definition.source import CsvFormat
from nightshift.errors import TerminalError
from nightshift.settings import get_settings

pytestmark = pytest.mark.slow  # each runs commands over landed files

MARKS = {
    "description", "schedule.timezone", "schedule.at", "sources.forecast.available.after",
    "sources.measurements.available.after", "observations.source", "label.source", "label.expression",
    "gate.minimum.roc_auc",
}  # fmt: skip

Run = Callable[..., Result]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def run(tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in an installation without a model."""
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("NIGHTSHIFT_LANDING", str(landing))
    monkeypatch.setenv("NIGHTSHIFT_VAR", str(tmp_path / "var"))
    get_settings.cache_clear()
    yield lambda *words: CliRunner().invoke(app, list(words))
    get_settings.cache_clear()


def refused(result: Result) -> TerminalError:
    assert isinstance(result.exception, TerminalError), result.output
    return result.exception


def test_every_mark_is_refused_with_its_line_and_question_until_it_is_decided(
    run: Run, tmp_path: Path, landing: Path
) -> None:
    land_air(landing, 30)
    assert run("new", "air").exit_code == 0
    file = tmp_path / "models" / "air" / "model.yaml"
    lines = file.read_text().splitlines()
    told = run("validate", "air")
    assert told.exit_code == 2
    found = [re.fullmatch(rf"{file}:(\d+): ([\w.]+): not decided yet: (.+); received '!decide (.+)'; fix: .+", line)
             for line in told.stderr.splitlines()]  # fmt: skip
    assert {match[2] for match in found if match} == MARKS and all(found)
    for match in found:
        assert match is not None
        line = lines[int(match[1]) - 1]
        assert f"{match[2].rpartition('.')[2]}: !decide " in line and line.endswith(f"  # {match[3]}")
    assert run("profile-source", "air", "forecast").exit_code == 0  # which reads it all the same

    decide(file, description="Whether fine dust exceeds 25 today", expression="pm25 > 25")
    passed = run("validate", "air")
    assert passed.exit_code == 0, passed.output
    definition = load_definition(file.parent)
    assert definition.observations.source == "forecast" and definition.label.source == "measurements"
    assert definition.observations.key == ("station",) and definition.schedule.start == FIRST
    assert definition.sources["measurements"].columns["pm25"].from_ == "PM25"
    assert {"wind_speed", "rain", "station_category", "weekday", "mean_pm25_7d"} <= set(definition.feature_types)
    assert "mean_pm25_28d" not in definition.feature_types  # 30 days have landed
    assert "the model has a definition" in str(refused(run("new", "air")))


def test_a_person_chooses_sources_and_what_they_are_for(run: Run, tmp_path: Path, landing: Path) -> None:
    land_air(landing, 30)
    (landing / "notes.txt").write_text("?")
    chosen = run("new", "dust", "--observations", "forecast", "--label", "measurements")
    assert chosen.exit_code == 0 and "not used: 1 files" in chosen.stderr
    text = (tmp_path / "models" / "dust" / "model.yaml").read_text()
    assert "observations: {source: forecast, " in text and "\n  source: measurements\n" in text
    error = refused(run("new", "again"))
    assert "every source that has landed is another model's" in str(error)
    assert run("new", "again", "--source", "forecast", "--source", "measurements").exit_code == 0
    unknown = refused(run("new", "third", "--source", "wind"))
    assert unknown.received == "wind" and unknown.allowed == ["forecast", "measurements"]


@pytest.mark.parametrize(("path", "shared"), [("forecast/{date}.csv", True), ("elsewhere/{date}.csv", False)])
def test_a_source_that_models_share_is_named_and_not_declared_again(
    run: Run, tmp_path: Path, landing: Path, path: str, shared: bool
) -> None:
    land_air(landing, 30)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "forecast.yaml").write_text(f"timezone: UTC\npath: {path}\n")
    assert run("new", "air").exit_code == 0
    text = (tmp_path / "models" / "air" / "model.yaml").read_text()
    assert ("  forecast: shared\n" in text) == shared and ("path: forecast/" in text) != shared


def test_of_a_single_source_the_keys_seen_lately_are_scored(run: Run, tmp_path: Path, landing: Path) -> None:
    land_air(landing, 30)
    assert run("new", "dust", "--source", "measurements").exit_code == 0
    file = tmp_path / "models" / "dust" / "model.yaml"
    decide(file, description="Whether fine dust exceeds 25 today", expression="pm25 > 25")
    validated = run("validate", "dust")
    assert validated.exit_code == 0, validated.output
    definition = load_definition(file.parent)
    assert definition.observations.source == definition.label.source == "measurements"
    assert definition.observations.within and not definition.has_observation_files
    assert {"station_category", "weekday", "mean_pm25_7d"} <= set(definition.feature_types)
    assert "pm25" not in definition.feature_types


def land_sales(landing: Path, days: int = 60) -> None:
    """A shop's sales by a clock of New York, written as instants of UTC, and what is known of its customers, once."""
    (landing / "sales").mkdir(parents=True)
    rows = "".join(f"{customer},{customer % 3}\n" for customer in range(100, 140))
    (landing / "customers-2026-01-01.csv").write_text(f"customer_id,size\n{rows}")
    for number in range(days):
        day = date(2026, 1, 1) + timedelta(days=number)
        at = datetime.combine(day, time(0, 30), ZoneInfo("America/New_York")).astimezone(UTC)
        lines = [
            f"{1000 * number + basket},{product},{100 + (basket * 7 + number) % 40},{basket % 2},{1.5 * product},"
            f"{(at + timedelta(minutes=46 * basket)).isoformat()}"
            for basket in range(30) for product in range(1, 4)
        ]  # fmt: skip
        header = "order_id,product_id,customer_id,shop_id,amount,sold"
        (landing / "sales" / f"{day}.csv").write_text("\n".join((header, *lines)) + "\n")


def test_of_sales_the_customers_seen_lately_are_scored_by_what_they_do_next(
    run: Run, tmp_path: Path, landing: Path
) -> None:
    land_sales(landing)
    proposed = run("new", "lapse")
    assert proposed.exit_code == 0, proposed.output
    assert "scores customer_id of sales, learns from sales" in proposed.stdout and proposed.stderr == ""
    file = tmp_path / "models" / "lapse" / "model.yaml"
    assert "of customer_id, " in file.read_text()
    decide(file, description="A customer buys nothing in a week")
    validated = run("validate", "lapse")
    assert validated.exit_code == 0, validated.output
    definition = load_definition(file.parent)
    assert definition.schedule.timezone == "America/New_York"
    assert definition.sources["customers"].cadence == "irregular"
    assert definition.sources["sales"].event_time == "sold"
    observations, label = definition.observations, definition.label
    assert (observations.source, observations.key) == ("sales", ("customer_id",))
    assert observations.within == timedelta(days=28)
    assert label.window is not None and (label.window.to, label.agg) == (timedelta(days=28), "none")
    assert set(definition.feature_types) == {
        "customers_size", "weekday", *(f"{name}_{days}d" for days in (7, 28) for name in (
            "count_sales", "distinct_order_id", "distinct_product_id", "distinct_shop_id", "sum_amount"
        )),
    }  # fmt: skip
    assert {part.default for part in definition.features.aggregates.values()} == {0.0}


def test_a_person_chooses_what_is_scored(run: Run, tmp_path: Path, landing: Path) -> None:
    land_sales(landing, 14)
    chosen = run("new", "shop", "--source", "sales", "--key", "shop_id")
    assert chosen.exit_code == 0, chosen.output
    definition = tmp_path / "models" / "shop" / "model.yaml"
    text = definition.read_text()
    assert "\n  key: [shop_id]\n" in text and "by: [shop_id]" in text and "by: [customer_id]" not in text
    unknown = refused(run("new", "again", "--source", "sales", "--key", "shop"))
    assert unknown.received == "shop" and "shop_id" in str(unknown.allowed)
    again = refused(run("new", "shop", "--source", "sales"))
    assert again.fix is not None and "remove it" in again.fix


def test_files_as_german_spreadsheets_write_them_are_read_and_their_events_are_a_window(
    run: Run, tmp_path: Path, landing: Path
) -> None:
    for source in ("messwerte", "störungen"):
        (landing / source).mkdir(parents=True)
    for day in range(1, 31):
        hours = range(0, 24, 3)
        readings = [
            f'M-{machine:02};{site};{day:02}.01.2026 {hour:02}:00;1.4{hour:02},{machine};"Öl\nfehlt"'
            for machine, site in enumerate(("NA", "OST", "NA", "SUED"), 1)
            for hour in hours
        ]
        failures = [f"{day};M-0{day % 4 + 1};{day:02}.01.2026 23:30"] if day % 3 else []
        for source, header, rows, encoding in (
            ("messwerte", "Maschinen Nr;Standort;Zeitstempel;Drehzahl 1/min;Bemerkung", readings, "utf-8-sig"),
            ("störungen", "Störungs Nr;Maschinen Nr;Beginn", failures, "cp1252"),
        ):
            content = "\r\n".join((header, *rows)).encode(encoding)
            (landing / source / f"2026-01-{day:02}.csv").write_bytes(content)
    proposed = run("new", "ausfall")
    assert proposed.exit_code == 0, proposed.output
    assert "messwerte: 'NA' is read as missing in 'Standort'" in proposed.stderr
    file = tmp_path / "models" / "ausfall" / "model.yaml"
    decide(file, timezone="Europe/Berlin", description="Whether a machine fails within a week")
    validated = run("validate", "ausfall")
    assert validated.exit_code == 0, validated.output
    definition = load_definition(file.parent)
    readings_source, failures_source = definition.sources["messwerte"], definition.sources["stoerungen"]
    assert readings_source.csv == CsvFormat(separator=";", decimal=",", thousands=".")
    assert failures_source.csv == CsvFormat(encoding="cp1252", separator=";")
    assert readings_source.columns["drehzahl_1_min"].type == "number"
    clock = "cast(to_timestamp({}, 'dd.MM.yyyy HH:mm') as timestamp_ntz)"
    assert readings_source.event_time == clock.format("zeitstempel")
    assert failures_source.event_time == clock.format("beginn")
    assert failures_source.columns["stoerungs_nr"].from_ == "Störungs Nr"
    assert definition.observations.key == ("maschinen_nr",) and definition.observations.within
    assert definition.label.window is not None and definition.label.agg == "any"
    assert {"count_stoerungen_7d", "mean_drehzahl_1_min_7d"} <= set(definition.feature_types)


def test_one_source_without_a_key_cannot_have_both_observations_and_outcomes(run: Run, landing: Path) -> None:
    (landing / "sensor").mkdir(parents=True)
    for day in range(1, 9):
        (landing / "sensor" / f"2026-01-0{day}.csv").write_text("value\n" + "1\n" * 9)
    assert "nothing in it comes again" in str(refused(run("new", "dust")))


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("air", [], "no file has landed"),
        ("air", ["readme.txt", "all.csv"], "2 files, and none that a source can have"),
        ("Air", [], "not a name"),
    ],
)
def test_what_cannot_be_proposed_is_one_message(
    run: Run, landing: Path, name: str, files: list[str], message: str
) -> None:
    landing.mkdir()
    for file in files:
        (landing / file).write_text("a,b\n1,2\n")
    error = refused(run("new", name))
    assert message in str(error) and error.fix
