"""A night whose files are late, as Airflow's sensor waits for it: who is told what, when, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nightshift.lake.files import as_uri
from nightshift.settings import PROJECT

# Looks for the files as if it had done so first some minutes ago, once or several times; each with the alerts so far.
PROBE = """
import json, sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from nightshift.alerts.deliver import read_alerts
from nightshift.settings import get_settings
from nightshift_airflow import operators
from nightshift_airflow.operators import LandedSensor

found, drivers = {}, []
operators.start_driver = lambda look_again: drivers.append(look_again)
for name, case in json.loads(sys.argv[1]).items():
    sensor = LandedSensor(
        task_id="wait", model="tiny", night=case["night"], alert_after=case["alert_after"], timeout=3600,
        poke_interval=case["poll"],
    )
    looked = []
    for minutes in case["waited"]:
        since = None if minutes is None else datetime.now(UTC) - timedelta(minutes=minutes)
        # Airflow knows the first check of a task that ends after each, and the start of one that does not.
        task = SimpleNamespace(
            get_first_reschedule_date=lambda context: since if sensor.mode == "reschedule" else None,
            start_date=None if sensor.mode == "reschedule" else since,
        )
        run = SimpleNamespace(dag_id="tiny.score", run_id=name)
        try:
            ended = getattr(sensor, case["verb"])({"ti": task, "dag_run": run})
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
        told = [one for one in read_alerts(get_settings()) if f"/{name}/" in one["incident"]]
        looked.append({"ended": ended, "since": since and since.isoformat(), "mode": sensor.mode, "told": told,
            "driver": drivers[-1]})
    found[name] = looked
print("RESULT" + json.dumps(found))
"""

LATE = {"night": "2024-01-03", "alert_after": 600, "verb": "poke", "poll": 60}
CASES = {
    "first": LATE | {"waited": [None]},
    "early": LATE | {"waited": [9]},
    "late": LATE | {"waited": [10, 11, 59]},
    "another": LATE | {"waited": [20]},
    "silent": LATE | {"waited": [59], "alert_after": None},
    "landed": LATE | {"waited": [59], "night": "2024-01-05"},
    "often, early": LATE | {"waited": [9], "poll": 1},
    "often, late": LATE | {"waited": [10, 11], "poll": 1},
    "half": LATE | {"waited": [59], "night": "2024-01-06"},
    "waits on": LATE | {"waited": [59], "verb": "execute"},
    "gives up": LATE | {"waited": [61], "verb": "execute"},
}


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What has landed: all that the fifth of January needs, and half of what the sixth does."""
    folder = tmp_path_factory.mktemp("waiting") / "var" / "landing"
    for file in ("plan-2024-01-05.csv.gz", "outcomes/2024-01-04.parquet", "plan-2024-01-06.csv.gz"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


@pytest.fixture(scope="module")
def looked(landing: Path) -> dict[str, list[dict[str, Any]]]:
    environment = os.environ | {
        "AIRFLOW_HOME": str(landing.parent / "airflow"),
        "NIGHTSHIFT_LANDING_URI": str(landing),
        "NIGHTSHIFT_MODELS_FOLDER": str(PROJECT / "tests" / "models"),
        "NIGHTSHIFT_VAR": str(landing.parent),
    }
    command = [sys.executable, "-c", PROBE, json.dumps(CASES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr[-3000:]
    return dict(json.loads(lines[0].removeprefix("RESULT")))


Looked = dict[str, list[dict[str, Any]]]


@pytest.mark.parametrize("case", ["first", "early"])
def test_nobody_is_told_before_the_time_to_tell(looked: Looked, case: str) -> None:
    assert [(one["ended"], one["told"]) for one in looked[case]] == [(False, [])]


def test_a_night_that_is_late_is_told_once_however_often_it_looks(looked: Looked) -> None:
    assert [len(one["told"]) for one in looked["late"]] == [1, 1, 1]
    assert [one["ended"] for one in looked["late"]] == [False] * 3


def test_the_alert_names_every_file_since_when_and_until_when_it_waits(looked: Looked, landing: Path) -> None:
    first = looked["late"][0]
    [alert] = first["told"]
    files = [f"{as_uri(landing)}/{name}" for name in ("plan-2024-01-03.csv.gz", "outcomes/2024-01-02.parquet")]
    assert alert["what"] == f"tiny.score waits for {', '.join(files)}"
    assert (alert["model"], alert["night"]) == ("tiny", "2024-01-03")
    since = datetime.fromisoformat(first["since"]).replace(microsecond=0)
    assert alert["since"] == since.isoformat()
    assert alert["next_step"].endswith(f"fails at {(since + timedelta(hours=1)).isoformat()}")
    assert since.tzinfo == UTC
    assert alert["runbook"] == "docs/runbook.md#a-nights-files-are-late"
    assert alert["log"].endswith("/dags/tiny.score/runs/late/tasks/wait")


def test_a_task_that_checks_often_does_not_end_in_between(looked: Looked) -> None:
    modes = {name: {check["mode"] for check in checks} for name, checks in looked.items()}
    often = {"often, early", "often, late"}
    assert modes == {name: {"poke" if name in often else "reschedule"} for name in CASES}
    assert [len(check["told"]) for check in looked["often, early"]] == [0]
    assert [len(check["told"]) for check in looked["often, late"]] == [1, 1]


def test_a_driver_waits_with_the_night_until_its_next_check(looked: Looked) -> None:
    assert {looks[-1]["driver"] for name, looks in looked.items() if "often" in name} == {1.0}
    assert looked["late"][-1]["driver"] == 60.0
    assert looked["landed"][-1]["driver"] == 0.0


def test_only_what_is_missing_is_named(looked: Looked, landing: Path) -> None:
    [alert] = looked["half"][0]["told"]
    assert alert["what"] == f"tiny.score waits for {as_uri(landing)}/outcomes/2024-01-05.parquet"


def test_another_run_is_another_incident(looked: Looked) -> None:
    assert len(looked["another"][0]["told"]) == 1


def test_without_a_time_to_tell_nobody_is_told(looked: Looked) -> None:
    assert looked["silent"][0]["told"] == []


def test_a_night_whose_files_are_there_goes_on_and_nobody_is_told(looked: Looked) -> None:
    assert [(one["ended"], one["told"]) for one in looked["landed"]] == [(True, [])]


def test_a_night_that_told_waits_on(looked: Looked) -> None:
    [one] = looked["waits on"]
    assert one["ended"].startswith("AirflowRescheduleException")
    assert len(one["told"]) == 1


def test_a_night_that_gives_up_says_what_is_missing_and_for_how_long_it_waited(looked: Looked, landing: Path) -> None:
    [one] = looked["gives up"]
    missing = f"{as_uri(landing)}/plan-2024-01-03.csv.gz, {as_uri(landing)}/outcomes/2024-01-02.parquet"
    assert one["ended"] == (
        f"AirflowFailException: {missing} had not landed after waiting 1 h; fix: land it, then clear this task"
    )


def test_the_runbook_has_the_section_that_the_alert_names() -> None:
    headings = [line for line in (PROJECT / "docs" / "runbook.md").read_text().splitlines() if line.startswith("#")]
    assert any(
        heading.lstrip("# ").lower().replace("'", "").replace(" ", "-") == "a-nights-files-are-late"
        for heading in headings
    )
