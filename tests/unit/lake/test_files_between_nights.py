"""The files of a night whose night before is some days ago."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.calendar import date_range, nights
from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.schedule import Schedule
from nightshift.lake.landing import files_between, needed_files, restated_files
from nightshift.settings import PROJECT

NIGHT, DAY = date(2024, 1, 15), timedelta(days=1)
TINY: ModelDefinition = load_definition(PROJECT / "tests" / "models" / "tiny")


def scheduled(cron: str, start: date = date(2024, 1, 1), restates: int | None = None) -> ModelDefinition:
    """The tiny definition with another schedule, whose failures may land again for some days."""
    days = timedelta(days=restates) if restates else None
    sources = {name: source.model_copy(update={"restates": days}) for name, source in TINY.sources.items()}
    schedule = Schedule(timezone="UTC", cron=cron, start=start)
    return TINY.model_copy(update={"schedule": schedule, "sources": sources})


MONDAYS = "0 6 * * 1"


def landed(landing: Path, *names: str) -> None:
    (landing / "outcomes").mkdir()
    for name in names:
        (landing / name).write_bytes(b"")


def days(files: list, source: str) -> list[int]:
    return [file.day.day for file in files if file.source == source]


def test_a_night_waits_for_all_dates_that_are_read_and_for_its_own_of_the_observations(tmp_path: Path) -> None:
    needed = needed_files(scheduled(MONDAYS), str(tmp_path), NIGHT)
    assert days(needed, "failures") == [8, 9, 10, 11, 12, 13, 14]
    assert days(needed, "plan") == [15]


def test_dates_between_nights_that_nothing_waits_for_are_read_if_they_landed(tmp_path: Path) -> None:
    landed(tmp_path, *(f"plan-2024-01-{day:02d}.csv.gz" for day in (5, 9, 12, 15, 16)), "outcomes/2024-01-09.parquet")
    assert [(file.source, file.day.day) for file in files_between(scheduled(MONDAYS), str(tmp_path), NIGHT)] == [
        ("plan", 9),
        ("plan", 12),
    ]


@pytest.mark.parametrize(("start", "first"), [(date(2024, 1, 1), 8), (date(2024, 1, 11), 11), (date(2024, 1, 15), 15)])
def test_nothing_from_before_the_schedules_start_is_waited_for(tmp_path: Path, start: date, first: int) -> None:
    needed = needed_files(scheduled(MONDAYS, start), str(tmp_path), NIGHT)
    assert days(needed, "failures") == list(range(first, 15)) and days(needed, "plan") == [15]


def test_corrections_since_the_night_before_are_read(tmp_path: Path) -> None:
    """The file of 6 January may be corrected until the 8th is the newest date, which it is after that night."""
    landed(tmp_path, *(f"outcomes/2024-01-{day:02d}.parquet" for day in range(1, 15)))
    restated = restated_files(scheduled(MONDAYS, restates=2), str(tmp_path), NIGHT)
    assert days(restated, "failures") == [6, 7]


@given(
    st.sampled_from([MONDAYS, "0 6 1 * *", "0 6 * * 1-5", "0 6 1,15 * *", "0 6 * * *"]),
    st.dates(date(2024, 2, 1), date(2024, 12, 1)),
)
def test_every_date_is_waited_for_by_one_night(cron: str, first: date) -> None:
    definition = scheduled(cron)
    score_dates = list(nights(definition.schedule, first, first + 120 * DAY))
    waited = [
        file.day
        for night in score_dates
        for file in needed_files(definition, "/nowhere", night)
        if file.source == "failures"
    ]
    assert waited == list(date_range(waited[0], waited[-1]))
