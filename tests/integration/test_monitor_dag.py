"""The monitor DAG as Airflow runs its tasks: one request and one training, however often a night's event comes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from unit.monitoring.test_night_stages import drift, fail, score, version
from unit.tables import day

from nightshift.project import Project
from nightshift.settings import PROJECT

# The scheduler gives a run its partition key; where one run is tested alone, it is given here.
PROBE = """
import json, sys
from datetime import date
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models import DagRun
from airflow.models.dagbundle import DagBundleModel
from airflow.utils.session import create_session
from nightshift.stages import drift
from nightshift.types import Measurement
from nightshift_airflow import tasks
from nightshift_airflow.bundle import ModelsBundle

bundle = ModelsBundle(name="models")
bundle.initialize()
bag = DagBag(str(bundle.path))
with create_session() as session:
    session.add(DagBundleModel(name="models"))
sync_bag_to_db(bag, "models", None)
drift.measure_drift = lambda project, night, run_id: Measurement("night", "input_drift")  # it is measured already
ran = []
for text in json.loads(sys.argv[1]):
    night = date.fromisoformat(text)
    tasks._night = lambda: night
    dag = bag.dags["tiny.monitor"]
    request = dag.get_task("request_training")
    request.trigger_run_id, request.conf = f"retrain__{night}", {"as_of": text}
    run = dag.test()
    with create_session() as session:
        triggered = [(one.run_id, one.conf) for one in session.query(DagRun).filter(DagRun.dag_id == "tiny.train")]
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    ran.append({"run_id": run.run_id, "state": str(run.state), "states": states, "triggered": triggered})
print("RESULT" + json.dumps(ran))
"""


def monitored(project: Project, tmp_path: Path, empty_airflow: Path, *nights: int) -> list[dict[str, Any]]:
    """What became of the runs of some nights, one after the other."""
    shutil.copy(empty_airflow, tmp_path / "airflow.db")
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        **project.settings.as_environment(),
    }
    command = [sys.executable, "-c", PROBE, json.dumps([str(day(night)) for night in nights])]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, (done.stdout + done.stderr)[-5000:]
    return json.loads(lines[0].removeprefix("RESULT"))


def test_drift_leads_to_one_request_and_one_training_though_an_event_is_lost_and_another_doubled(
    project: Project, tmp_path: Path, empty_airflow: Path
) -> None:
    version(project, 1)
    score(project, 4, 5, 6)
    for number in (4, 5, 6):
        fail(project, number)
        drift(project, number)
    first, doubled, next_night = monitored(
        project, tmp_path, empty_airflow, 5, 5, 6
    )  # the event of the fourth was lost
    assert {first["state"], doubled["state"], next_night["state"]} == {"success"}
    for run in (first, doubled):
        assert {name: run["states"][name] for name in ("estimate", "outcomes", "decide", "report")} == dict.fromkeys(
            ("estimate", "outcomes", "decide", "report"), "success"
        )
    assert first["states"]["request_training"] == "success"
    assert doubled["states"]["request_training"] == "skipped"  # its run is there
    assert next_night["states"]["request_training"] == "skipped"
    [(run_id, conf)] = next_night["triggered"]
    assert (run_id, conf["as_of"]) == (f"retrain__{day(5)}", str(day(5)))
    kept = {
        row["score_date"]: row["verdict"]
        for row in project.monitored(day(1), day(9), "decision")
        if row["statistic"] == "retrain"
    }
    assert kept == {day(4): "missed", day(5): "request", day(6): "suppressed_by_running"}
