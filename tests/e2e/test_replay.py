"""Real flights through a real scheduler: nights, a bad night, its alert, its repair, and kill -9 in between."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from servers import wait_for

from e2e import planted
from e2e.conftest import CHAMPION, NIGHT, MakeRun
from nightshift.alerts.deliver import read_alerts
from nightshift.definition.calendar import newest_partition
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.read import published_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import raw_table, scores_table
from nightshift.project import Project
from nightshift.quality.quarantine import quarantined_rows
from nightshift.registry.events import read_events
from nightshift.replay.landing import land
from nightshift.replay.nights import NightRun, Replay
from nightshift.replay.servers import running
from nightshift.settings import Settings
from nightshift.status import night_statuses

# The first test waits for make run and its nights; a busy machine takes several times as long as a quiet one.
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(3600)]

BAD = date(2013, 2, 2)


@dataclass(frozen=True)
class MendedNight:
    """A night whose schedule names an unknown airport, which then lands well, beside an arrival that is set aside.

    Attributes:
        published: The published nights of scores before it ran.
        broken: The states of its runs with the bad file.
        published_broken: The published nights of scores then.
        told_broken: The alerts then.
        mended: Its runs after it was cleared.
        departures: The rows of the good file.
        arrived: The date of the file of arrivals with the odd row.
        arrivals: The rows of that file.
    """

    published: dict[date, int]
    broken: dict[str, str]
    published_broken: dict[date, int]
    told_broken: list[dict[str, Any]]
    mended: NightRun
    departures: int
    arrived: date
    arrivals: int


@pytest.fixture(scope="module")
def mended_night(airflow: Replay) -> MendedNight:
    project = airflow.project
    land(project, BAD)
    file = landing_file(project.settings.landing_uri, "schedule", project.definition.sources["schedule"], BAD)
    path = Path(local_path(file.uri))
    good = path.read_text()
    path.write_text(good.replace(",EWR,", ",XXX,", 1))
    spec = scores_table(project.definition)
    published = published_dates(project.lake, spec)
    broken = airflow.night(BAD).states
    published_broken = published_dates(project.lake, spec)
    told = wait_for(lambda: read_alerts(project.settings), 30)
    path.write_text(good)
    arrived = newest_partition(project.definition.schedule, project.definition.sources["arrivals"], BAD)
    arrivals = land_odd_arrival(project, arrived)
    mended = airflow.night(BAD)  # clears the failed run
    departures = len(good.splitlines()) - 1
    return MendedNight(published, broken, published_broken, told, mended, departures, arrived, arrivals)


def land_odd_arrival(project: Project, day: date) -> int:
    """Lands a day's arrivals with a delay that no flight has; how many rows the file has."""
    file = landing_file(project.settings.landing_uri, "arrivals", project.definition.sources["arrivals"], day)
    path = Path(local_path(file.uri))
    rows = list(csv.DictReader(path.read_text().splitlines()))
    next(row for row in rows if row["arr_delay"])["arr_delay"] = "9999"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def test_every_night_holds_exactly_the_scheduled_departures(settings: Settings, make_run: MakeRun) -> None:
    project = Project("flight_delay", settings)
    statuses = night_statuses(project)
    assert [status.night for status in statuses] == [NIGHT]
    for status in statuses:
        file = landing_file(settings.landing_uri, "schedule", project.definition.sources["schedule"], status.night)
        scheduled = len(Path(local_path(file.uri)).read_text().splitlines()) - 1
        assert status.rows == status.expected == scheduled
        assert status.version == 1 and status.quality.startswith("pass")
        assert status.decision == "nothing"
    assert str(NIGHT) in make_run.output and "select * from scores.flight_delay" in make_run.output


def test_the_first_champion_was_promoted_by_a_run_of_the_training(airflow: Replay) -> None:
    project, run_id = airflow.project, f"first__{CHAMPION}"
    assert [run["dag_run_id"] for run in airflow.api.runs("flight_delay.train")] == [run_id]
    promoted = [event for event in read_events(project.lake, "flight_delay") if event.event == "promoted"]
    assert [(event.actor, event.from_version, event.to_version) for event in promoted] == [(run_id, None, 1)]


def test_no_secret_is_written_anywhere(
    settings: Settings, make_run: MakeRun, mended_night: MendedNight, tmp_path: Path
) -> None:
    """In logs, pages, alerts, databases with Airflow's XComs and MLflow's runs, tables, staging and drivers' files."""
    del mended_night  # a night that failed, whose alert could not be sent
    generated = (settings.var_path / "airflow" / "secrets.json").read_text().split('"')[3::4]
    assert len(generated) == 4
    assert planted.files_with(settings.var_path, [planted.MARK]) == []
    own = str(settings.var_path / "airflow" / "secrets.json")
    assert [hit for hit in planted.files_with(settings.var_path, generated) if not hit.startswith(own)] == []
    assert planted.MARK not in make_run.output
    log = tmp_path / "serve.log"
    answers = asked_api(settings, log)
    assert {status for status, _ in answers} == {200, 401}
    assert not any(planted.MARK in text for _, text in answers)
    assert planted.MARK not in log.read_text()
    could_not = "could not be delivered by webhook: ConnectError"
    assert any(could_not in file.read_text() for file in (settings.var_path / "logs").glob("*.log"))


