"""An MLflow server with a login, whose store is PostgreSQL and whose artifacts are on S3."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from servers import free_port
from unit.registry.trainings import promoted

from nightshift.errors import TerminalError
from nightshift.lake.files import list_files
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from production.conftest import BUCKET

pytestmark = [pytest.mark.production, pytest.mark.timeout(600)]

USER, PASSWORD = "admin", "a-l0ng-passw0rd"


@pytest.fixture(scope="module")
def server(database: str, aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address; it asks for a user and a password."""
    del aws
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}/mlflow_logins\nadmin_username = {USER}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    login = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
    command = [Path(sys.executable).parent / "mlflow", "server", "--app-name", "basic-auth", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"{database}/mlflow_server"]
    command += ["--artifacts-destination", f"s3://{BUCKET}/mlflow_server"]
    with (folder / "log").open("wb") as log:
        environment = os.environ | login | {"MLFLOW_FLASK_SERVER_SECRET_KEY": "x" * 32}
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                if httpx.get(f"{url}/health", timeout=5).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def settings(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    models = PROJECT / "tests" / "models"
    artifacts = f"s3://{BUCKET}/mlflow_server"
    return Settings(home=PROJECT, models_folder=models, var=tmp_path, mlflow_uri=server, mlflow_artifacts=artifacts)


def test_versions_are_registered_promoted_and_read(settings: Settings) -> None:
    project = Project("tiny", settings)
    first, second = promoted(project, 1, 2)
    champion = project.champions.require_champion()
    assert (champion.number, champion.run_id) == (2, second.run_id)
    assert project.registry.package_files(first.run_id, first.digest)
    assert [file for file in list_files(f"s3://{BUCKET}/mlflow_server") if first.run_id in file]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_one_line_without_it(
    settings: Settings, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with pytest.raises(TerminalError) as refusal:
        Project("tiny", settings).registry.champion()
    assert "MLFLOW_TRACKING_USERNAME" in str(refusal.value)
    assert "\n" not in str(refusal.value)
