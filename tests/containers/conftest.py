"""The compose stack, built and started by an engine of this machine."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import free_port

from nightshift.settings import PROJECT

LOG = logging.getLogger(__name__)
HEALTHY_WITHIN = 900  # seconds
Inspection = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """A started stack.

    Attributes:
        folder: A copy of the project, with secrets of its own.
        compose: The command that all others of compose begin with.
        environment: Its environment.
    """

    folder: Path
    compose: list[str]
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of compose; what it prints is shown if the test fails."""
        ended = subprocess.run(
            [*self.compose, *arguments],
            cwd=self.folder / "docker",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        LOG.info("$ %s\n%s", " ".join(arguments), ended.stdout)
        return ended

    def containers(self) -> dict[str, Inspection]:
        """What the engine says of every container, by its service."""
        ids = subprocess.run(
            [*self.compose, "ps", "--quiet"],
            cwd=self.folder / "docker",
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        inspected: list[Inspection] = json.loads(engine("inspect", *ids))
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in inspected}

    def wait_until_healthy(self) -> None:
        """Waits for every container that has a health check."""
        deadline = time.monotonic() + HEALTHY_WITHIN
        while time.monotonic() < deadline:
            states = {name: health(container) for name, container in self.containers().items()}
            if set(states.values()) <= {"healthy", None}:
                return
            time.sleep(3)
        self.run("logs", "--tail", "40")
        raise AssertionError(states)


def engine(*arguments: str) -> str:
    """What a command of docker prints."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def health(container: Inspection) -> str | None:
    """The health of a container; None if it has no health check."""
    status: str | None = container["State"].get("Health", {}).get("Status")
    return status


def no_engine() -> str | None:
    """Why there is no engine here; None if there is one."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return f"no engine answers: {answer.stderr.strip().splitlines()[-1]}" if answer.returncode else None


def compose_command() -> list[str] | None:
    """Compose's command: the engine's plugin, or the program of before; None if there is neither."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, from the files that git knows, with the tests' tiny model."""
    if reason := no_engine():
        pytest.skip(f"{reason}; docs/production.md says how to start one")
    if (command := compose_command()) is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    folder = tmp_path_factory.mktemp("stack") / "nightshift"
    for name in subprocess.check_output(["git", "ls-files"], cwd=PROJECT, text=True).splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).exists():
            shutil.copy(PROJECT / name, folder / name)
    models = folder.parent / "models"
    shutil.copytree(PROJECT / "tests" / "models" / "tiny", models / "tiny")
    tree = yaml.safe_load((models / "tiny" / "model.yaml").read_text())
    tree["schedule"]["end"] = date(2024, 12, 31)
    (models / "tiny" / "model.yaml").write_text(yaml.safe_dump(tree))
    for parent in (folder.parent, folder.parent.parent):
        parent.chmod(0o755)  # pytest's are their owner's alone
    ports = {f"{name}_PORT": str(free_port()) for name in ("AIRFLOW", "MLFLOW", "SPARK", "SERVING")}
    chosen = {"NIGHTSHIFT_MODELS": str(models), "NIGHTSHIFT_IMAGE": "nightshift-test:latest", **ports}
    if command == ["docker-compose"]:
        chosen |= {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "1"}
    files = ["-p", "nightshift-test", "-f", "compose.yaml", "-f", "compose.debian.yaml"]
    started = Stack(folder, [*command, *files], os.environ | chosen)
    subprocess.run([folder / "docker" / "secrets.sh"], check=True)
    try:
        built = time.monotonic()
        assert started.run("build").returncode == 0
        start = time.monotonic()
        assert started.run("up", "--detach").returncode == 0
        started.wait_until_healthy()
        size = int(engine("image", "inspect", "--format", "{{.Size}}", chosen["NIGHTSHIFT_IMAGE"])) / 1e9
        LOG.info("built in %.0f s, healthy in %.0f s, %.2f GB", start - built, time.monotonic() - start, size)
        yield started
    finally:
        started.run("down", "--volumes", "--timeout", "10")
