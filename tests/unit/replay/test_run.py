"""How a replay ends; the servers themselves are tried end to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from nightshift.errors import TerminalError
from nightshift.project import Project
from nightshift.replay import run, summary, up
from nightshift.replay.airflow_api import AirflowApi
from nightshift.replay.nights import Replay
from nightshift.replay.run import Plan, ReplayEnd, last_night, replay
from nightshift.replay.running_servers import RunningServers
from nightshift.replay.servers import Servers
from nightshift.settings import Settings

PLAN = Plan("tiny", date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 1))


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Python's own signal handlers; a Spark session in the tests' process may have left others."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stops of the servers, each disturbed by another Ctrl-C; no server runs."""
    stops: list[str] = []

    def stop(servers: Servers) -> list[str]:
        os.kill(os.getpid(), signal.SIGINT)
        stops.append("stopped")
        return ["api-server", "scheduler"]

    monkeypatch.setattr(Servers, "stop", stop)
    return stops


def ended(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    stay: bool,
    succeeded: bool,
    servers: RunningServers | None = None,
) -> tuple[ReplayEnd, str]:
    """A replay without Airflow, whose summary says whether it succeeded."""
    monkeypatch.setattr(run, "print_summary", lambda *_: succeeded)
    console = Console(file=StringIO(), width=200)
    end = replay(PLAN, settings, servers or Servers(settings), console, stay=stay)
    return end, console.file.getvalue()  # type: ignore[attr-defined]


