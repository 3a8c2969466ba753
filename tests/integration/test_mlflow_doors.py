"""Who gets into the MLflow server that `nightshift up` starts: every route of its application, without a login."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nightshift.replay.servers import NO_JOBS, Servers
from nightshift.settings import PROJECT, Settings

# The application as MLflow's own server makes it, of its options by their variables.
PROBE = """
import json, re, sys
from mlflow.server import app as flask_app
from mlflow.server.auth import create_app
from starlette.testclient import TestClient

app = create_app(flask_app)
client = TestClient(app, "http://127.0.0.1:5000", raise_server_exceptions=False, follow_redirects=False)
routes = {(method, rule.rule) for rule in flask_app.url_map.iter_rules() for method in rule.methods}
def leaves(routes, prefix=""):
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if getattr(route, "routes", None):
            yield from leaves(route.routes, path)
        elif getattr(route, "methods", None):
            yield from ((method, path) for method in route.methods)
routes |= set(leaves(app.routes))
statuses = []
for method, path in sorted(routes):
    if method not in ("HEAD", "OPTIONS"):
        address = re.sub(r"<[^>]*>|\\{[^}]*\\}", "1", path)
        statuses.append([method, path, client.request(method, address).status_code])
admin, [page, create] = ("admin", sys.argv[1]), ["/", "/api/2.0/mlflow/experiments/create"]
other = {"Origin": "https://evil.example"}
asked = {
    "page": client.get(page, auth=admin),
    "wrong password": client.get(page, auth=("admin", "wrong")),
    "other site": client.post(create, json={"name": "x"}, auth=admin, headers=other),
    "other site's form": client.post(create, content='{"name": "y"}', auth=admin,
                                     headers=other | {"Content-Type": "text/plain"}),
    "rebound": client.get(page, auth=admin, headers={"Host": "evil.example"}),
}
asked = {name: {"status": answer.status_code, "headers": dict(answer.headers)} for name, answer in asked.items()}
print("RESULT" + json.dumps({"statuses": statuses, "asked": asked}))
"""
# What is answered without a login: that it runs, its version, and the files of its pages.
OPEN = re.compile(r"/health|/version|/(ajax-)?api/3\.0/mlflow/server-info|/static-files/.*")


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> dict[str, Any]:
    settings = Settings(
        home=PROJECT, var=tmp_path_factory.mktemp("mlflow-doors"), mlflow_uri=f"sqlite:///{empty_mlflow}"
    )
    servers = Servers(settings)
    environment = servers.environment() | servers.mlflow_environment() | NO_JOBS | {"_MLFLOW_SGI_NAME": "uvicorn"}
    # MLflow's command hands its options on to its server by these.
    environment |= {
        "_MLFLOW_SERVER_FILE_STORE": environment["MLFLOW_BACKEND_STORE_URI"],
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": environment["MLFLOW_ARTIFACTS_DESTINATION"],
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    command = [sys.executable, "-c", PROBE, servers.password]
    ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, ended.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT"))


def test_every_route_needs_a_login(probed: dict[str, Any]) -> None:
    assert len(probed["statuses"]) > 100
    refused = [(method, path) for method, path, status in probed["statuses"] if status in {401, 403}]
    answered = {path for method, path, _ in probed["statuses"] if (method, path) not in refused}
    assert sorted(path for path in answered if not OPEN.fullmatch(path)) == []


def test_who_has_logged_in_is_not_used_by_another_site(probed: dict[str, Any]) -> None:
    statuses = {name: answer["status"] for name, answer in probed["asked"].items()}
    assert statuses == {
        "page": 200, "wrong password": 401, "other site": 403, "other site's form": 403, "rebound": 403,
    }  # fmt: skip
    assert probed["asked"]["page"]["headers"]["x-frame-options"] == "SAMEORIGIN"
    assert probed["asked"]["page"]["headers"]["x-content-type-options"] == "nosniff"


def test_no_argument_of_the_server_names_its_database(tmp_path: Path) -> None:
    """Whoever is on the machine sees the arguments of every process, and an address may have a password."""
    settings = Settings(
        home=PROJECT,
        var=tmp_path,
        mlflow_uri="postgresql+psycopg2://mlflow:pl4nted@db.example/mlflow",
        mlflow_artifacts="s3://bucket/mlflow",
    )
    servers = Servers(settings)
    servers.environment()  # writes the login's password
    assert not [part for part in servers.mlflow_command() if "pl4nted" in part or "db.example" in part]
    assert servers.mlflow_environment()["MLFLOW_BACKEND_STORE_URI"] == settings.tracking_uri
