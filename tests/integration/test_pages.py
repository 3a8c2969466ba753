"""The tab "Report" as Airflow's API server answers it: for whom, for which runs, and what it never serves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nightshift.lake.files import write_bytes
from nightshift.quality.docs import Page, docs_folder, report_uri, write_docs
from nightshift.settings import PROJECT

PROBE = """
import json, sys
from airflow import plugins_manager

plugins_manager.ensure_plugins_loaded()
HEAVY = {"fastapi", "pyarrow", "pandas", "great_expectations", "nightshift.quality.docs", "nightshift_airflow.pages"}
loaded = sorted(HEAVY & set(sys.modules))
from airflow.sdk.log import redact

masked = redact("the database says: pl4nted-s3cret is wrong for postgresql://shop:pl4nted-s3cret@db/shop")
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient

app = create_app(apps="core")
client = TestClient(app, follow_redirects=False)
[view] = [view for plugin in plugins_manager.get_plugin_info() for view in plugin["external_views"]]
answers = {}
for name, (role, path) in json.loads(sys.argv[1]).items():
    headers = {}
    if role:
        user = SimpleAuthManagerUser(username=role, role=None if role == "nobody" else role)
        headers["Authorization"] = "Bearer " + app.state.auth_manager.generate_jwt(user)
    answer = client.get(path, headers=headers)
    answers[name] = {"status": answer.status_code, "headers": dict(answer.headers), "text": answer.text}
