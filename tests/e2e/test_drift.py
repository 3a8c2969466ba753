"""Drift through a real scheduler: it persists, one training is requested, its version is promoted, and it is calm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from nights import run_night
from servers import wait_for

from e2e.drifting import FIRST, LAST, MACHINES, MODEL, NEEDED, REQUEST, SHIFTED
from nightshift.alerts.deliver import read_alerts
from nightshift.definition.calendar import date_range
from nightshift.lake.sql import run_sql
from nightshift.project import Project
from nightshift.registry.events import read_events
from nightshift.replay.airflow_api import ENDED
from nightshift.replay.landing import land
from nightshift.replay.nights import NightRun, Replay
from nightshift.stages.by_hand import train_and_register
from nightshift.stages.history import build_history

# The first test waits for make run and all nights; a busy machine takes several times as long as a quiet one.
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(3600)]

STATIONARY = list(date_range(FIRST, SHIFTED - timedelta(days=1)))
BREACHING = list(date_range(SHIFTED, REQUEST))

FIRST_CHAMPION, RETRAIN = f"first__{FIRST}", f"retrain__{REQUEST}"


@dataclass(frozen=True)
class Replayed:
    """What the scheduler made of the nights.

    Attributes:
        driver: The model's loop, and Airflow, which is still up.
        request: How the runs of the night of the request ended.
        actions: What was decided about each night that ran without the scheduler.
        again: The tasks of the runs that monitored the night of the request once more, by how it came to them.
    """

    driver: Replay
    request: NightRun
    actions: list[str]
    again: dict[str, dict[str, str]]

    @property
    def project(self) -> Project:
        return self.driver.project

    def runs(self, verb: str) -> dict[str, str]:
        """The state of every run of a DAG."""
        return {run["dag_run_id"]: run["state"] for run in self.driver.api.runs(f"{MODEL}.{verb}")}

    def kept(self, monitor: str) -> dict[date, dict[str, dict[str, Any]]]:
        """What a monitor kept of each night as a whole, by statistic."""
        found: dict[date, dict[str, dict[str, Any]]] = {}
        for row in self.project.monitored(FIRST, LAST, monitor):
            if row["subject"] == "night":
                found.setdefault(row["score_date"], {})[row["statistic"]] = row
        return found


@pytest.fixture(scope="module")
def driver(airflow: Replay) -> Replay:
    """The drifting model with a built history and a first champion, which was trained without the scheduler."""
    driver = Replay(Project(MODEL, airflow.project.settings), airflow.servers, airflow.api, lambda text: None)
    land(driver.project, FIRST)
    build_history(
        driver.project, driver.project.definition.schedule.start, FIRST - timedelta(days=1), lambda text: None
    )
    driver.prepare()
    trained = train_and_register(driver.project, FIRST, "first champion", FIRST_CHAMPION, lambda text: None)
    assert trained.gate.report.passed
    return driver


@pytest.fixture(scope="module")
def replayed(driver: Replay, jobs_in_this_process: None) -> Replayed:
    """The night of the request, which is monitored thrice, and its training by Airflow, the others without it."""
    actions = [run_night(driver.project, night) for night in date_range(FIRST, REQUEST - timedelta(days=1))]
    request = driver.night(REQUEST)
    again = {"doubled": doubled(driver, REQUEST), "cleared": cleared(driver, REQUEST)}
    actions.append(run_night(driver.project, LAST))
    return Replayed(driver, request, actions, again)


def doubled(driver: Replay, night: date) -> dict[str, str]:
    """Delivers the event of a night's scores a second time."""
    api, before = driver.api, {run["dag_run_id"] for run in monitor_runs(driver, night)}
    [asset] = api._call("GET", "/assets", params={"name_pattern": f"scores.{MODEL}"})["assets"]
    api._call("POST", "/assets/events", json={"asset_id": asset["id"], "partition_key": str(night)})
    woken = wait_for(lambda: [run for run in monitor_runs(driver, night) if run["dag_run_id"] not in before])
    return ended(driver, woken[0]["dag_run_id"])


