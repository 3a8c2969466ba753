from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import GONE_WITHIN, watched

from nightshift.compute.job import Job, complete, submit
from nightshift.compute.outcome import JobOutcome, read_outcome, write_outcome
from nightshift.compute.spark_submit import SparkSubmission, SparkSubmit
from nightshift.errors import NightshiftError, TerminalError, TransientError
from nightshift.settings import PROJECT, CatalogSettings, Settings, SparkSettings


class Scripted(SparkSubmit):
    """Jobs that are a line of plain Python instead of a Spark program."""

    def command(self, job: Job) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", *job.arguments]


def scripted(settings: Settings, code: str, *arguments: str) -> SparkSubmission:
    return Scripted(settings).submit(Job("features", (code, *arguments)))


# What a job writes last, into the file that its last argument names.
OUTCOME = """
import json, os, sys
os.makedirs(os.path.dirname(sys.argv[-1].removeprefix("file://")))
with open(sys.argv[-1].removeprefix("file://"), "w") as file:
    json.dump({{"staged": {staged!r}, "error": {error!r}, "transient": {transient!r}}}, file)
"""


def with_outcome(staged: list[str] | None = None, error: str = "", *, transient: bool = False) -> str:
    return OUTCOME.format(staged=staged or [], error=error, transient=transient)


def failure(settings: Settings, code: str) -> NightshiftError:
    with pytest.raises(NightshiftError) as caught:
        complete(scripted(settings, code), lambda line: None)
    return caught.value


# ---- what is submitted


