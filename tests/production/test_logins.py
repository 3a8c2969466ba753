"""Airflow with FAB's logins: what each role may do with Nightshift's pages, and with what the loop asks of Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from servers import free_port, wait_for

from nightshift.lake.files import write_bytes
from nightshift.quality.docs import report_uri
from nightshift.replay.servers import Servers
from nightshift.settings import PROJECT, Settings

pytestmark = [pytest.mark.production, pytest.mark.timeout(900)]

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
ROLES = ("Public", "Viewer", "User", "Op", "Admin")
PAGE = "/nightshift/quality/tiny.monitor/a%20run/"
CLEARED = {"dry_run": False, "only_failed": False}
RUN = {"logical_date": None, "partition_key": "2024-01-31"}
POOL = {"name": "a_pool", "slots": 1, "description": "", "include_deferred": False}
# What is asked, and the first role of ROLES that may.
REQUESTS = {
    "a night's page": ("GET", PAGE, None, "Viewer"),
    "the DAG": ("GET", "/api/v2/dags/tiny.score", None, "Viewer"),
    "its runs": ("GET", "/api/v2/dags/tiny.score/dagRuns", None, "Viewer"),
    "a run": ("GET", "/api/v2/dags/tiny.score/dagRuns/no-such-run", None, "Viewer"),
    "the tasks of a run": ("GET", "/api/v2/dags/tiny.score/dagRuns/no-such-run/taskInstances", None, "Viewer"),
    "import errors": ("GET", "/api/v2/importErrors", None, "Viewer"),
    "unpause it": ("PATCH", "/api/v2/dags/tiny.score", {"is_paused": False}, "User"),
    "start a night": ("POST", "/api/v2/dags/tiny.score/dagRuns", RUN, "User"),
    "clear a run": ("POST", "/api/v2/dags/tiny.score/dagRuns/no-such-run/clear", CLEARED, "User"),
    "the size of a pool": ("POST", "/api/v2/pools", POOL, "Op"),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """An API server whose users have a role each, of the same name in small letters, and the tiny model's DAGs."""
    folder = tmp_path_factory.mktemp("logins")
    settings = Settings(home=PROJECT, models_folder=PROJECT / "tests" / "models", var=folder)
    write_bytes(report_uri(settings.quality_docs_uri, "tiny", "a run"), b"<p>the night's report</p>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", FAB)
        servers = Servers(settings, free_port(), None)
        try:
            servers.start()
            airflow(servers, "dags", "reserialize")
            for role in ROLES:
                name = role.lower()
                login = ["--username", name, "--password", password(name), "--email", f"{name}@example.org"]
                airflow(servers, "users", "create", "--role", role, *login, "--firstname", name, "--lastname", name)
            wait_for(lambda: answers(servers), logs=servers.logs)
            yield servers
        finally:
            servers.stop()


def answers(servers: Servers) -> bool:
    servers.check()
    try:
        return httpx.get(f"{servers.airflow_url}/api/v2/monitor/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def password(name: str) -> str:
    return f"{name}-s3cret"


def airflow(servers: Servers, *command: str) -> None:
    program = Path(sys.executable).parent / "airflow"
    ended = subprocess.run([program, *command], env=os.environ | servers.environment(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]


def status(servers: Servers, request: str, role: str | None) -> int:
    """The status of what a role, or nobody, asks for."""
    method, path, body, _ = REQUESTS[request]
    headers = {}
    if role is not None:
        login = {"username": role.lower(), "password": password(role.lower())}
        answer = httpx.post(f"{servers.airflow_url}/auth/token", json=login, timeout=60).raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return httpx.request(method, f"{servers.airflow_url}{path}", json=body, headers=headers, timeout=60).status_code


@pytest.mark.parametrize("request_name", REQUESTS)
def test_who_has_not_logged_in_may_nothing(servers: Servers, request_name: str) -> None:
    assert status(servers, request_name, None) == 401


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_role_may_what_it_is_for(servers: Servers, request_name: str, role: str) -> None:
    allowed = ROLES.index(role) >= ROLES.index(REQUESTS[request_name][3])
    answer = status(servers, request_name, role)
    assert (answer in {200, 201, 404, 409}) if allowed else answer == 403
