"""A version that waits for a person's word, in a real DAG run: the answer, who gave it, and what counts without one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nightshift.settings import PROJECT

# Runs the training DAG once an answer, as the scheduler would; trainings and gates are made up, the registry is real.
PROBE = """
import json, sys, time, types
from datetime import UTC, datetime

from airflow.models import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.hitl import HITLDetail
from airflow.dag_processing.dagbag import DagBag

from nightshift.alerts.deliver import read_alerts
from nightshift.project import Project
from nightshift.settings import get_settings
from nightshift.stages import gate, train
from unit.registry.trainings import NOTE, trained

report = types.SimpleNamespace(passed=True, summary=lambda: NOTE)
train.train = lambda project, as_of, reason, progress: trained(project, as_of.day)


def judge(project, stored, as_of, run_id, progress):
    return gate.GateResult(report, project.registry.artifact_url(stored.run_id, gate.GATE_PAGE))


gate.gate = judge
asked, sleep_really = [], time.sleep


def answer(how):
    def sleep(seconds):
        sleep_really(min(seconds, 0.1))
        with create_session() as session:
            waiting = session.query(TaskInstance).filter(TaskInstance.state == "awaiting_input").all()
            if not waiting:
                return
            [ti] = waiting
            detail = session.get(HITLDetail, ti.id)
            asked.append({"subject": detail.subject, "body": detail.body, "options": detail.options})
            if how is None:
                ti.trigger_timeout = datetime(2020, 1, 1, tzinfo=UTC)
                session.flush()
                SchedulerJobRunner(Job()).check_awaiting_input_timeouts(session=session)
                return
            detail.chosen_options, detail.params_input = [how], {"answer": "slices hold"}
            detail.responded_by, detail.responded_at = {"id": "7", "name": "ada"}, datetime.now(UTC)
            event = TriggerEvent(detail.as_resume_event_payload())
            handle_event_submit(event, task_instance=ti, session=session)
    return sleep


found = []
for number, how in enumerate(["Approve", "Refuse", None], 3):
    time.sleep = answer(how)
    run = DagBag().dags["tiny.train"].test(
        run_conf={"as_of": f"2024-01-0{number}", "reason": None if how == "Approve" else "because"}
    )
    project = Project("tiny")
    champion, challenger = project.registry.champion(), project.registry.challenger()
    found.append({
        "state": str(run.state), "champion": champion and champion.number,
        "challenger": challenger and challenger.number, "run": run.run_id,
    })
events = [vars(one) | {"effective": str(one.effective), "recorded_at": ""} for one in project.champions.events()]
alerts = read_alerts(get_settings())
print("RESULT" + json.dumps({"runs": found, "events": events, "asked": asked, "alerts": alerts}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, empty_airflow: Path) -> dict[str, Any]:
    """Three trainings, of which one is approved, one refused, and one not answered."""
    folder = tmp_path_factory.mktemp("approval")
    shutil.copy(empty_airflow, folder / "airflow.db")
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    text = (PROJECT / "tests" / "models" / "tiny" / "model.yaml").read_text()
    (models / "model.yaml").write_text(f"{text}\npromotion: {{approval: {{timeout: 2d, default: refuse}}}}\n")
    (folder / "dags").mkdir()
    (folder / "dags" / "tiny.py").write_text(
        "from airflow.sdk import DAG\nfrom nightshift_airflow.factory import build_dags\n\n"
        "globals().update(build_dags('tiny'))\n"
    )
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "NIGHTSHIFT_MODELS_FOLDER": str(models.parent),
        "NIGHTSHIFT_VAR": str(folder / "var"),
        "NIGHTSHIFT_MLFLOW_URL": "http://mlflow.example",
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "include"), str(PROJECT / "plugins"), str(PROJECT / "tests")]),
    }
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return dict(json.loads(line.removeprefix("RESULT")))


def of_version(ran: dict[str, Any], number: int) -> list[tuple[str, str, str]]:
    return [(one["event"], one["actor"], one["reason"]) for one in ran["events"] if one["to_version"] == number]


def test_what_a_person_approves_is_promoted_and_the_person_is_kept(ran: dict[str, Any]) -> None:
    run = ran["runs"][0]
    assert (run["state"], run["champion"], run["challenger"]) == ("success", 1, None)
    assert of_version(ran, 1) == [
        ("registered", run["run"], "reason 3"),
        ("challenging", run["run"], "reason 3"),
        ("approved", "ada", "slices hold"),
        ("promoted", run["run"], "approved by ada"),
    ]


def test_what_a_person_refuses_is_declined_and_the_champion_stays(ran: dict[str, Any]) -> None:
    run = ran["runs"][1]
    assert (run["state"], run["champion"], run["challenger"]) == ("success", 1, None)
    assert of_version(ran, 2)[2:] == [("declined", "ada", "slices hold")]


def test_without_an_answer_the_default_counts_and_that_nobody_gave_it_is_kept(ran: dict[str, Any]) -> None:
    run = ran["runs"][2]
    assert (run["state"], run["champion"], run["challenger"]) == ("success", 1, None)
    assert of_version(ran, 3)[2:] == [("declined", "nobody within 2d", "the default")]


def test_who_is_asked_sees_the_gates_summary_and_can_open_its_report(ran: dict[str, Any]) -> None:
    first = ran["asked"][0]
    assert first["subject"] == "tiny: version 1 waits for approval"
    assert first["options"] == ["Approve", "Refuse"]
    assert first["body"].startswith(
        "roc\\_auc 0.7, at least 0.5\n\n[The gate's report](http://mlflow.example/#/experiments/"
    )
    made = next(one for one in ran["events"] if one["to_version"] == 1)
    assert first["body"].endswith(f"/runs/{made['mlflow_run']}/artifacts/gate.html)")


def test_whoever_is_on_call_is_told_once_a_version(ran: dict[str, Any]) -> None:
    told = [one["what"] for one in ran["alerts"]]
    assert told == [f"tiny: version {number} waits for approval" for number in (1, 2, 3)]
    assert ran["alerts"][0]["runbook"] == "docs/runbook.md#a-version-waits-for-approval"
    assert "the answer is: refuse" in ran["alerts"][0]["next_step"]
