from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from nightshift.alerts.alert import (
    Alert,
    AlertRun,
    approval_alert,
    failed_run_alert,
    late_files_alert,
    warning_alert,
)
from nightshift.alerts.kinds import FAILED_RUNS, TEXTS, AlertKind
from nightshift.settings import PROJECT

RUN = AlertRun(
    dag_id="tiny.score",
    run_id="scheduled__2013-07-04",
    task="score",
    night="2013-07-04",
    since="2013-07-04T04:31:00+00:00",
    airflow_url="http://127.0.0.1:8080",
)
ERROR = "the estimator is gone"

# An alert of every kind.
ALERTS = {
    **{kind: failed_run_alert(replace(RUN, dag_id=f"tiny.{verb}"), ERROR) for verb, kind in FAILED_RUNS.items()},
    AlertKind.RUN_FAILED: failed_run_alert(replace(RUN, dag_id="tiny.dance"), ERROR),
    AlertKind.NIGHT_WARNING: warning_alert(RUN, "raw.plan 2013-07-04: 1 warning in 5 checks"),
    AlertKind.CHALLENGER_FAILED: warning_alert(RUN, "version 4 crashed", challenger=True),
    AlertKind.NIGHT_FILES_LATE: late_files_alert(RUN, "plan-2013-07-04.csv", "2013-07-04T10:31:00+00:00"),
    AlertKind.APPROVAL_PENDING: approval_alert(RUN, "tiny: promote version 4?", "2013-07-06T04:31:00+00:00", "refuse"),
}


def test_an_alert_says_what_where_since_when_and_what_to_do() -> None:
    alert = Alert(
        kind=AlertKind.NIGHT_NOT_SCORED,
        incident="flight_delay.score/r1/2013-07-04T04:31:00+00:00",
        summary="flight_delay.score failed at score: the estimator is gone",
        model="flight_delay",
        night="2013-07-04",
        since="2013-07-04T04:31:00+00:00",
        meanwhile="the last published night",
        log="http://127.0.0.1:8080/dags/flight_delay.score/runs/r1/tasks/score",
        next_step="fix the cause",
    )
    assert alert.text() == (
        "flight_delay: flight_delay.score failed at score: the estimator is gone\n"
        "night:       2013-07-04\n"
        "since:       2013-07-04T04:31:00+00:00\n"
        "analysts see the last published night\n"
        "log:         http://127.0.0.1:8080/dags/flight_delay.score/runs/r1/tasks/score\n"
        "runbook:     docs/runbook.md#a-night-was-not-scored\n"
        "next step:   fix the cause\n"
    )


def test_a_failed_run_names_its_task_its_error_and_its_log() -> None:
    alert = failed_run_alert(RUN, ERROR)
    assert alert.summary == "tiny.score failed at score: the estimator is gone"
    assert (alert.night, alert.since) == ("2013-07-04", "2013-07-04T04:31:00+00:00")
    assert alert.log == "http://127.0.0.1:8080/dags/tiny.score/runs/scheduled__2013-07-04/tasks/score"


def test_an_alert_as_json_has_every_field() -> None:
    alert = failed_run_alert(RUN, ERROR)
    assert json.loads(json.dumps(alert.to_json())) == {
        "kind": "night_not_scored",
        "incident": "tiny.score/scheduled__2013-07-04/2013-07-04T04:31:00+00:00",
        "what": alert.summary,
        "model": "tiny",
        "night": "2013-07-04",
        "since": "2013-07-04T04:31:00+00:00",
        "meanwhile": alert.meanwhile,
        "log": alert.log,
        "runbook": "docs/runbook.md#a-night-was-not-scored",
        "next_step": alert.next_step,
    }


def test_every_kind_has_an_alert_with_its_texts_filled_in() -> None:
    assert set(ALERTS) == set(AlertKind) == set(TEXTS)
    for kind, alert in ALERTS.items():
        assert alert.kind == kind
        assert re.search(r"[{}]", alert.text()) is None


