"""Who opens the pages that Airflow's API server answers with: every route as every kind of user, by FAB's logins."""

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
from airflow.providers.fab.auth_manager.models.db import FABDBManager
from airflow.settings import Session
from airflow import plugins_manager
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from fastapi.testclient import TestClient

FABDBManager(Session()).initdb()
app = create_app(apps="core")
manager = app.state.auth_manager
security = manager.security_manager
roles, requests = json.loads(sys.argv[1])
tokens = {"a broken token": "x.y.z"}
with manager.flask_app.app_context():
    security.sync_roles()
    for name, dags in roles.items():
        role = security.find_role(name)
        if role is None:
            role = security.add_role(name)
            for dag in dags:
                security.add_permission_to_role(role, security.create_permission("can_read", f"DAG:{dag}"))
        user = security.add_user(name, name, name, f"{len(tokens)}@example.org", role, password="s3cret")
        tokens[name] = manager.generate_jwt(user)
client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
answers = []
for who, by_cookie, method, path, headers in requests:
    token, headers = tokens.get(who), dict(headers)
    if token and by_cookie:
        headers["Cookie"] = f"{COOKIE_NAME_JWT_TOKEN}={token}"
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    answer = client.request(method, path, headers=headers)
    answers.append({"status": answer.status_code, "headers": dict(answer.headers), "text": answer.text})
from nightshift_airflow import pages, plugin
seams = {name: value for name, value in vars(plugin.NightshiftPlugin).items() if value and not name.startswith("_")}
print("RESULT" + json.dumps({
    "answers": answers,
    "seams": sorted(seams),
    "apps": [part["url_prefix"] for part in plugin.NightshiftPlugin.fastapi_apps],
    "routes": sorted([method, route.path] for route in pages.app.routes for method in route.methods),
}))
"""

ROOT, RUN = "/nightshift/quality", "a run"
PAGE = Page("raw.schedule", "2013-07-04", "fail", "raw.schedule 2013-07-04: an expectation failed", 18, 1)
# Every route of the plugin: one that is not listed fails a test. Whoever may read the DAG may read it, nobody else.
ROUTES = {
    ("GET", "/{dag_id}/{run_id}/"): "a%20run/",
    ("GET", "/{dag_id}/{run_id}/{page}"): f"a%20run/{PAGE.name}",
}
DAGS = ("tiny.score", "tiny.monitor")
ROLES = {
    "Public": [],
    "reads another DAG": ["other.score", "other.monitor"],
    "reads this DAG": [*DAGS],
    "Viewer": [],
    "User": [],
    "Op": [],
    "Admin": [],
}
STATUSES = {"anonymous": 401, "a broken token": 403, "Public": 403, "reads another DAG": 403}
METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
FORM = SITE | {"Content-Type": "application/x-www-form-urlencoded"}
# What a reader of another model's DAG tries, to be shown this one's pages.
DETOURS = (
    f"{ROOT}/other.score/..%2f..%2ftiny%2fa%20run/{PAGE.name}",
    f"{ROOT}/other.score/%2e%2e/{PAGE.name}",
    f"{ROOT}/other.score/%2e%2e%2ftiny%2fa%20run/",
    f"{ROOT}/other.score/a%20run/..%2f..%2ftiny%2fa%20run%2f{PAGE.name}",
    f"{ROOT}/..%2ftiny.score/a%20run/",
    f"{ROOT}/other.score%2f..%2ftiny.score/a%20run/",
    f"{ROOT}/tiny.score%00/a%20run/",
    f"{ROOT}/TINY.score/a%20run/",
    f"{ROOT}/tiny.score;other.score/a%20run/",
    f"{ROOT}/tiny.monitor/a%20run/?dag_id=other.monitor",
    f"{ROOT}/tiny.score/a%20run/{PAGE.name}?dag_id=other.score",
    f"{ROOT}//tiny.score/a%20run/",
    f"{ROOT}/~/a%20run/",
    f"{ROOT}/~/a%20run/{PAGE.name}",
    f"{ROOT}/openapi.json",
    f"{ROOT}/docs",
)


def probe(folder: Path, empty_airflow: Path, requests: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The answers of Airflow's API server to requests of users, and what the plugin gives it to serve."""
    shutil.copy(empty_airflow, folder / "airflow.db")
    docs = str(folder / "var" / "quality")
    write_docs(docs_folder(docs, "tiny", RUN), {PAGE: "<p>an expectation</p>"})
    write_bytes(report_uri(docs, "tiny", RUN), b"<p>an expectation of the night</p>")
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "NIGHTSHIFT_VAR": str(folder / "var"),
    }
    command = [sys.executable, "-c", PROBE, json.dumps([ROLES, requests])]
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, ended.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT"))


def table() -> dict[tuple[str, ...], tuple[tuple[Any, ...], int]]:
    """Every request with the status it has to get, by what is tried."""
    rows: dict[tuple[str, ...], tuple[tuple[Any, ...], int]] = {}
    for who in ("anonymous", "a broken token", *ROLES):
        for (method, route), rest in ROUTES.items():
            for dag in DAGS:
                has_page = dag == "tiny.score" or not route.endswith("{page}")
                status = STATUSES.get(who, 200 if has_page else 404)
                for way in ("header", "cookie"):
                    rows[who, way, method, f"{dag} {route}"] = (
                        (who, way == "cookie", method, f"{ROOT}/{dag}/{rest}", {}),
                        status,
                    )
    for route, rest in ROUTES.items():
        for method in METHODS:
            request = ("Admin", True, method, f"{ROOT}/tiny.score/{rest}", FORM)
            rows["another site's form", method, *route] = (request, 405)
    for path in DETOURS:
        rows["detour", path] = (("reads another DAG", False, "GET", path, {}), 0)
    return rows


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory, empty_airflow: Path) -> dict[str, Any]:
    return probe(tmp_path_factory.mktemp("doors"), empty_airflow, [request for request, _ in table().values()])


@pytest.fixture
def answers(probed: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    return dict(zip(table(), probed["answers"], strict=True))


def test_every_route_of_the_plugin_has_its_row(probed: dict[str, Any]) -> None:
    assert {(method, path) for method, path in probed["routes"]} == ROUTES.keys()
    assert probed["apps"] == [ROOT]
    # Nothing else of a plugin answers requests, such as blueprints and middlewares.
    assert set(probed["seams"]) == {"name", "listeners", "timetables", "fastapi_apps", "external_views"}


def test_each_user_gets_what_the_permission_says(answers: dict[tuple[str, ...], dict[str, Any]]) -> None:
    expected = {row: status for row, (_, status) in table().items() if status}
    assert {row: answers[row]["status"] for row in expected} == expected


def test_who_may_not_read_the_dag_sees_nothing_of_it(answers: dict[tuple[str, ...], dict[str, Any]]) -> None:
    for row, answer in answers.items():
        if answer["status"] != 200 or row[0] == "detour":
            assert "schedule" not in answer["text"] and "expectation" not in answer["text"], row
        if row[0] == "detour":
            assert answer["status"] in {200, 403, 404}, row


def test_every_answer_forbids_scripts_and_other_sites_frames(answers: dict[tuple[str, ...], dict[str, Any]]) -> None:
    for row, answer in answers.items():
        headers = answer["headers"]
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'", row
        assert policy["frame-ancestors"] == "'self'" and "script-src" not in policy
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control-")]
