"""What the end-to-end tests share: an installation in which `make run` has replayed a night, and its Airflow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from servers import free_port

from e2e import drifting, household, planted
from nightshift.project import Project
from nightshift.replay.airflow_api import AirflowApi
from nightshift.replay.nights import Replay
from nightshift.replay.servers import Servers
from nightshift.settings import PROJECT, Settings

SOURCES = PROJECT / "include" / "sources"
CHAMPION, NIGHT = date(2013, 1, 31), date(2013, 2, 1)
UP = "The servers stay up until Ctrl-C."


class MakeRun:
    """`make run` over a single night.

    Args:
        settings: The installation.
        port: The port of its Airflow.

    Attributes:
        output: What it has printed.
    """

    def __init__(self, settings: Settings, port: int) -> None:
        ports = ["--airflow-port", str(port), "--mlflow-port", str(free_port())]
        span = ["--first", str(NIGHT), "--last", str(NIGHT), "--champion", str(CHAMPION)]
        self.airflow_port, self.output = port, ""
        self.process = subprocess.Popen(
            [Path(sys.executable).parent / "nightshift", "run", *ports, *span],
            env=os.environ | settings.as_environment() | planted.ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, text: str) -> None:
        """Reads what it prints up to the line with a text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        pytest.fail(f"it ended before it printed {text!r}:\n{self.output}")

    def interrupt(self) -> int:
        """Ends it by Ctrl-C, unless it has ended; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.output += self.process.communicate(timeout=120)[0]
        return self.process.wait()

    def kill(self) -> None:
        """Ends it without warning."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with the example, the tiny model, one that drifts, a grocer's, and a broken one."""
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(PROJECT / "include" / "models" / "flight_delay", models / "flight_delay")
    never_retrain(models / "flight_delay")
    shutil.copytree(PROJECT / "tests" / "models" / "tiny", models / "tiny")
    drifting.write_model(models)
    household.write_model(models)
    never_retrain(models / household.MODEL)
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text("name: broken\n")
    return Settings(home=PROJECT, var=tmp_path_factory.mktemp("var"), models_folder=models, sources_folder=SOURCES)


def never_retrain(model: Path) -> None:
    """Lets a model request a training only after more nights than the tests run: the drifting one shows how it does."""
    tree = YAML().load(file := model / "model.yaml")
    tree["monitoring"]["retrain"] |= {"nights": 9, "of_last": 9}
    YAML().dump(tree, file)


@pytest.fixture(scope="session")
def arguments_with_secrets() -> Iterator[set[str]]:
    """The arguments of processes that show a planted secret, while `make run` and the tests run."""
    with planted.watched_arguments() as shown:
        yield shown


@pytest.fixture(scope="session")
def make_run(settings: Settings, arguments_with_secrets: set[str]) -> Iterator[MakeRun]:
    """A night; the first attempt is killed without warning in the middle of it and started again, and stays up."""
    first = MakeRun(settings, free_port())
    first.read_until(f"night {NIGHT}: score features.features")
    first.kill()
    second = MakeRun(settings, first.airflow_port)
    try:
        second.read_until(UP)
        yield second
    finally:
        second.interrupt()


@pytest.fixture(scope="session")
def airflow(settings: Settings, make_run: MakeRun) -> Replay:
    """The one Airflow of all end-to-end tests, and the example's nights in it."""
    servers = Servers(settings, make_run.airflow_port, None)  # they run already
    api = AirflowApi(servers.airflow_url, "admin", servers.password)
    driver = Replay(Project("flight_delay", settings), servers, api, lambda text: None)
    driver.prepare()
    return driver