def test_the_identifiers_of_the_kinds_are_stable() -> None:
    assert [str(kind) for kind in AlertKind] == [
        "night_not_scored", "night_files_late", "night_warning", "challenger_failed", "night_not_monitored",
        "training_failed", "approval_pending", "maintenance_failed", "run_failed",
    ]  # fmt: skip


def test_every_kind_has_a_section_of_the_runbook_and_every_section_of_an_alert_its_kind() -> None:
    """The sections of alerts are the headings of the third level below `## Alerts`, each with its identifier."""
    runbook = (PROJECT / "docs" / "runbook.md").read_text()
    [alerts] = re.findall(r"^## Alerts\n(.*?)^## ", runbook, flags=re.DOTALL | re.MULTILINE)
    sections = re.findall(r"^### (.+)\n\nKind: `(\w+)`", alerts, flags=re.MULTILINE)
    assert len(sections) == len(re.findall(r"^### ", alerts, flags=re.MULTILINE))
    assert sections == [(TEXTS[kind].heading, str(kind)) for kind in AlertKind]


@pytest.mark.parametrize("kind", AlertKind)
def test_an_alert_links_its_section_of_the_runbook(kind: AlertKind) -> None:
    page, anchor = ALERTS[kind].to_json()["runbook"].split("#")  # type: ignore[union-attr]
    headings = re.findall(r"^#+ (.+)$", (PROJECT / page).read_text(), flags=re.MULTILINE)
    # As GitHub makes anchors: lower case, punctuation dropped, spaces as hyphens.
    assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_within_the_runbook_lead_to_a_heading() -> None:
    runbook = (PROJECT / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^#+ (.+)$", runbook, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", runbook)) <= anchors


def test_maintenance_has_no_night_and_does_no_harm() -> None:
    alert = failed_run_alert(replace(RUN, dag_id="nightshift.maintenance", night=None), ERROR)
    assert "night:       none\n" in alert.text()
    assert alert.meanwhile == "everything as usual"
    assert alert.kind.runbook == "docs/runbook.md#maintenance-failed"


def test_a_run_without_a_night_is_named_by_its_date() -> None:
    alert = failed_run_alert(replace(RUN, night=None), ERROR)
    assert alert.meanwhile == "the last published night; no row of this run's date unless it was scored before"


def test_a_dag_of_an_unknown_kind_still_leads_somewhere() -> None:
    alert = failed_run_alert(replace(RUN, dag_id="tiny.dance"), ERROR)
    assert (alert.meanwhile, alert.kind.runbook, alert.next_step) == (
        "everything as usual",
        "docs/runbook.md#a-run-of-another-dag-failed",
        "read the log",
    )


def test_the_same_run_that_fails_again_later_is_another_incident() -> None:
    first = failed_run_alert(RUN, ERROR)
    again = failed_run_alert(replace(RUN, since="2013-07-05T04:31:00+00:00"), ERROR)
    manual = failed_run_alert(replace(RUN, run_id="manual__1"), ERROR)
    assert len({first.incident, again.incident, manual.incident}) == 3


def test_a_night_that_continues_with_a_warning_is_one_incident_per_task() -> None:
    alert = ALERTS[AlertKind.NIGHT_WARNING]
    assert alert.summary == "tiny.score continues with a warning: raw.plan 2013-07-04: 1 warning in 5 checks"
    assert alert.incident == "tiny.score/scheduled__2013-07-04/score"
    assert alert.log == failed_run_alert(RUN, ERROR).log


def test_late_files_and_an_approval_name_their_deadline() -> None:
    late, approval = ALERTS[AlertKind.NIGHT_FILES_LATE], ALERTS[AlertKind.APPROVAL_PENDING]
    assert late.summary == "tiny.score waits for plan-2013-07-04.csv"
    assert late.next_step.endswith("and fails at 2013-07-04T10:31:00+00:00")
    assert approval.summary == "tiny: promote version 4?"
    assert approval.next_step.endswith("without an answer by 2013-07-06T04:31:00+00:00 the answer is: refuse")