served = sorted({"pandas", "great_expectations"} & set(sys.modules))
print("RESULT" + json.dumps({"loaded": loaded, "served": served, "view": view, "answers": answers, "masked": masked}))
"""

RUN_ID = "scheduled__2013-07-04T06:00:00+00:00"
QUOTED = "scheduled__2013-07-04T06%3A00%3A00%2B00%3A00"
ROOT = "/nightshift/quality"
RUN = f"{ROOT}/flight_delay.score/{QUOTED}"
PAGE = Page("raw.schedule", "2013-07-04", "fail", "raw.schedule 2013-07-04: origin has <b>1</b> value", 18, 1)
REQUESTS = {
    "run": ("viewer", f"{RUN}/"),
    "page": ("viewer", f"{RUN}/{PAGE.name}"),
    "anonymous run": (None, f"{RUN}/"),
    "anonymous page": (None, f"{RUN}/{PAGE.name}"),
    "nobody's run": ("nobody", f"{RUN}/"),
    "nobody's page": ("nobody", f"{RUN}/{PAGE.name}"),
    "empty run": ("viewer", f"{ROOT}/flight_delay.score/nothing/"),
    "night": ("viewer", f"{ROOT}/flight_delay.monitor/{QUOTED}/"),
    "night not yet": ("viewer", f"{ROOT}/flight_delay.monitor/%3Cb%3E/"),
    "anonymous night": (None, f"{ROOT}/flight_delay.monitor/{QUOTED}/"),
    "nobody's night": ("nobody", f"{ROOT}/flight_delay.monitor/{QUOTED}/"),
    "other DAG": ("viewer", f"{ROOT}/%3Cb%3Eflight_delay.train/{QUOTED}/"),
    "page of another DAG": ("viewer", f"{ROOT}/flight_delay.monitor/{QUOTED}/{PAGE.name}"),
    "unknown page": ("viewer", f"{RUN}/%3Cb%3E"),
    "file": ("viewer", f"{RUN}/{PAGE.name}.html"),
    "page above": ("viewer", f"{ROOT}/flight_delay.score/run/%2e%2e"),
    "page far above": ("viewer", f"{ROOT}/flight_delay.score/run/..%2f..%2fsecret"),
    "run above": ("viewer", f"{ROOT}/flight_delay.score/%2e%2e/secret"),
    "model above": ("viewer", f"{ROOT}/%2e%2e.score/flight_delay/secret"),
    "any DAG": ("viewer", f"{ROOT}/~/{QUOTED}/"),
    "schema": ("viewer", f"{ROOT}/openapi.json"),
}
HIDDEN = ["unknown page", "file", "page of another DAG", "page above", "page far above", "run above", "model above"]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory, empty_airflow: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("pages")
    shutil.copy(empty_airflow, folder / "airflow.db")
    docs = folder / "var" / "quality"
    write_docs(docs_folder(str(docs), "flight_delay", RUN_ID), {PAGE: "<p>every expectation</p>"})
    write_bytes(report_uri(str(docs), "flight_delay", RUN_ID), b"<p>the night's expectation</p>")
    for place in (folder, docs, docs / "flight_delay", folder / "var"):
        (place / "secret.html").write_text("secret")
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "NIGHTSHIFT_VAR": str(folder / "var"),
        "NIGHTSHIFT_CONNECTIONS__SHOP": "postgresql://shop:pl4nted-s3cret@db/shop",
    }
    command = [sys.executable, "-c", PROBE, json.dumps(REQUESTS)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT"))


@pytest.fixture
def answers(probed: dict[str, Any]) -> dict[str, Any]:
    return probed["answers"]


def test_a_run_has_a_tab_that_leads_to_its_pages(probed: dict[str, Any]) -> None:
    assert probed["view"]["destination"] == "dag_run"
    href = probed["view"]["href"].replace("{DAG_ID}", "flight_delay.score").replace("{RUN_ID}", QUOTED)
    assert f"/{href}" == REQUESTS["run"][1]


def test_who_may_read_the_dag_sees_the_tables_of_its_run_and_opens_them(answers: dict[str, Any]) -> None:
    run, page = answers["run"], answers["page"]
    assert run["status"] == page["status"] == 200
    assert f'<a href="{PAGE.name}">raw.schedule 2013-07-04</a>' in run["text"]
    assert "origin has &lt;b&gt;1&lt;/b&gt; value" in run["text"]
    assert page["text"] == "<p>every expectation</p>"


@pytest.mark.parametrize(("who", "status"), [("anonymous", 401), ("nobody's", 403)])
def test_nobody_else_sees_anything(answers: dict[str, Any], who: str, status: int) -> None:
    for what in ("run", "page", "night"):
        answer = answers[f"{who} {what}"]
        assert answer["status"] == status
        assert "schedule" not in answer["text"] and "expectation" not in answer["text"]


def test_a_run_without_pages_says_who_writes_them_and_what_to_do(answers: dict[str, Any]) -> None:
    assert answers["empty run"]["status"] == 200
    assert "raw.audit, features.audit and scores.audit" in answers["empty run"]["text"]
    assert "clear the run" in answers["empty run"]["text"]


def test_a_run_of_monitoring_has_the_page_of_its_night(answers: dict[str, Any]) -> None:
    assert (answers["night"]["status"], answers["night"]["text"]) == (200, "<p>the night's expectation</p>")
    assert answers["night not yet"]["status"] == 200
    assert "not written yet" in answers["night not yet"]["text"] and "<b>" not in answers["night not yet"]["text"]


def test_a_run_of_another_dag_says_that_nothing_is_audited_there(answers: dict[str, Any]) -> None:
    for name in ("other DAG", "any DAG"):
        assert answers[name]["status"] == 200
        assert "Nothing was audited here" in answers[name]["text"] and "&lt;model&gt;.score" in answers[name]["text"]
    assert "&lt;b&gt;flight_delay.train" in answers["other DAG"]["text"]


@pytest.mark.parametrize("name", HIDDEN)
def test_only_pages_of_the_run_are_served(answers: dict[str, Any], name: str) -> None:
    assert answers[name]["status"] == 404
    assert "secret" not in answers[name]["text"] and "<b>" not in answers[name]["text"]


def test_no_answer_lets_the_browser_load_or_run_anything(answers: dict[str, Any]) -> None:
    assert answers["schema"]["status"] == 404
    for name, answer in answers.items():
        policy = answer["headers"]["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';"), name
        assert "frame-ancestors 'self'" in policy
        assert answer["headers"]["x-content-type-options"] == "nosniff"


def test_components_that_serve_no_pages_import_nothing_for_them(probed: dict[str, Any]) -> None:
    assert probed["loaded"] == []
    assert probed["served"] == []


def test_a_secret_of_the_settings_is_hidden_in_what_airflow_logs(probed: dict[str, Any]) -> None:
    assert "pl4nted" not in probed["masked"] and probed["masked"].startswith("the database says: ***")
