from __future__ import annotations

import json
import re

import pytest

from nightshift.alerts.alert import MEANWHILE, NEXT, RUNBOOK, Alert, failed_run_alert, quality_alert
from nightshift.settings import PROJECT

FACTS = {
    "run_id": "scheduled__2013-07-04",
    "night": "2013-07-04",
    "since": "2013-07-04T04:31:00+00:00",
    "task": "score",
    "error": "the estimator is gone",
    "airflow_url": "http://127.0.0.1:8080",
}


def test_an_alert_tells_what_where_since_when_and_what_to_do() -> None:
    alert = Alert(
        incident="flight_delay.score/r1/2013-07-04T04:31:00+00:00",
        what="flight_delay.score failed at score: the estimator is gone",
        model="flight_delay",
        night="2013-07-04",
        since="2013-07-04T04:31:00+00:00",
        meanwhile="the last published night",
        log="http://127.0.0.1:8080/dags/flight_delay.score/runs/r1/tasks/score",
        runbook="docs/runbook.md#a-night-was-not-scored",
        next_step="mend the cause",
    )
    assert alert.text() == (
        "flight_delay: flight_delay.score failed at score: the estimator is gone\n"
        "night:       2013-07-04\n"
        "since:       2013-07-04T04:31:00+00:00\n"
        "analysts see the last published night\n"
        "log:         http://127.0.0.1:8080/dags/flight_delay.score/runs/r1/tasks/score\n"
        "runbook:     docs/runbook.md#a-night-was-not-scored\n"
        "next step:   mend the cause\n"
    )


def test_a_failed_run_is_told_with_its_task_its_error_and_its_log() -> None:
    alert = failed_run_alert(dag_id="flight_delay.score", **FACTS)
    assert alert.what == "flight_delay.score failed at score: the estimator is gone"
    assert (alert.night, alert.since) == ("2013-07-04", "2013-07-04T04:31:00+00:00")
    assert alert.log == "http://127.0.0.1:8080/dags/flight_delay.score/runs/scheduled__2013-07-04/tasks/score"


def test_an_alert_as_json_has_every_field_and_reads_back() -> None:
    alert = failed_run_alert(dag_id="flight_delay.score", **FACTS)
    data = json.loads(json.dumps(alert.to_json()))
    assert Alert(**data) == alert
    assert data["incident"] == "flight_delay.score/scheduled__2013-07-04/2013-07-04T04:31:00+00:00"
    assert data["model"] == "flight_delay"


@pytest.mark.parametrize("verb", ["score", "monitor", "train"])
def test_every_verb_says_what_analysts_see_meanwhile(verb: str) -> None:
    alert = failed_run_alert(dag_id=f"tiny.{verb}", **FACTS)
    assert alert.meanwhile == MEANWHILE[verb].format(night="2013-07-04")
    assert (alert.runbook, alert.next_step) == (RUNBOOK[verb], NEXT[verb])
    assert re.search(r"[{}]", alert.text()) is None


def test_maintenance_has_no_night_and_harms_nobody() -> None:
    alert = failed_run_alert(dag_id="nightshift.maintenance", **{**FACTS, "night": None})
    assert "night:       none\n" in alert.text()
    assert alert.meanwhile == "everything as usual"
    assert alert.runbook == "docs/runbook.md#maintenance-failed"


def test_a_run_without_a_night_is_spoken_of_by_its_date() -> None:
    alert = failed_run_alert(dag_id="tiny.score", **{**FACTS, "night": None})
    assert alert.meanwhile == "the last published night; no row of this run's date unless it was scored before"


def test_a_dag_of_an_unknown_kind_still_leads_somewhere() -> None:
    alert = failed_run_alert(dag_id="tiny.dance", **FACTS)
    assert (alert.meanwhile, alert.runbook, alert.next_step) == (
        "everything as usual",
        "docs/runbook.md",
        "look at the log",
    )


def test_the_same_run_that_fails_again_later_is_another_incident() -> None:
    first = failed_run_alert(dag_id="tiny.score", **FACTS)
    again = failed_run_alert(dag_id="tiny.score", **{**FACTS, "since": "2013-07-05T04:31:00+00:00"})
    other = failed_run_alert(dag_id="tiny.score", **{**FACTS, "run_id": "manual__1"})
    assert len({first.incident, again.incident, other.incident}) == 3


def test_a_night_that_goes_on_with_a_warning_is_told_once_with_what_was_found() -> None:
    facts = {name: value for name, value in FACTS.items() if name != "error"}
    alert = quality_alert(dag_id="tiny.score", warning="raw.plan 2013-07-04: 1 warning in 5 checks", **facts)
    assert alert.what == "tiny.score goes on with a warning: raw.plan 2013-07-04: 1 warning in 5 checks"
    assert alert.incident == "tiny.score/scheduled__2013-07-04/score"
    assert alert.log == failed_run_alert(dag_id="tiny.score", **FACTS).log
    heading = alert.runbook.split("#")[1].replace("-", " ").capitalize()
    assert f"## {heading}\n" in (PROJECT / "docs" / "runbook.md").read_text()