def asked_api(settings: Settings, log: Path) -> list[tuple[int, str]]:
    """What `nightshift serve` answers to a caller, and to one with a wrong token."""
    command = [Path(sys.executable).parent / "nightshift", "serve", "flight_delay", "--port", "0"]
    environment = os.environ | settings.as_environment() | planted.ENVIRONMENT
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        line = wait_for(lambda: re.search(r"http://\S+", log.read_text()), every=0.2)
        token = planted.ENVIRONMENT["NIGHTSHIFT_SERVING__TOKENS__SHOP"]
        answers = []
        with httpx.Client(base_url=line[0], timeout=60) as client:
            wait_for(lambda: client.get("/ready").is_success, every=0.2)
            for sent in (token, f"{token}-wrong"):
                for path in ("/models", "/health", "/metrics", "/openapi.json"):
                    answer = client.get(path, headers={"Authorization": f"Bearer {sent}"})
                    answers.append((answer.status_code, answer.text))
        return answers
    finally:
        process.terminate()
        process.wait()


def test_no_list_of_processes_shows_a_secret(mended_night: MendedNight, arguments_with_secrets: set[str]) -> None:
    assert arguments_with_secrets == set()


def test_servers_listen_on_this_machine_only(airflow: Replay) -> None:
    listening = []
    for process in running(airflow.project.settings.var_path):
        with suppress(psutil.NoSuchProcess):  # a task that ended meanwhile
            connections = process.net_connections("inet")
            listening += [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]
    assert listening and set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_a_broken_definition_shows_as_its_own_import_error_only(airflow: Replay) -> None:
    errors = wait_for(airflow.api.import_errors)
    assert [name.rsplit("/", 1)[-1] for name in errors] == ["broken.py"]
    assert "model.yaml:1" in next(iter(errors.values()))


def test_a_bad_night_publishes_nothing_and_tells_one_alert(mended_night: MendedNight) -> None:
    assert mended_night.broken == {"flight_delay.score": "failed"}
    assert mended_night.published_broken == mended_night.published
    [alert] = mended_night.told_broken
    assert f"raw.schedule {BAD}: 1 of " in alert["what"] and f"schedule/{BAD}.csv" in alert["what"]
    assert "checks failed: origin has 1 value outside the 3 allowed, first 'XXX'" in alert["what"]
    assert "arrivals" not in alert["what"]
    assert alert["night"] == str(BAD) and alert["runbook"].endswith("#a-night-was-not-scored")


def test_a_bad_night_is_mended_by_clearing(airflow: Replay, mended_night: MendedNight) -> None:
    assert mended_night.mended.succeeded, mended_night.mended
    scored = published_dates(airflow.project.lake, scores_table(airflow.project.definition))
    assert scored[BAD] == mended_night.departures
    assert airflow.api.run("flight_delay.score", f"night__{BAD}")["state"] == "success"


@pytest.mark.parametrize("task", ["features.features", "scores.score"])
def test_the_jobs_of_a_night_share_a_driver(settings: Settings, mended_night: MendedNight, task: str) -> None:
    """A JVM that a job starts for itself says so in the job's log."""
    logs = (settings.var_path / "logs" / "tasks").rglob(f"run_id=night__{BAD}/task_id={task}/*.log")
    text = max(logs, key=lambda log: log.stat().st_mtime).read_text()
    assert "session ready" in text and "incubator" not in text


def test_a_row_that_is_set_aside_does_not_stop_the_night_and_is_told(
    airflow: Replay, mended_night: MendedNight
) -> None:
    project, arrived = airflow.project, mended_night.arrived
    [alert] = [told for told in read_alerts(project.settings) if "continues with a warning" in str(told["what"])]
    assert alert["night"] == str(BAD) and f"continues with a warning: raw.arrivals {arrived}: " in str(alert["what"])
    assert "arr_delay has 1 value outside -120 to 1440, first 9999" in str(alert["what"])
    [quarantined] = quarantined_rows(project.lake, project.definition, "arrivals")
    assert (quarantined.day, quarantined.rows, quarantined.first) == (arrived, 1, "9999.0")
    arrivals = published_dates(project.lake, raw_table(project.definition, "arrivals"))
    assert arrivals[arrived] == mended_night.arrivals - 1


def test_a_missing_file_fails_with_the_file_and_the_time_waited(airflow: Replay) -> None:
    api = airflow.api
    wait_for(lambda: api.unpause("tiny.score"))
    api.trigger("tiny.score", "missing", partition_key="2024-06-10")
    wait_for(lambda: api.run("tiny.score", "missing")["state"] == "failed")
    told = wait_for(lambda: [a for a in read_alerts(airflow.project.settings) if a["night"] == "2024-06-10"], 30)
    assert len(told) == 1
    alert = told[0]
    assert "plan-2024-06-10.csv.gz" in alert["what"] and "after waiting 2 s" in alert["what"]


def test_scoring_a_night_again_leaves_the_same_rows(airflow: Replay, mended_night: MendedNight) -> None:
    project, api = airflow.project, airflow.api

    def state() -> str:
        return str(api.run("flight_delay.score", f"night__{BAD}")["state"])

    def rows() -> list[tuple[Any, ...]]:
        columns = "* exclude (features_snapshot)"
        query = f"select {columns} from scores.flight_delay where score_date = '{BAD}' order by all"
        return run_sql(project.lake, query)[1]

    before = rows()
    api.clear("flight_delay.score", f"night__{BAD}")
    wait_for(lambda: state() in {"running", "queued"}, 30)
    wait_for(lambda: state() == "success", 300)
    assert rows() == before
