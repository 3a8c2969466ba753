from __future__ import annotations

from nightshift.alerts.failures import forget_failures, note_failure, noted_failures
from nightshift.settings import Settings

RUN = ("tiny.score", "scheduled__2024-01-05T06:00:00+00:00")


def test_the_errors_of_a_run_are_by_task(settings: Settings) -> None:
    note_failure(settings, *RUN, "ingest", "the file is gone")
    note_failure(settings, *RUN, "publish.raw/../x", "größe — 列")
    assert noted_failures(settings, *RUN) == {"ingest": "the file is gone", "publish.raw/../x": "größe — 列"}


def test_a_later_attempt_replaces_the_note_of_an_earlier_one(settings: Settings) -> None:
    note_failure(settings, *RUN, "ingest", "first")
    note_failure(settings, *RUN, "ingest", "second")
    assert noted_failures(settings, *RUN) == {"ingest": "second"}


def test_runs_do_not_share_notes(settings: Settings) -> None:
    note_failure(settings, "tiny.score", "r1", "ingest", "one")
    note_failure(settings, "tiny.score", "r2", "ingest", "two")
    note_failure(settings, "tiny.train", "r1", "ingest", "three")
    assert noted_failures(settings, "tiny.score", "r1") == {"ingest": "one"}
    forget_failures(settings, "tiny.score", "r1")
    assert noted_failures(settings, "tiny.score", "r1") == {}
    assert noted_failures(settings, "tiny.score", "r2") == {"ingest": "two"}
    assert noted_failures(settings, "tiny.train", "r1") == {"ingest": "three"}


def test_forgetting_a_run_without_errors_is_no_error(settings: Settings) -> None:
    forget_failures(settings, *RUN)
    assert noted_failures(settings, *RUN) == {}


def test_notes_leave_nothing_behind_when_forgotten(settings: Settings) -> None:
    note_failure(settings, *RUN, "ingest", "one")
    forget_failures(settings, *RUN)
    assert [path for path in settings.var_path.rglob("*") if path.is_file()] == []
