from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.definition.nights import require_night, training_date
from nightshift.errors import TerminalError
from nightshift.settings import PROJECT
from unit.conftest import Edit

DUE = datetime(2024, 5, 1, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("night", "message"),
    [
        (date(1999, 1, 1), "schedule.start: 1999-01-01 is before the first night; received '1999-01-01'; "),
        (date(2023, 12, 31), "schedule.start: 2023-12-31 is before the first night; "),
        (date(2024, 3, 2), "schedule.end: 2024-03-02 is after the last night; "),
    ],
)
def test_a_date_outside_of_the_schedule_is_no_night(edit: Edit, night: date, message: str) -> None:
    definition = edit("  start: 2024-01-01\n", "  start: 2024-01-01\n  end: 2024-03-01\n")
    with pytest.raises(TerminalError) as caught:
        require_night(definition, night)
    line = 10 if "start" in message else 11
    assert str(caught.value).startswith(f"{definition.folder / 'model.yaml'}:{line}: {message}")
    assert "allowed: 2024-01-01 to 2024-03-01; fix: choose a night " in str(caught.value)
    for first_or_last in (date(2024, 1, 1), date(2024, 3, 1)):
        require_night(definition, first_or_last)


@given(st.dates(date(2024, 1, 1), date(2200, 1, 1)))
def test_without_an_end_every_date_from_the_start_on_is_a_night(night: date) -> None:
    require_night(TINY, night)


TINY: ModelDefinition = load_definition(PROJECT / "tests" / "models" / "tiny")


@pytest.mark.parametrize(
    ("given_date", "zone", "as_of"),
    [
        ("2024-04-30", "UTC", date(2024, 4, 30)),
        ("2024-05-01", "UTC", date(2024, 5, 1)),
        (None, "UTC", date(2024, 5, 1)),
        ("", "America/New_York", date(2024, 4, 30)),
        ("2024-05-01", "Asia/Kolkata", date(2024, 5, 1)),
    ],
)
def test_a_training_learns_up_to_the_given_date_or_its_own(
    edit: Edit, given_date: str | None, zone: str, as_of: date
) -> None:
    definition = edit("timezone: UTC\n", f"timezone: {zone}\n")
    assert training_date(definition, given_date, DUE) == as_of


@pytest.mark.parametrize(
    ("given_date", "zone", "today"),
    [("2024-05-02", "UTC", "2024-05-01"), ("2024-05-01", "America/New_York", "2024-04-30")],
)
def test_a_training_as_of_a_future_date_is_refused(edit: Edit, given_date: str, zone: str, today: str) -> None:
    definition = edit("timezone: UTC\n", f"timezone: {zone}\n")
    line = rf"^tiny\.train: as_of: .* future; received '{given_date}'; allowed: {today} or earlier; fix: give the date"
    with pytest.raises(TerminalError, match=line):
        training_date(definition, given_date, DUE)
