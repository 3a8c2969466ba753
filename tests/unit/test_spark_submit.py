from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nightshift.errors import NightshiftError, TerminalError, TransientError
from nightshift.settings import PROJECT, Settings, SparkSettings
from nightshift.spark_submit import SparkSubmit

GONE_WITHIN = 20  # seconds; a bound for a machine under load, not a measurement


class Scripted(SparkSubmit):
    """A job that is a line of plain Python instead of a Spark program."""

    def command(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", *self.arguments]


def scripted(settings: Settings, code: str, *arguments: str) -> Scripted:
    return Scripted(settings, "features", [code, *arguments])


def outcome(settings: Settings, code: str) -> NightshiftError:
    with pytest.raises(NightshiftError) as caught:
        scripted(settings, code).run(lambda line: None)
    return caught.value


@contextmanager
def watched(pid: int) -> Iterator[Callable[[], bool]]:
    """Whether a process ends in time, even one that nobody is left to wait for."""
    handle = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([handle], [], [], GONE_WITHIN)[0])
    finally:
        os.close(handle)


# ---- what is submitted


def confs(command: list[str]) -> dict[str, str]:
    pairs = [command[i + 1] for i, word in enumerate(command) if word == "--conf"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_a_job_is_submitted_with_its_own_arguments_last(settings: Settings) -> None:
    command = SparkSubmit(settings, "score", ["--model", "tiny", "--night", "2024-01-05"]).command()
    assert Path(command[0]).name == "spark-submit"
    assert command[1:3] == ["--master", "local[*]"]
    assert command[-5:] == [str(PROJECT / "spark_jobs" / "score.py"), "--model", "tiny", "--night", "2024-01-05"]
    assert Path(command[-5]).exists()


def test_a_local_job_is_tuned_for_one_machine_and_logs_as_the_project_says(settings: Settings) -> None:
    found = confs(SparkSubmit(settings, "score", []).command())
    assert found["spark.driver.memory"] == "2g"
    assert found["spark.ui.enabled"] == "false"
    [logging] = [
        word.split("=", 1)[1]
        for word in found["spark.driver.extraJavaOptions"].split()
        if word.startswith("-Dlog4j2.configurationFile=")
    ]
    assert Path(logging.removeprefix("file://")).exists()


def test_a_class_archive_is_used_once_it_is_there(settings: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "spark.jsa"
    chosen = settings.model_copy(update={"spark": SparkSettings(class_archive=archive)})
    assert "SharedArchiveFile" not in confs(SparkSubmit(chosen, "score", []).command())["spark.driver.extraJavaOptions"]
    archive.write_bytes(b"")
    options = confs(SparkSubmit(chosen, "score", []).command())["spark.driver.extraJavaOptions"]
    assert f"-XX:SharedArchiveFile={archive}" in options.split()


def test_what_the_settings_say_goes_before_what_a_local_job_would_do(settings: Settings) -> None:
    own = {"spark.ui.enabled": "true", "spark.custom": "a=b c"}
    chosen = settings.model_copy(update={"spark": SparkSettings(master="local[1]", driver_memory="5g", conf=own)})
    command = SparkSubmit(chosen, "score", []).command()
    found = confs(command)
    assert command[2] == "local[1]"
    assert found["spark.driver.memory"] == "5g"
    assert {key: found[key] for key in own} == own
    assert len([word for word in command if word.startswith("spark.ui.enabled=")]) == 1


@pytest.mark.parametrize("master", ["yarn", "spark://host:7077", "k8s://https://host"])
def test_a_cluster_keeps_its_own_configuration(settings: Settings, master: str) -> None:
    chosen = settings.model_copy(update={"spark": SparkSettings(master=master, conf={"spark.a": "1"})})
    submit = SparkSubmit(chosen, "score", [])
    assert confs(submit.command()) == {"spark.driver.memory": "2g", "spark.a": "1"}
    assert "SPARK_LOCAL_IP" not in set(submit.environment()) - set(os.environ)


def test_a_job_runs_with_this_interpreter_and_these_settings(settings: Settings) -> None:
    environment = SparkSubmit(settings, "score", []).environment()
    assert environment["PYSPARK_PYTHON"] == environment["PYSPARK_DRIVER_PYTHON"] == sys.executable
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert environment["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert environment["NIGHTSHIFT_VAR"] == str(settings.var)


def test_without_spark_the_error_says_how_to_get_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TerminalError, match="spark-submit is not installed; fix: install the locked requirements"):
        SparkSubmit(settings, "score", []).command()


# ---- how a job ends


def test_the_lines_of_a_job_are_passed_on_in_order_whichever_stream_they_came_from(settings: Settings) -> None:
    said: list[str] = []
    code = (
        "import os; os.write(1, b'one\\n'); os.write(2, b'two  \\n'); "
        "os.write(1, b'\\xff\\n'); os.write(1, b'\\n'); os.write(1, b'end')"
    )
    scripted(settings, code).run(said.append)
    assert said == ["one", "two", "\N{REPLACEMENT CHARACTER}", "", "end"]


def test_lines_arrive_while_the_job_is_still_running(settings: Settings, tmp_path: Path) -> None:
    """The job goes on only when its first line has been read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said: list[str] = []

    def answer(line: str) -> None:
        said.append(line)
        if line == "first":
            pipe.write_text("go on")

    code = "import sys; print('first', flush=True); print(open(sys.argv[1]).read())"
    scripted(settings, code, str(pipe)).run(answer)
    assert said == ["first", "go on"]


def test_a_job_that_says_why_it_failed_is_quoted(settings: Settings) -> None:
    code = "import sys; print('error: the model is gone'); print('INFO shutting down'); sys.exit(2)"
    error = outcome(settings, code)
    assert isinstance(error, TerminalError)
    assert str(error) == "the model is gone"


def test_the_last_reason_given_is_the_one_quoted(settings: Settings) -> None:
    assert str(outcome(settings, "print('error: first'); print('error: second'); raise SystemExit(2)")) == "second"


def test_a_job_that_gives_no_reason_is_quoted_with_its_last_line_and_exit_code(settings: Settings) -> None:
    error = outcome(settings, "print('one'); print('two'); print('  '); raise SystemExit(3)")
    assert isinstance(error, TerminalError)
    assert str(error) == "Spark job features ended with exit code 3: two"


def test_a_job_that_says_nothing_at_all_is_reported_too(settings: Settings) -> None:
    assert (
        str(outcome(settings, "raise SystemExit(1)")) == "Spark job features ended with exit code 1: it printed nothing"
    )


def test_a_reason_is_found_behind_many_lines_of_noise_only_if_it_is_near_the_end(settings: Settings) -> None:
    near = "print('error: the reason'); [print('noise', i) for i in range(40)]; raise SystemExit(2)"
    assert str(outcome(settings, near)) == "the reason"


def test_a_job_that_asks_to_be_tried_again_is(settings: Settings) -> None:
    error = outcome(settings, "print('error: the store is away'); raise SystemExit(75)")
    assert isinstance(error, TransientError)
    assert str(error) == "the store is away"


def test_a_job_killed_from_outside_may_be_tried_again(settings: Settings) -> None:
    error = outcome(settings, "import os, signal; print('working', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    assert isinstance(error, TransientError)
    assert str(error) == "Spark job features ended with exit code -9: working"


# ---- that nothing outlives it

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
"""
STAYING = PARENT + "time.sleep(600)"


class Running:
    """A job that runs on a thread of its own and prints the id of its child."""

    def __init__(self, settings: Settings, code: str) -> None:
        self.job, self.errors, self.child = scripted(settings, code), [], 0
        self._printed = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self._printed.wait(GONE_WITHIN)

    def _run(self) -> None:
        try:
            self.job.run(self._line)
        except NightshiftError as error:
            self.errors.append(error)

    def _line(self, line: str) -> None:
        self.child = int(line)
        self._printed.set()


def test_killing_a_job_ends_everything_it_started(settings: Settings) -> None:
    running = Running(settings, STAYING)
    assert running.job._process is not None
    with watched(running.job._process.pid) as job_ended, watched(running.child) as child_ended:
        running.job.kill()
        assert job_ended()
        assert child_ended()
    running.thread.join(GONE_WITHIN)
    assert not running.thread.is_alive()
    assert isinstance(running.errors[0], TransientError)


def test_killing_a_job_that_ended_already_still_ends_what_it_left_behind(settings: Settings) -> None:
    running = Running(settings, PARENT)  # its child keeps the output open
    process = running.job._process
    assert process is not None
    with watched(running.child) as child_ended:
        with watched(process.pid) as job_ended:
            assert job_ended()
        try:
            running.job.kill()
            running.thread.join(3)
            assert not running.thread.is_alive()
            assert child_ended()
        finally:
            tidy_up(running.child)


def tidy_up(pid: int) -> None:
    """Tidies up a process that a failed test has left."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_killing_what_never_started_or_has_ended_is_no_error(settings: Settings) -> None:
    job = scripted(settings, "")
    job.kill()
    job.run(lambda line: None)
    job.kill()


def test_an_error_while_passing_lines_on_ends_the_job(settings: Settings) -> None:
    children: list[int] = []

    def write(line: str) -> None:
        children.append(os.pidfd_open(int(line)))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        scripted(settings, STAYING).run(write)
    assert select.select(children, [], [], GONE_WITHIN)[0] == children
    os.close(children[0])


CALLER = """
import os, sys
sys.path.insert(0, {tests!r})
from nightshift.settings import Settings
from unit.test_spark_submit import Scripted

code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
Scripted(Settings(), "features", [code]).run(lambda line: print(line, flush=True))
"""


def test_a_job_dies_with_its_caller_even_if_that_is_killed_outright(settings: Settings) -> None:
    code = CALLER.format(tests=str(PROJECT / "tests"))
    caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    with watched(int(caller.stdout.readline())) as job_ended:
        caller.kill()
        caller.wait()
        assert job_ended()
    caller.stdout.close()