def interrupt(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def swallow_interrupt(*_: object) -> None:
    """Some C extensions raise an error of their own when Ctrl-C comes while they read."""
    try:
        interrupt()
    except KeyboardInterrupt:
        raise ValueError("reading failed") from None


@pytest.mark.parametrize(("succeeded", "code"), [(True, 0), (False, 1)])
def test_without_servers_that_stay_the_summary_gives_the_exit_code(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stops: list[str], succeeded: bool, code: int
) -> None:
    monkeypatch.setattr(run, "_run", lambda *_: [])
    end, output = ended(settings, monkeypatch, False, succeeded)
    assert (int(end), output, len(stops)) == (code, "", 1)


@pytest.mark.parametrize(
    ("interrupted", "action", "succeeded", "code"),
    [
        ("_run", interrupt, False, 130),
        ("_run", terminate, False, 130),
        ("_run", swallow_interrupt, False, 130),
        ("wait_for_interrupt", interrupt, True, 0),
        ("wait_for_interrupt", interrupt, False, 130),
    ],
)
def test_ctrl_c_stops_the_servers_undisturbed_and_says_how_to_go_on(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    stops: list[str],
    interrupted: str,
    action: Callable[..., None],
    succeeded: bool,
    code: int,
) -> None:
    monkeypatch.setattr(run, "_run", lambda *_: [])
    monkeypatch.setattr(run, interrupted, action)
    end, output = ended(settings, monkeypatch, True, succeeded)
    assert int(end) == code
    assert stops == ["stopped"]
    assert output.endswith(
        "Stopping the servers.\nStopped: api-server, scheduler.\n"
        "`make run` continues from here; `make reset` deletes all state.\n"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_without_an_interrupt_is_raised_after_the_servers_are_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stops: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("reading failed")

    monkeypatch.setattr(run, "_run", fail)
    with pytest.raises(ValueError, match="reading failed"):
        ended(settings, monkeypatch, False, True)
    assert stops == ["stopped"]


def test_servers_that_somebody_else_runs_are_left_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stops: list[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(Servers, "start", interrupt)
    monkeypatch.setattr(run, "_build_history", lambda *_: None)
    monkeypatch.setattr(run, "Replay", FirstTrainingFails)
    password = tmp_path / "password"
    password.write_text("secret\n")
    servers = RunningServers("http://airflow:8080", "admin", password, "https://airflow.example.com", None)
    end, output = ended(settings, monkeypatch, True, False, servers)
    assert end is ReplayEnd.FAILED and "training the first champion: failed" in output
    assert not stops


@pytest.mark.parametrize(
    ("ours", "command", "login"), [(True, ".venv/bin/nightshift sql", True), (False, "nightshift sql", False)]
)
def test_the_addresses_are_those_of_the_servers_that_were_used(
    settings: Settings, tmp_path: Path, ours: bool, command: str, login: bool
) -> None:
    others = RunningServers("http://airflow:8080", "admin", tmp_path, "https://airflow.example.com", "http://mlflow")
    console = Console(file=StringIO(), width=200)
    summary._print_addresses(console, Servers(settings, 1, 2) if ours else others, "tiny", date(2024, 1, 2))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"Last night   {command}" in output
    assert ("the same user and password" in output) is login


class FirstTrainingFails:
    """Stands in for a replay through Airflow."""

    def __init__(self, project: object, servers: RunningServers, api: AirflowApi, say: object) -> None:
        self.servers = servers

    def prepare(self) -> None:
        self.servers.check()

    def train(self, as_of: date, reason: str) -> str:
        return "failed"


def test_without_the_password_of_running_servers_the_file_is_named(tmp_path: Path) -> None:
    servers = RunningServers("http://airflow:8080", "admin", tmp_path / "none", "https://airflow.example.com", None)
    with pytest.raises(TerminalError, match=r"none.*--password-file"):
        servers.api()


def test_pools_of_servers_that_somebody_else_runs_keep_their_sizes(project: Project, tmp_path: Path) -> None:
    calls: list[str] = []

    class Api(AirflowApi):
        def pool(self, name: str, slots: int, description: str) -> None:
            calls.append(name)

        def unpause(self, dag_id: str) -> bool:
            calls.append(dag_id)
            return True

    servers = RunningServers("http://airflow:8080", "admin", tmp_path / "none", "https://airflow.example.com", None)
    Replay(project, servers, Api("http://airflow:8080", "admin", "secret"), lambda text: None).prepare()
    assert calls == ["tiny.score", "tiny.monitor", "tiny.train", "nightshift.maintenance"]


@pytest.mark.parametrize(
    ("file", "timeout", "received"),
    [("tiny.py", 1000, "missing comma"), ("other.py", 0, "missing comma"), (None, 0, "no import error")],
)
def test_a_dag_that_airflow_does_not_parse_is_an_error(
    project: Project, tmp_path: Path, file: str | None, timeout: float, received: str
) -> None:
    class Api(AirflowApi):
        def unpause(self, dag_id: str) -> bool:
            return dag_id == "nightshift.maintenance"

        def import_errors(self) -> dict[str, str]:
            return {f"/var/dags/{file}": "Traceback:\n  line 1\nmissing comma\n"} if file else {}

    servers = RunningServers("http://airflow:8080", "admin", tmp_path / "none", "https://airflow.example.com", None)
    replay = Replay(project, servers, Api("http://airflow:8080", "admin", "secret"), lambda text: None)
    with pytest.raises(TerminalError, match=rf"tiny\.score.*{received}"):
        replay.prepare(timeout)


@pytest.mark.parametrize(("count", "last"), [(1, date(2024, 1, 2)), (7, date(2024, 1, 8))])
def test_so_many_nights_end_with(settings: Settings, count: int, last: date) -> None:
    assert last_night("tiny", settings, date(2024, 1, 2), count) == last


def test_the_servers_alone_stay_up_until_ctrl_c(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stops: list[str]
) -> None:
    started: list[str] = []
    monkeypatch.setattr(Servers, "start", lambda servers: started.append("start"))
    monkeypatch.setattr(Servers, "start_scheduling", lambda servers: started.append("schedule"))
    monkeypatch.setattr(Servers, "password", "secret")
    monkeypatch.setattr(up, "create_pools", lambda api: started.append("pools"))
    monkeypatch.setattr(up, "wait_for_interrupt", interrupt)
    console = Console(file=StringIO(), width=200)
    up.keep_up(settings, 18080, 15000, console)
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert started == ["start", "schedule", "pools"] and stops == ["stopped"]
    assert "Airflow      http://127.0.0.1:18080" in output and "Models       tiny, of " in output
    assert output.endswith("Stopped: api-server, scheduler.\n")
    assert not list(settings.var_path.glob("landing/*"))


def test_servers_that_do_not_start_are_one_error_and_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stops: list[str]
) -> None:
    def fail(servers: Servers) -> None:
        raise TerminalError("port 8080 is taken by another program")

    monkeypatch.setattr(Servers, "start", fail)
    with pytest.raises(TerminalError, match="port 8080"):
        up.keep_up(settings, 8080, 5000, Console(file=StringIO()))
    assert stops == ["stopped"]
