"""What the end-to-end tests share: one installation that `make run` left, and one Airflow that is started over it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from e2e import drifting, household
from e2e.helpers import free_port
from nightshift.project import Project
from nightshift.replay.airflow_api import AirflowApi
from nightshift.replay.nights import Replay
from nightshift.replay.servers import Servers, running
from nightshift.settings import PROJECT, Settings

SOURCES = PROJECT / "include" / "sources"
NIGHT = date(2013, 2, 1)


@dataclass(frozen=True)
class FinishedRun:
    """What `make run EXIT=1` left behind.

    Attributes:
        output: What it printed.
        survivors: The command lines of the processes that outlived it.
    """

    output: str
    survivors: list[list[str]]


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with the example, the tiny model, one that drifts, a grocer's, and a broken one."""
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(PROJECT / "include" / "models" / "flight_delay", models / "flight_delay")
    shutil.copytree(PROJECT / "tests" / "models" / "tiny", models / "tiny")
    drifting.write_model(models)
    household.write_model(models)
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text("name: broken\n")
    return Settings(home=PROJECT, var=tmp_path_factory.mktemp("var"), models_folder=models, sources_folder=SOURCES)


@pytest.fixture(scope="session")
def finished_run(settings: Settings) -> FinishedRun:
    """A night; the first attempt is killed without warning in the middle of it and started again."""
    port = free_port()
    first = make_run(settings, port)
    assert first.stdout is not None
    for line in first.stdout:
        if f"night {NIGHT}: score features.features" in line:
            break
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = make_run(settings, port)
    output, _ = second.communicate(timeout=1200)
    assert second.returncode == 0, output
    return FinishedRun(output, [process.cmdline() for process in running(settings.var_path)])


def make_run(settings: Settings, port: int) -> subprocess.Popen[str]:
    """`make run EXIT=1` over a short span."""
    ports = ["--airflow-port", str(port), "--mlflow-port", str(free_port())]
    span = ["--first", str(NIGHT), "--last", str(NIGHT), "--champion", "2013-01-31"]
    command = [Path(sys.executable).parent / "nightshift", "run", "--exit", *ports, *span]
    environment = os.environ | settings.as_environment()
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="session")
def airflow(settings: Settings, finished_run: FinishedRun) -> Iterator[Replay]:
    """The one Airflow of all end-to-end tests, and the example's nights in it."""
    servers = Servers(settings, free_port(), None)
    try:
        servers.start()
        servers.start_scheduling()
        api = AirflowApi(servers.airflow_url, "admin", servers.password)
        driver = Replay(Project("flight_delay", settings), servers, api, lambda text: None)
        driver.prepare()
        yield driver
    finally:
        servers.stop()
