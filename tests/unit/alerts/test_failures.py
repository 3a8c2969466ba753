from __future__ import annotations

import pytest

from nightshift.alerts.failures import read_failures, record_failure, remove_failures
from nightshift.settings import Settings

RUN = ("tiny.score", "scheduled__2024-01-05T06:00:00+00:00")


def test_the_errors_of_a_run_are_by_task(settings: Settings) -> None:
    record_failure(settings, *RUN, "ingest", "the file is gone")
    record_failure(settings, *RUN, "publish.raw/../x", "größe — 列")
    assert read_failures(settings, *RUN) == {"ingest": "the file is gone", "publish.raw/../x": "größe — 列"}


def test_a_later_attempt_replaces_an_earlier_record(settings: Settings) -> None:
    record_failure(settings, *RUN, "ingest", "first")
    record_failure(settings, *RUN, "ingest", "second")
    assert read_failures(settings, *RUN) == {"ingest": "second"}


def test_runs_do_not_share_records(settings: Settings) -> None:
    record_failure(settings, "tiny.score", "r1", "ingest", "one")
    record_failure(settings, "tiny.score", "r2", "ingest", "two")
    record_failure(settings, "tiny.train", "r1", "ingest", "three")
    assert read_failures(settings, "tiny.score", "r1") == {"ingest": "one"}
    remove_failures(settings, "tiny.score", "r1")
    assert read_failures(settings, "tiny.score", "r1") == {}
    assert read_failures(settings, "tiny.score", "r2") == {"ingest": "two"}
    assert read_failures(settings, "tiny.train", "r1") == {"ingest": "three"}


def test_removing_the_records_of_a_run_without_errors_is_no_error(settings: Settings) -> None:
    remove_failures(settings, *RUN)
    assert read_failures(settings, *RUN) == {}


def test_removing_records_leaves_no_file(settings: Settings) -> None:
    record_failure(settings, *RUN, "ingest", "one")
    remove_failures(settings, *RUN)
    assert [path for path in settings.var_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "content", [b"", b"5", b"null", b"[]", b'{"task": "sc', b"\xff\xfe", b'{"task": 5, "error": "x"}']
)
def test_a_damaged_record_leaves_the_errors_of_other_tasks_and_is_named(
    settings: Settings, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    record_failure(settings, *RUN, "ingest", "the file is gone")
    [recorded] = list(settings.var_path.rglob("*.json"))
    damaged = recorded.with_name("damaged.json")
    damaged.write_bytes(content)
    assert read_failures(settings, *RUN) == {"ingest": "the file is gone"}
    assert "damaged.json" in caplog.text
    assert damaged.read_bytes() == content
