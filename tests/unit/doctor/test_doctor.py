"""Each fault of an installation is one finding with what heals it; a sound one has none, and is left as it is."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prepared import PreparedInstallation, copy_database

from nightshift.doctor import CHECKS, examine, locks, storage
from nightshift.doctor import clock as clock_check
from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError
from nightshift.lake.files import local_path
from nightshift.project import Project
from nightshift.registry.store import CHAMPION
from nightshift.settings import Settings
from nightshift.state import open_state
from unit.cli.commands import commands_in_this_process
from unit.lake.test_damage import flip
from unit.registry.trainings import artifact
from unit.stages.minutes import AGAINST, LABEL, TYPED, OfNumber, champion_of_month

Fault = Callable[[Project], Any]
Findings = dict[str, list[NightshiftError]]


@pytest.fixture
def project(of_number: OfNumber, prepared_installation: PreparedInstallation) -> Project:
    """A month of features with a champion."""
    return champion_of_month(prepared_installation, of_number(TYPED, LABEL, AGAINST))[0]


def findings_of(settings: Settings, *, deep: bool = False) -> Findings:
    return dict(examine(Examination(settings, deep, lambda line: None)))


def files_of(settings: Settings) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in settings.var_path.rglob("*") if ".db" not in path.suffix}


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_installation_has_no_findings_and_is_left_as_it_is(project: Project, deep: bool) -> None:
    open_state(project.settings).names("")  # the folder of the shared state is there from the first task on
    findings_of(project.settings)  # so are the files of locks
    before = files_of(project.settings)
    assert findings_of(project.settings, deep=deep) == {name: [] for name in CHECKS}
    assert files_of(project.settings) == before


def test_a_new_installation_has_no_findings(settings: Settings) -> None:
    assert findings_of(settings) == {name: [] for name in CHECKS}
    assert not settings.has_catalog and not settings.has_registry


# ---- faults that are there until they are healed


def data_file(project: Project) -> Path:
    files = project.lake.table("features.tiny").inspect.data_files()["file_path"].to_pylist()
    return Path(local_path(sorted(files)[3]))


def truncate(project: Project) -> None:
    data_file(project).write_bytes(data_file(project).read_bytes()[:-7])


def remove_metadata(project: Project) -> None:
    Path(local_path(project.lake.table("raw.failures").metadata_location)).unlink()


def break_definition(project: Project) -> None:
    (project.definition.folder / "model.yaml").write_text("name: tiny\nowner: [")


def change_package(project: Project) -> None:
    file = artifact(project, project.champions.require_champion().run_id) / "reference.json"
    file.write_bytes(file.read_bytes() + b" ")


def remove_alias(project: Project) -> None:
    project.registry.client.delete_registered_model_alias("tiny", CHAMPION)


def lose_registry(project: Project) -> None:
    copy_database(project.settings.var_path.parent / "empty.db", project.settings.var_path / "mlflow" / "mlflow.db")


def leave_run(project: Project) -> None:
    run_id = project.registry.start_run("2024-01-31", "reason", "training 1")
    long_ago = int((datetime.now(UTC) - timedelta(days=9)).timestamp() * 1000)
    with closing(sqlite3.connect(project.settings.var_path / "mlflow" / "mlflow.db")) as database:
        database.execute("update runs set start_time = ? where run_uuid = ?", (long_ago, run_id))
        database.commit()


def damage_alert(project: Project) -> None:
    open_state(project.settings).write("alerts/5.json", b"5")


FAULTS: dict[str, tuple[Fault, str, str]] = {
    "a data file is missing": (
        lambda project: data_file(project).unlink(),
        "tables",
        r"features.tiny of 2024-01-04: a data file is missing: file://\S+; fix: nightshift build tiny .*",
    ),
    "a data file is cut off": (
        truncate,
        "tables",
        r"features.tiny of 2024-01-04: a data file has [\d,]+ of [\d,]+ bytes: .*; fix: nightshift build tiny .*",
    ),
    "a table's metadata are missing": (
        remove_metadata,
        "tables",
        r"raw.failures: the table's metadata is gone; .*; fix: .*",
    ),
    "a definition is broken": (break_definition, "registry", r".*/tiny/model.yaml:2: not valid YAML: .*"),
    "a package was changed": (
        change_package,
        "registry",
        r"tiny, version 1: the model's artifact is not the one that was registered; .*; fix: .*",
    ),
    "an alias was removed": (remove_alias, "registry", r"tiny: MLflow's alias `champion` .*; fix: score .*"),
    "MLflow has another database": (lose_registry, "registry", r".*the registry lacks versions .*; fix: bring .*"),
    "a training was killed long ago": (
        leave_run,
        "leftovers",
        r"MLflow's run \w+: 1 trainings? .*; fix: nightshift maintain, .*",
    ),
    "a record of alerts is damaged": (damage_alert, "alerts", r"alerts/5.json: the file is damaged: .*; fix: .*"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_finding_with_what_heals_it(project: Project, fault: str, empty_mlflow: Path) -> None:
    shutil.copy(empty_mlflow, project.settings.var_path.parent / "empty.db")
    definition = project.definition.folder / "model.yaml"
    text = definition.read_text()
    cause, check, message = FAULTS[fault]
    cause(project)
    try:
        findings = findings_of(project.settings)
    finally:
        definition.write_text(text)
    assert {name: len(listed) for name, listed in findings.items() if listed} == {check: 1}
    assert re.fullmatch(message, str(findings[check][0])), findings[check][0]


def test_bytes_that_changed_within_a_file_are_found_by_reading_it(project: Project) -> None:
    flip(data_file(project))
    assert findings_of(project.settings)["tables"] == []
    [finding] = findings_of(project.settings, deep=True)["tables"]
    assert "features.tiny of 2024-01-04: a data file cannot be read" in str(finding)


# ---- what is around an installation


@contextmanager
def locked(settings: Settings, name: str) -> Iterator[None]:
    with open_state(settings).lock(name):
        yield


def test_a_lock_that_does_not_get_free(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "FREE_WITHIN", 0.5)
    with open_state(project.settings).lock("features.tiny"):
        [finding] = findings_of(project.settings)["locks"]
    assert str(finding).startswith(f"{project.settings.state_uri}: the lock of features.tiny was not free within 0 s")


def test_places_that_cannot_be_written_to(settings: Settings) -> None:
    [finding] = findings_of(settings.model_copy(update={"warehouse": "/proc/warehouse"}))["storage"]
    assert "/proc/warehouse" in str(finding) and "; fix: " in str(finding)


def test_a_disk_that_is_almost_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LEAST_FREE", 2**60)
    settings.var_path.mkdir()
    findings = findings_of(settings)["storage"]
    assert all("the disk is almost full" in str(finding) for finding in findings) and findings


def test_a_clock_that_is_behind(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Behind(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(hours=3)

    monkeypatch.setattr(clock_check, "datetime", Behind)
    findings = [str(finding) for finding in findings_of(project.settings)["clock"]]
    assert (
        "this machine's clock differs from the warehouse's; received '-10800 s'; allowed: at most 60 s" in findings[0]
    )
    assert any(re.match("features.tiny: the newest snapshot is of the future", finding) for finding in findings)


def test_channels_that_do_not_answer(settings: Settings) -> None:
    alerts = {"webhook_url": "http://127.0.0.1:9/secret-token", "smtp": {"host": "127.0.0.1", "port": 9, "to": ["a@b"]}}
    closed = Settings(**settings.model_dump() | {"alerts": alerts})
    findings = [str(finding) for finding in findings_of(closed)["alerts"]]
    assert [re.match(r"environment variable (\w+): alerts do not arrive", finding)[1] for finding in findings] == [
        "NIGHTSHIFT_ALERTS__WEBHOOK_URL",
        "NIGHTSHIFT_ALERTS__SMTP__HOST",
    ]
    assert "secret-token" not in " ".join(findings)


def test_an_airflow_without_pools_and_scheduler(settings: Settings, empty_airflow: Path) -> None:
    (settings.var_path / "airflow").mkdir(parents=True)
    database = settings.var_path / "airflow" / "airflow.db"
    shutil.copy(empty_airflow, database)
    findings = [str(finding) for finding in findings_of(settings)["airflow"]]
    assert [re.search(r"pool (\w+) is missing|no scheduler", finding)[0] for finding in findings] == [
        "pool nightshift_spark is missing",
        "pool nightshift_training is missing",
        "no scheduler",
    ]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "insert into import_error (id, timestamp, filename, stacktrace) values (1, ?, 'models.py', ?)",
            (datetime.now(UTC).isoformat(), "Traceback\n  here\nValueError: x"),
        )
        connection.commit()
    assert "models.py: Airflow cannot import a DAG file: ValueError: x" in str(findings_of(settings)["airflow"][2])


def test_a_check_that_fails_is_a_finding_and_keeps_no_other_from_its_work(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHECKS, "clock", lambda examination: 1 / 0)
    truncate(project)
    findings = findings_of(project.settings)
    assert [str(finding) for finding in findings["clock"]] == ["not examined: ZeroDivisionError: division by zero"]
    assert len(findings["tables"]) == 1


def test_the_command_ends_with_1_if_there_is_a_finding(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with commands_in_this_process(project.settings.as_environment(), monkeypatch, capsys) as command:
        sound = command("doctor")
        damage_alert(project)
        ended = command("doctor")
    assert (sound.code, ended.code) == (0, 1)
    assert sound.out.splitlines() == [f"{name:<10} ok" for name in CHECKS]
    assert "alerts     1 to heal:\n  alerts/5.json: the file is damaged" in ended.out
