"""Starts and stops Airflow and the MLflow UI on this machine, bound to 127.0.0.1."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil

from nightshift.errors import TerminalError
from nightshift.json_documents import parse_object
from nightshift.processes import die_with_parent
from nightshift.registry.database import open_client
from nightshift.registry.lost_versions import require_database
from nightshift.replay.airflow_api import AirflowApi
from nightshift.settings import Settings

MARK = "NIGHTSHIFT_INSTANCE"
DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
AIRFLOW, LOGS = "airflow", "logs"  # folders of the installation
# MLflow's jobs judge language models; to be ready for them, its server starts seven processes of 250 MB each.
NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
# Without their log servers, which would listen on every address: the API server reads the same files.
COMPONENTS = {
    "scheduler": ["airflow", "scheduler", "--skip-serve-logs"],
    "dag-processor": ["airflow", "dag-processor"],
    "triggerer": ["airflow", "triggerer", "--skip-serve-logs"],
}


class Servers:
    """The servers of one installation.

    Args:
        settings: The installation.
        airflow_port: Port of the Airflow UI and API.
        mlflow_port: Port of the MLflow UI; None to do without it.

    Attributes:
        user: Name of the user of Airflow and MLflow.
    """

    user = "admin"

    def __init__(self, settings: Settings, airflow_port: int = 8080, mlflow_port: int | None = 5000) -> None:
        self.settings, self.airflow_port, self.mlflow_port = settings, airflow_port, mlflow_port
        self.home = settings.var_path / AIRFLOW
        self.logs = settings.var_path / LOGS
        self.airflow_url = f"http://127.0.0.1:{airflow_port}"
        self.mlflow_url = f"http://127.0.0.1:{mlflow_port}" if mlflow_port else None
        self._processes: dict[str, subprocess.Popen] = {}

    @property
    def password_file(self) -> Path:
        """The file with the password of the user `admin`."""
        return self.home / "passwords.json"

    @property
    def password(self) -> str:
        fix = "remove it, and start again: another password is written"
        return str(parse_object(self.password_file.read_bytes(), str(self.password_file), {"admin": str}, fix)["admin"])

    def api(self) -> AirflowApi:
        """A client that logs in as the user."""
        return AirflowApi(self.airflow_url, self.user, self.password)

    def start(self) -> None:
        """Stops leftover servers, migrates the database, and starts the API server and MLflow.

        Raises:
            TerminalError: If another program uses a port.
        """
        self.stop_leftovers()
        for port in filter(None, (self.airflow_port, self.mlflow_port)):
            _require_free(port)
        for name in (AIRFLOW, LOGS):
            self.settings.make_folder(name)
        self.environment()
        self._migrate()
        self._spawn("api-server", ["airflow", "api-server", "--port", str(self.airflow_port)])
        if self.mlflow_port:
            require_database(self.settings)
            if not self.settings.has_registry:
                open_client(self.settings)  # which makes the database whole; killed, the server would leave half of it
            self._spawn("mlflow", self.mlflow_command(), self.mlflow_environment() | NO_JOBS)

    def start_scheduling(self, timeout: float = 180) -> None:
        """Waits for the API server, then starts the rest: a scheduler without it fails its first tasks.

        Raises:
            TerminalError: If a server does not become healthy in time.
        """
        self._wait("the API server", lambda health: True, timeout)
        for component, command in COMPONENTS.items():
            # Only in the scheduler: LocalExecutor's tasks are its forks.
            preload = {"NIGHTSHIFT_PRELOAD": "true"} if component == "scheduler" else {}
            self._spawn(component, command, preload)
        self._wait("the scheduler", lambda health: all(part.get("status") == "healthy" for part in health), timeout)

    def check(self) -> None:
        """Raises if a server died.

        Raises:
            TerminalError: Naming the server and its log.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise TerminalError(
                    f"the {name} ended with exit code {process.returncode}", where=str(self.logs / f"{name}.log")
                )

    def stop(self) -> list[str]:
        """Stops every server and every process that they started.

        Returns:
            The names of the servers that ran.
        """
        names = list(self._processes)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        self._processes.clear()
        self.stop_leftovers()
        return names

    def stop_leftovers(self) -> int:
        """Kills every process that still runs for this installation, such as after a kill -9, and counts them."""
        leftovers = running(self.settings.var_path)
        for process in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(leftovers, timeout=10)
        return len(leftovers)

    def environment(self) -> dict[str, str]:
        """The environment of every server: this installation's paths, ports and secrets."""
        secret = self._secrets()
        variables = {
            MARK: str(self.settings.var_path),
            **self.settings.as_environment(),
            "NIGHTSHIFT_VAR": str(self.settings.var_path),
            "NIGHTSHIFT_AIRFLOW_URL": self.airflow_url,
            **({"NIGHTSHIFT_MLFLOW_URL": self.mlflow_url} if self.mlflow_url else {}),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONFIG": str(self.settings.home / "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.settings.home / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.settings.home / "plugins"),
            "AIRFLOW__CORE__FERNET_KEY": secret["fernet_key"],
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.password_file),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            DATABASE: airflow_database(self.settings),
            "AIRFLOW__API__SECRET_KEY": secret["api_secret_key"],
            "AIRFLOW__API__BASE_URL": self.airflow_url,
            "AIRFLOW__API_AUTH__JWT_SECRET": secret["jwt_secret"],
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs / "tasks"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        environment = {**os.environ, **variables}
        # Without compiled bytecode every task takes two to four times as long to import.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment

    def _secrets(self) -> dict[str, str]:
        """Secrets of this installation: generated once, readable by its owner only."""
        file = self.settings.make_folder(AIRFLOW) / "secrets.json"
        fix = "restore it from a backup, or remove it: others are written, and connections that Airflow stores are lost"
        stored = parse_object(file.read_bytes(), str(file), {}, fix) if file.exists() else {}
        if not self.password_file.exists():
            _write_private(self.password_file, {"admin": secrets.token_urlsafe(12)})
        complete = {
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api_secret_key": secrets.token_hex(32),
            "jwt_secret": secrets.token_hex(64),
            "mlflow_secret_key": secrets.token_hex(32),
        } | stored
        if complete != stored:
            _write_private(file, complete)
        return complete

    def _migrate(self) -> None:
        database = hashlib.sha256(airflow_database(self.settings).encode()).hexdigest()[:12]
        marker = self.home / f"migrated-{version('apache-airflow-core')}-{database}"
        if marker.exists():
            return
        with (self.logs / "migrate.log").open("a") as log:
            code = subprocess.call(
                _command(["airflow", "db", "migrate"]), env=self.environment(), stdout=log, stderr=log
            )
        if code:
            raise TerminalError("the Airflow database could not be migrated", where=str(self.logs / "migrate.log"))
        marker.touch()

    def mlflow_command(self) -> list[str]:
        """What starts MLflow, without what may be secret: lists of processes show arguments."""
        return [
            "mlflow", "server", "--app-name", "basic-auth", "--workers", "1",
            "--host", "127.0.0.1", "--port", str(self.mlflow_port),
        ]  # fmt: skip

    def mlflow_environment(self) -> dict[str, str]:
        """MLflow's stores, and its login: it asks for the same user and password as Airflow."""
        folder = self.settings.make_folder("mlflow")
        config = folder / "auth.ini"
        config.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
            "admin_username = admin\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        return {
            "MLFLOW_BACKEND_STORE_URI": self.settings.tracking_uri,
            "MLFLOW_ARTIFACTS_DESTINATION": self.settings.artifact_root,
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": self._secrets()["mlflow_secret_key"],
        }

    def _spawn(self, name: str, command: list[str], variables: dict[str, str] | None = None) -> None:
        with (self.logs / f"{name}.log").open("a") as log:
            self._processes[name] = subprocess.Popen(
                _command(command),
                env=self.environment() | (variables or {}),
                cwd=self.settings.var_path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, signal.SIGTERM),
            )

    def _wait(self, server: str, ready: Callable[[list[dict[str, Any]]], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(httpx.HTTPError, ValueError):
                health = httpx.get(f"{self.airflow_url}/api/v2/monitor/health", timeout=5).json()
                if ready([health[part] for part in ("scheduler", "dag_processor", "triggerer")]):
                    return
            time.sleep(0.5)
        raise TerminalError(f"{server} did not become healthy within {timeout:.0f} s", where=str(self.logs))


def airflow_database(settings: Settings) -> str:
    """SQLAlchemy's URL of Airflow's metadata: that of the environment, or a SQLite file of the installation."""
    return os.environ.get(DATABASE) or f"sqlite:///{settings.var_path / AIRFLOW / 'airflow.db'}"


def running(var: Path) -> list[psutil.Process]:
    """Every process that was started for an installation, whatever its parent is now."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid() and _belongs_to(process, var):
                processes.append(process)
    return processes


def _belongs_to(process: psutil.Process, var: Path) -> bool:
    """Recognises a process by MARK in its environment, or, if Airflow's title overwrote that, by folder and title."""
    with contextlib.suppress(psutil.Error):
        if process.environ().get(MARK) == str(var):
            return True
    titled = any(name in word for word in process.cmdline() for name in ("airflow", "mlflow"))
    return titled and process.cwd() == str(var)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise TerminalError(
                f"port {port} is taken by another program",
                fix="stop it, or choose others: --airflow-port 8081 --mlflow-port 5001, of make AIRFLOW_PORT=8081 "
                "MLFLOW_PORT=5001",
            ) from None


def _command(command: list[str]) -> list[str]:
    program = shutil.which(command[0], path=str(Path(sys.executable).parent))
    if program is None:
        raise TerminalError(f"{command[0]} is not installed next to this Python", fix="make install")
    return [program, *command[1:]]


def _write_private(file: Path, content: dict[str, str]) -> None:
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content))
    part.replace(file)
