"""Drivers that wait for jobs: real processes that serve programs of plain Python instead of Spark's."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import GONE_WITHIN, watched

from nightshift.compute import waiting_driver
from nightshift.compute.job import Job, complete, start_driver
from nightshift.compute.outcome import new_outcome_uri, read_outcome
from nightshift.compute.spark_submit import SparkSubmission, SparkSubmit
from nightshift.compute.waiting_driver import DriverSubmission, WaitingDriver
from nightshift.errors import NightshiftError, TerminalError, TransientError
from nightshift.settings import PROJECT, Settings, SparkSettings

SERVER = """
import os, sys, time
from pathlib import Path
from nightshift.compute import serve_jobs

def prepare():
    time.sleep(0.3)
    return lambda: print("between jobs", flush=True)

programs, _, socket, _, log, _, seconds = sys.argv[1:]
serve_jobs.MOST_JOBS = int(os.environ.get("MOST_JOBS", serve_jobs.MOST_JOBS))
serve_jobs.serve_jobs(Path(programs), Path(socket), Path(log), float(seconds), prepare)
"""

# Prints its process and what it is asked to, does what it is asked to, and leaves an outcome.
PROGRAM = """
import builtins, json, os, signal, subprocess, sys, time
from pathlib import Path

command, outcome = sys.argv[1:-2], Path(sys.argv[-1].removeprefix("file://"))
print(f"process {os.getpid()}", flush=True)
error = ""
match command:
    case ["print", text]:
        os.write(1, text.encode())
    case ["sleep", seconds]:
        time.sleep(float(seconds))
    case ["fail", error]:
        pass
    case ["crash", text]:
        print(text, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    case ["touch", file]:
        Path(file).touch()
    case ["raise", name]:
        raise getattr(builtins, name)("not ours")
    case ["exit", code]:
        raise SystemExit(int(code) if code.isdigit() else code)
    case ["exit at once", code]:
        os._exit(int(code))
outcome.parent.mkdir(parents=True)
outcome.write_text(json.dumps({"staged": [] if error else ["file:///a"], "error": error, "transient": False}))
raise SystemExit(2 if error else 0)
"""


# How a program ends that leaves no outcome, with the error that its caller raises.
ENDS = [
    (("raise", "OSError"), TerminalError, "ended with exit code 1: OSError: not ours"),
    (("raise", "KeyboardInterrupt"), TerminalError, "ended with exit code 1: KeyboardInterrupt: not ours"),
    (("raise", "GeneratorExit"), TerminalError, "ended with exit code 1: GeneratorExit: not ours"),
    (("exit", "0"), TerminalError, r"ended with exit code 0: process \d+"),
    (("exit", "75"), TransientError, r"ended with exit code 75: process \d+"),
    (("exit", "out of luck"), TerminalError, "ended with exit code 1: out of luck"),
    (("exit at once", "3"), TransientError, r"ended with its driver: process \d+"),
    (("crash", "out of luck\n\n"), TransientError, "ended with its driver: out of luck"),
]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "job.py").write_text(PROGRAM)
    return tmp_path / "programs"


def driver_of(settings: Settings, programs: Path) -> WaitingDriver:
    # Pytest changes a variable between the phases of a test.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(PROJECT / "include")
    return WaitingDriver(settings, [sys.executable, "-c", SERVER, str(programs)], environment)


@pytest.fixture
def driver(settings: Settings, programs: Path) -> Iterator[WaitingDriver]:
    driver = driver_of(settings, programs)
    assert driver.start()
    yield driver
    driver.kill()


def submitted(driver: WaitingDriver, *arguments: str) -> DriverSubmission:
    submission = driver.submit(Job("job", arguments), new_outcome_uri(driver.settings, "job"))
    assert submission is not None
    return submission


def run(driver: WaitingDriver, *arguments: str) -> list[str]:
    lines: list[str] = []
    assert complete(submitted(driver, *arguments), lines.append).staged == ("file:///a",)
    return [line for line in lines if line != "between jobs"]


def is_there(driver: WaitingDriver) -> bool:
    return waiting_driver._address(driver.file) is not None


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + GONE_WITHIN
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def address(driver: WaitingDriver) -> waiting_driver.DriverAddress:
    found = waiting_driver._address(driver.file)
    assert found is not None
    return found


# ---- jobs that share a driver


def test_jobs_run_in_one_process_one_after_the_other(driver: WaitingDriver) -> None:
    [first], [second] = run(driver), run(driver)
    assert first == second == f"process {address(driver).process}"


def test_the_folder_of_temporary_files_may_have_a_long_name(
    settings: Settings, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 30)))
    driver = driver_of(settings, programs)
    assert driver.start()
    try:
        assert run(driver) == [f"process {address(driver).process}"]
    finally:
        driver.kill()


def test_the_lines_of_a_job_reach_its_caller_alone_and_whole(driver: WaitingDriver) -> None:
    assert run(driver, "print", "one\ntwo\n\nend")[1:] == ["one", "two", "", "end"]
    assert run(driver, "print", "three\n")[1:] == ["three"]


def test_lines_arrive_while_the_job_is_running(driver: WaitingDriver) -> None:
    times: list[float] = []
    complete(submitted(driver, "sleep", "1"), lambda line: times.append(time.monotonic()))
    assert time.monotonic() - times[0] > 0.5


def test_a_job_that_comes_while_another_runs_waits_for_it(driver: WaitingDriver) -> None:
    first = submitted(driver, "sleep", "1")
    lines: list[str] = []
    second = threading.Thread(target=lambda: lines.extend(run(driver, "print", "second\n")))
    second.start()
    complete(first, lambda line: None)
    second.join(GONE_WITHIN)
    assert lines[-1] == "second"


def test_a_job_that_waits_too_long_starts_a_driver_of_its_own_and_is_not_run_twice(
    driver: WaitingDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = submitted(driver, "sleep", "1")
    monkeypatch.setattr(waiting_driver, "FREE_WITHIN", 0.2)
    late = driver.submit(Job("job", ("touch", str(tmp_path / "late"))), new_outcome_uri(driver.settings, "job"))
    assert late is None
    monkeypatch.undo()
    complete(first, lambda line: None)
    run(driver)
    assert not (tmp_path / "late").exists()


# ---- how a driver ends


def test_a_failed_job_says_why_and_ends_the_driver(driver: WaitingDriver) -> None:
    with pytest.raises(TerminalError, match=r"^the model is gone$"):
        complete(submitted(driver, "fail", "the model is gone"), lambda line: None)
    assert wait_for(lambda: not is_there(driver))
    assert driver.submit(Job("job"), new_outcome_uri(driver.settings, "job")) is None


@pytest.mark.parametrize(("command", "error", "message"), ENDS)
def test_a_job_that_leaves_no_outcome_ends_for_its_caller_with_what_is_known(
    driver: WaitingDriver, command: tuple[str, ...], error: type[NightshiftError], message: str
) -> None:
    with pytest.raises(error, match=f"^Spark job job {message}$"):
        complete(submitted(driver, *command), lambda line: None)


def test_a_program_that_is_not_there_ends_for_its_caller(driver: WaitingDriver) -> None:
    submission = driver.submit(Job("absent"), new_outcome_uri(driver.settings, "absent"))
    assert submission is not None
    with pytest.raises(TerminalError, match=r"^Spark job absent ended with exit code 1: FileNotFoundError: "):
        complete(submission, lambda line: None)


def test_a_driver_serves_on_whatever_its_caller_does_after_the_end(driver: WaitingDriver) -> None:
    first = submitted(driver)
    assert wait_for(lambda: read_outcome(first.outcome) is not None)
    run(driver)
    first.connection.close()


def test_a_driver_ends_when_no_job_comes_and_leaves_no_socket(settings: Settings, programs: Path) -> None:
    brief = settings.model_copy(update={"spark": SparkSettings(driver_waits=1)})
    driver = driver_of(brief, programs)
    driver.start()
    run(driver)
    folder = Path(address(driver).socket).parent
    assert wait_for(lambda: not is_there(driver)) and not folder.exists()


def test_a_driver_that_is_started_again_waits_on_and_counts_no_job(
    settings: Settings, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOST_JOBS", "1")
    driver = driver_of(settings.model_copy(update={"spark": SparkSettings(driver_waits=2)}), programs)
    driver.start()
    process = address(driver).process
    for _ in range(5):
        time.sleep(1)
        assert not driver.start()
    assert run(driver) == [f"process {process}"]
    assert wait_for(lambda: not is_there(driver))


@pytest.mark.parametrize(("look_again", "starts"), [(0.0, True), (119.0, True), (120.0, False), (3600.0, False)])
def test_no_driver_starts_that_would_end_before_the_files_are_looked_for_again(
    settings: Settings, look_again: float, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(SparkSubmit, "start_driver", lambda self: started.append(self) or (lambda: None))
    start_driver(settings, look_again)
    assert bool(started) == starts


def test_killing_a_job_ends_its_driver(driver: WaitingDriver) -> None:
    submission, process = submitted(driver, "sleep", "600"), address(driver).process
    with watched(process) as ended:
        submission.kill()
        assert ended()


CALLER = """
import json, sys
from nightshift.compute.job import Job, complete
from nightshift.compute.waiting_driver import WaitingDriver
from nightshift.settings import Settings

var, command, outcome = sys.argv[1:]
driver = WaitingDriver(Settings(var=var), json.loads(command), {})
driver.file = next(driver.file.parent.glob("*.json"))
complete(driver.submit(Job("job", ("sleep", "600")), outcome), lambda line: print(line, flush=True))
"""


def test_a_driver_ends_with_a_caller_that_is_killed(driver: WaitingDriver) -> None:
    """Nobody wants its job any more."""
    outcome = new_outcome_uri(driver.settings, "job")
    command = [sys.executable, "-c", CALLER, str(driver.settings.var), json.dumps(driver.command), outcome]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "include")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline().startswith("process ")
        with watched(address(driver).process) as ended:
            caller.send_signal(signal.SIGKILL)
            assert ended()


# ---- which driver


def test_a_driver_is_started_once(settings: Settings, programs: Path, driver: WaitingDriver) -> None:
    again = driver_of(settings, programs)
    assert not again.start()
    assert run(again) == run(driver)


def test_a_driver_of_other_code_settings_or_secrets_is_another(settings: Settings, programs: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(programs)]
    same = WaitingDriver(settings, command, {"A": "1"}).file
    assert (
        WaitingDriver(settings, command, {"A": "1", "AIRFLOW_CTX_TASK_ID": "score", "NIGHTSHIFT_PRELOAD": "true"}).file
        == same
    )
    assert WaitingDriver(settings, command, {"A": "2"}).file != same
    assert WaitingDriver(settings, [*command, "--conf"], {"A": "1"}).file != same
    models = Settings(home=PROJECT, var=settings.var, models_folder=programs)
    assert WaitingDriver(models, command, {"A": "1"}).file != same


def test_what_drivers_left_is_removed_when_the_next_starts(settings: Settings, programs: Path) -> None:
    first = driver_of(Settings(home=PROJECT, var=settings.var, models_folder=programs), programs)
    first.start()
    left = Path(address(first).socket).parent
    assert wait_for(left.joinpath("socket").exists)
    os.killpg(address(first).process, signal.SIGKILL)
    first._process.wait()  # type: ignore[union-attr]
    assert left.exists()
    second = driver_of(settings, programs)
    second.start()
    try:
        assert not left.exists()
        assert sorted(second.file.parent.iterdir()) == sorted([second.file, second.file.with_suffix(".log")])
    finally:
        second.kill()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"a"', "null", '{"process": 1}', '{"process": "a", "socket": []}', "\0"]
)
def test_a_file_that_says_nothing_is_removed_and_a_driver_starts(settings: Settings, programs: Path, text: str) -> None:
    driver = driver_of(settings, programs)
    others = [driver.file, driver.file.with_stem("other")]
    for file in others:
        file.write_text(text)
    assert waiting_driver._address(driver.file) is None
    assert driver.start()
    try:
        assert run(driver) and not others[1].exists()
    finally:
        driver.kill()


def test_what_is_no_folder_of_a_socket_is_never_removed(settings: Settings, programs: Path, tmp_path: Path) -> None:
    driver = driver_of(settings, programs)
    (tmp_path / "precious").mkdir()
    record = {"process": 1, "socket": str(tmp_path / "precious" / "socket"), "log": "log"}
    driver.file.with_stem("other").write_text(json.dumps(record))
    driver.start()
    driver.kill()
    assert (tmp_path / "precious").exists() and not driver.file.with_stem("other").exists()


def test_what_jobs_print_is_for_their_user_alone(driver: WaitingDriver) -> None:
    assert {file.stat().st_mode & 0o777 for file in driver.file.parent.iterdir()} == {0o600}


def test_a_driver_that_cannot_be_started_fails_nothing(settings: Settings) -> None:
    driver = WaitingDriver(settings, ["/no/such/program"], {})
    assert not driver.start()
    assert driver.submit(Job("job"), new_outcome_uri(settings, "job")) is None


def test_a_driver_that_nobody_could_find_does_not_stay(
    settings: Settings, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the disk were full when it is written down where the driver is."""
    driver = driver_of(settings, programs)

    def write_text(file: Path, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(file))

    monkeypatch.setattr(Path, "write_text", write_text)
    assert not driver.start()
    assert driver._process is not None and driver._process.wait(GONE_WITHIN) == -signal.SIGKILL
    monkeypatch.undo()
    assert driver.start()
    driver.kill()


@pytest.mark.parametrize("spark", [SparkSettings(driver_waits=0), SparkSettings(master="spark://host:7077")])
def test_jobs_share_no_driver_where_they_are_not_to(settings: Settings, spark: SparkSettings) -> None:
    start_driver(settings.model_copy(update={"spark": spark}))()
    assert not (settings.var_path / "spark").exists()


def test_only_jobs_of_a_night_share_a_driver(settings: Settings, programs: Path, driver: WaitingDriver) -> None:
    """Those of many nights are for the JVM's best compiler, and those with variables of their own for their own."""

    class Sharing(SparkSubmit):
        def command(self, job: Job) -> list[str]:
            return [sys.executable, "-I", "-S", "-c", "print('own driver')"]

        def _driver(self) -> WaitingDriver:
            return driver

    submitter = Sharing(settings)
    own = [Job("job", many_nights=True), Job("job", environment={"A": "1"})]
    submissions = [submitter.submit(job) for job in [*own, Job("job")]]
    assert [type(submission) for submission in submissions] == [SparkSubmission, SparkSubmission, DriverSubmission]
    for submission in submissions:
        submission.kill()
