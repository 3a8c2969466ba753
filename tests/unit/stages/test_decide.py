from __future__ import annotations

from datetime import date

import pytest

from nightshift.errors import NotYetAvailable
from nightshift.project import Project
from nightshift.settings import Settings
from nightshift.stages import decide

MISSED = [date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5)]


def test_a_missed_night_that_can_no_longer_be_measured_does_not_stop_the_night(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "unmonitored_nights", lambda project, night: MISSED)
    measured: list[date] = []
    lines: list[str] = []

    def measure(night: date) -> None:
        if night == MISSED[1]:
            raise NotYetAvailable("Snapshot not found")
        measured.append(night)

    decide.for_missed_nights(Project("tiny", settings), date(2024, 1, 6), measure, lines.append)
    assert measured == [MISSED[0], MISSED[2]]
    assert lines == [
        "2024-01-03 was not monitored in its time: measured now",
        "2024-01-04 was not monitored in its time, and can no longer be measured: Snapshot not found",
        "2024-01-05 was not monitored in its time: measured now",
    ]


def test_an_error_of_the_program_is_not_mistaken_for_a_night_that_cannot_be_measured(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "unmonitored_nights", lambda project, night: MISSED)
    with pytest.raises(ZeroDivisionError):
        decide.for_missed_nights(Project("tiny", settings), date(2024, 1, 6), lambda night: 1 / 0, print)