def confs(command: list[str]) -> dict[str, str]:
    pairs = [command[i + 1] for i, word in enumerate(command) if word == "--conf"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_a_job_is_submitted_with_its_own_arguments_last(settings: Settings) -> None:
    command = SparkSubmit(settings).command(Job("score", ("--model", "tiny", "--night", "2024-01-05")))
    assert Path(command[0]).name == "spark-submit"
    assert command[1:3] == ["--master", "local[*]"]
    assert command[-5:] == [str(PROJECT / "spark_jobs" / "score.py"), "--model", "tiny", "--night", "2024-01-05"]
    assert Path(command[-5]).exists()


def test_a_local_job_is_tuned_for_one_machine_and_logs_as_the_project_says(settings: Settings) -> None:
    found = confs(SparkSubmit(settings).command(Job("score")))
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
    assert "SharedArchiveFile" not in confs(SparkSubmit(chosen).command(Job("score")))["spark.driver.extraJavaOptions"]
    archive.write_bytes(b"")
    options = confs(SparkSubmit(chosen).command(Job("score")))["spark.driver.extraJavaOptions"]
    assert f"-XX:SharedArchiveFile={archive}" in options.split()


def test_what_the_settings_say_goes_before_what_a_local_job_would_do(settings: Settings) -> None:
    own = {"spark.ui.enabled": "true", "spark.custom": "a=b c"}
    chosen = settings.model_copy(update={"spark": SparkSettings(master="local[1]", driver_memory="5g", conf=own)})
    command = SparkSubmit(chosen).command(Job("score"))
    found = confs(command)
    assert command[2] == "local[1]"
    assert found["spark.driver.memory"] == "5g"
    assert {key: found[key] for key in own} == own
    assert len([word for word in command if word.startswith("spark.ui.enabled=")]) == 1


@pytest.mark.parametrize("master", ["yarn", "spark://host:7077", "k8s://https://host"])
def test_workers_of_a_cluster_get_what_they_need_and_nothing_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, master: str
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    chosen = settings.model_copy(
        update={
            "spark": SparkSettings(master=master, conf={"spark.a": "1"}),
            "catalog": CatalogSettings(uri="postgresql+psycopg2://nightshift:hunter2@db/catalog"),
            "mlflow_uri": "https://mlflow.example.com",
        }
    )
    submitter = SparkSubmit(chosen)
    command = submitter.command(Job("score"))
    workers = {
        name.removeprefix("spark.executorEnv."): value
        for name, value in confs(command).items()
        if name.startswith("spark.executorEnv.")
    }
    assert workers["AWS_REGION"] == "eu-central-1" and workers["AWS_ENDPOINT_URL_S3"] == "http://s3.example.com"
    assert workers["NIGHTSHIFT_WAREHOUSE"] == settings.warehouse_uri
    assert workers["NIGHTSHIFT_MLFLOW_URI"] == "https://mlflow.example.com"
    assert "NIGHTSHIFT_CATALOG" not in workers and "hunter2" not in " ".join(command)
    environment = submitter.environment(Job("score"))
    assert environment["AWS_SECRET_ACCESS_KEY"] == "hunter2" and "hunter2" in environment["NIGHTSHIFT_CATALOG"]


def test_a_cluster_keeps_its_own_configuration(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    chosen = settings.model_copy(update={"spark": SparkSettings(master="yarn", conf={"spark.a": "1"})})
    submitter = SparkSubmit(chosen)
    conf = confs(submitter.command(Job("score")))
    assert conf["spark.a"] == "1" and conf["spark.ui.enabled"] == conf["spark.ui.showConsoleProgress"] == "false"
    assert conf["spark.driver.extraJavaOptions"].startswith("-Dlog4j2.configurationFile=file://")
    # Adaptive execution is the cluster's, and its machines have more memory than a night's job on this one.
    assert not {"spark.sql.adaptive.enabled", "spark.executor.memory", "spark.executor.instances"} & set(conf)
    assert "SPARK_LOCAL_IP" not in submitter.environment(Job("score"))


def test_a_job_runs_with_this_interpreter_and_these_settings(settings: Settings) -> None:
    environment = SparkSubmit(settings).environment(Job("score"))
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
        SparkSubmit(settings).command(Job("score"))


@pytest.mark.parametrize(
    "master", ["emr://cluster", "sparks://host:7077", "", "localhost", "local[x]", "local[0]", "local["]
)
def test_an_unknown_master_is_one_clear_line(settings: Settings, master: str) -> None:
    spark = settings.spark.model_copy(update={"master": master})
    with pytest.raises(TerminalError) as caught:
        submit(settings.model_copy(update={"spark": spark}), Job("score"))
    assert str(caught.value) == (
        f"environment variable NIGHTSHIFT_SPARK__MASTER: no such kind of master; received '{master}'; allowed: "
        "local[*], spark://host:7077, yarn, k8s://https://host, emr-serverless://application-id; "
        "fix: change it or unset it"
    )


def test_a_master_that_does_not_answer_is_one_clear_line(settings: Settings) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{closed.getsockname()[1]}"
        chosen = settings.model_copy(update={"spark": SparkSettings(master=master)})
        with pytest.raises(TransientError) as caught:
            submit(chosen, Job("score"))
    message = f"Spark master {master}: the master does not answer; fix: start it, or correct NIGHTSHIFT_SPARK__MASTER"
    assert str(caught.value) == message


# ---- how a job ends


def test_a_job_gives_the_sets_it_staged_in_their_order(settings: Settings) -> None:
    staged = ["file:///lake/tiles", "file:///lake/features"]
    assert complete(scripted(settings, with_outcome(staged)), lambda line: None).staged == tuple(staged)


def test_the_lines_of_a_job_are_passed_on_in_order_whichever_stream_they_came_from(settings: Settings) -> None:
    lines: list[str] = []
    code = (
        "import os; os.write(1, b'one\\n'); os.write(2, b'two  \\n'); "
        "os.write(1, b'\\xff\\n'); os.write(1, b'\\n'); os.write(1, b'end')"
    )
    complete(scripted(settings, code + with_outcome()), lines.append)
    assert lines == ["one", "two", "\N{REPLACEMENT CHARACTER}", "", "end"]


def test_lines_arrive_while_the_job_is_still_running(settings: Settings, tmp_path: Path) -> None:
    """The job goes on only when its first line has been read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    lines: list[str] = []

    def answer(line: str) -> None:
        lines.append(line)
        if line == "first":
            pipe.write_text("go on")

    code = "import sys; print('first', flush=True); print(open(sys.argv[1]).read())"
    complete(scripted(settings, code + with_outcome(), str(pipe)), answer)
    assert lines == ["first", "go on"]


def test_the_error_of_a_failed_job_is_the_one_in_its_outcome(settings: Settings) -> None:
    code = with_outcome(error="the model is gone") + "print('INFO shutting down'); sys.exit(2)"
    error = failure(settings, code)
    assert isinstance(error, TerminalError)
    assert str(error) == "the model is gone"


def test_lines_of_the_log_are_not_mistaken_for_the_error(settings: Settings) -> None:
    code = "print('error: first');" + with_outcome(error="second") + "raise SystemExit(2)"
    assert str(failure(settings, code)) == "second"


def test_a_job_that_left_no_outcome_is_quoted_with_its_last_line_and_exit_code(settings: Settings) -> None:
    error = failure(settings, "print('one'); print('two'); print('  '); raise SystemExit(3)")
    assert isinstance(error, TerminalError)
    assert str(error) == "Spark job features ended with exit code 3: two"


def test_a_job_that_prints_nothing_at_all_is_reported_too(settings: Settings) -> None:
    message = "Spark job features ended with exit code 1: it printed nothing"
    assert str(failure(settings, "raise SystemExit(1)")) == message


def test_a_job_that_ends_well_without_an_outcome_has_failed(settings: Settings) -> None:
    assert str(failure(settings, "print('done')")) == "Spark job features ended with exit code 0: done"


def test_a_job_that_may_be_tried_again_says_so(settings: Settings) -> None:
    error = failure(settings, with_outcome(error="the store is away", transient=True) + "raise SystemExit(75)")
    assert isinstance(error, TransientError)
    assert str(error) == "the store is away"


def test_a_job_whose_exit_code_asks_for_another_try_gets_it(settings: Settings) -> None:
    assert isinstance(failure(settings, "raise SystemExit(75)"), TransientError)


def test_a_job_killed_from_outside_may_be_tried_again(settings: Settings) -> None:
    error = failure(settings, "import os, signal; print('working', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    assert isinstance(error, TransientError)
    assert str(error) == "Spark job features ended with exit code -9: working"


def test_every_submission_has_an_outcome_file_of_its_own(settings: Settings) -> None:
    first, second = scripted(settings, with_outcome(["a"])), scripted(settings, with_outcome(["b"]))
    assert [complete(job, lambda line: None).staged for job in (first, second)] == [("a",), ("b",)]
    assert first.outcome != second.outcome
    assert first.outcome.startswith(f"file://{settings.warehouse_uri}/staged/jobs/features-")


def test_an_outcome_reads_as_it_was_written(tmp_path: Path) -> None:
    outcome = JobOutcome(("file:///a", "file:///b"), "gone \N{SNOWMAN}", transient=True)
    write_outcome(f"file://{tmp_path}/attempt/outcome.json", outcome)
    assert read_outcome(f"file://{tmp_path}/attempt/outcome.json") == outcome
    assert read_outcome(f"file://{tmp_path}/other/outcome.json") is None


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
            complete(self.job, self._line)
        except NightshiftError as error:
            self.errors.append(error)

    def _line(self, line: str) -> None:
        self.child = int(line)
        self._printed.set()


def test_killing_a_job_ends_everything_it_started(settings: Settings) -> None:
    running = Running(settings, STAYING)
    with watched(running.job.process.pid) as job_ended, watched(running.child) as child_ended:
        running.job.kill()
        assert job_ended()
        assert child_ended()
    running.thread.join(GONE_WITHIN)
    assert not running.thread.is_alive()
    assert isinstance(running.errors[0], TransientError)


def test_killing_a_job_that_ended_already_still_ends_what_it_left_behind(settings: Settings) -> None:
    running = Running(settings, PARENT)  # its child keeps the output open
    process = running.job.process
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


def test_killing_what_has_ended_is_no_error(settings: Settings) -> None:
    job = scripted(settings, with_outcome())
    complete(job, lambda line: None)
    job.kill()


def test_an_error_while_passing_lines_on_ends_the_job(settings: Settings) -> None:
    children: list[int] = []

    def write(line: str) -> None:
        children.append(os.pidfd_open(int(line)))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        complete(scripted(settings, STAYING), write)
    assert select.select(children, [], [], GONE_WITHIN)[0] == children
    os.close(children[0])


CALLER = """
import os, sys
sys.path.insert(0, {tests!r})
from nightshift.settings import Settings
from unit.compute.test_spark_submit import Scripted, complete, Job

code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
complete(Scripted(Settings()).submit(Job("features", (code,))), lambda line: print(line, flush=True))
"""


@pytest.mark.slow  # starts a process that imports everything
def test_a_job_dies_with_its_caller_even_if_that_is_killed_outright(settings: Settings) -> None:
    code = CALLER.format(tests=str(PROJECT / "tests"))
    caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    with watched(int(caller.stdout.readline())) as job_ended:
        caller.kill()
        caller.wait()
        assert job_ended()
    caller.stdout.close()