def cleared(driver: Replay, night: date) -> dict[str, str]:
    """Runs the first run that monitored a night again."""
    first = min(monitor_runs(driver, night), key=lambda run: str(run["queued_at"]))["dag_run_id"]
    driver.api.clear(f"{MODEL}.monitor", first)
    return ended(driver, first)


def monitor_runs(driver: Replay, night: date) -> list[dict[str, Any]]:
    return [run for run in driver.api.runs(f"{MODEL}.monitor") if run["partition_key"] == str(night)]


def ended(driver: Replay, run_id: str) -> dict[str, str]:
    """The states of a run's tasks at its end."""
    wait_for(lambda: {run["dag_run_id"]: run["state"] for run in driver.api.runs(f"{MODEL}.monitor")}[run_id] in ENDED)
    return {task["task_id"]: task["state"] for task in driver.api.tasks(f"{MODEL}.monitor", run_id)}


def test_every_run_succeeds_and_nobody_is_told(replayed: Replayed) -> None:
    assert replayed.request.states == {f"{MODEL}.{verb}": "success" for verb in ("score", "monitor", "train")}
    for verb in ("score", "monitor", "train"):
        assert set(replayed.runs(verb).values()) == {"success"}, verb
    assert [alert for alert in read_alerts(replayed.project.settings) if alert["model"] == MODEL] == []


def test_nights_breach_from_the_shift_on_until_the_new_version_scores(replayed: Replayed) -> None:
    drift = replayed.kept("drift")
    for statistic in ("input_drift", "prediction_drift"):
        verdicts = {night: of_night[statistic]["verdict"] for night, of_night in drift.items()}
        expected = dict.fromkeys(STATIONARY, "pass") | dict.fromkeys(BREACHING, "warn")
        assert verdicts == expected | {LAST: "pass"}, statistic
    calm = [row for night in (*STATIONARY, LAST) for row in drift[night].values()]
    assert {row["verdict"] for row in calm} == {"pass"}
    breaching = {
        row["subject"] for row in replayed.project.monitored(SHIFTED, REQUEST, "drift") if row["verdict"] == "warn"
    }
    assert "busy" in breaching and "kind" not in breaching


def test_one_training_is_requested_once_the_drift_has_lasted(replayed: Replayed) -> None:
    decided = replayed.kept("decision")
    actions = {night: of_night["retrain"]["verdict"] for night, of_night in decided.items()}
    assert actions == dict.fromkeys(date_range(FIRST, LAST), "nothing") | {REQUEST: "request"}
    assert set(replayed.actions) == {"nothing"}
    assert f"{NEEDED} of the last {NEEDED} nights" in decided[REQUEST]["retrain"]["detail"]


def test_one_training_runs_however_often_the_night_is_monitored(replayed: Replayed) -> None:
    assert set(replayed.runs("train")) == {RETRAIN}
    assert len(monitor_runs(replayed.driver, REQUEST)) > 1
    for how, tasks in replayed.again.items():
        assert tasks == dict.fromkeys(tasks, "success") | {"request_training": "skipped"}, how


def test_its_version_passes_the_gate_is_promoted_and_scores_the_nights_that_follow(replayed: Replayed) -> None:
    [verdict] = [row for row in replayed.project.monitored(REQUEST, REQUEST, "gate") if row["statistic"] == "verdict"]
    assert verdict["verdict"] == "passed" and verdict["detail"].startswith("against version 1")
    events = read_events(replayed.project.lake, MODEL)
    assert [(one.event, one.actor, one.from_version, one.to_version) for one in events if one.event == "promoted"] == [
        ("promoted", FIRST_CHAMPION, None, 1),
        ("promoted", RETRAIN, 1, 2),
    ]
    assert {one.event for one in events} == {"registered", "promoted"} and len(events) == 4
    query = "select score_date, min(model_version), max(model_version), count(*) "
    query += f"from scores.{MODEL} group by 1 order by 1"
    versions = dict.fromkeys([*STATIONARY, *BREACHING], 1) | {LAST: 2}
    assert run_sql(replayed.project.lake, query)[1] == [(night, one, one, MACHINES) for night, one in versions.items()]
