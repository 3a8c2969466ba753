"""Runs a task in a process of its own, which may be killed, and again until it is done, as Airflow does."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from chaos.clock import Clock
from chaos.steps import STEPS, StepContext
from nightshift.errors import TransientError
from nightshift.service_errors import explain

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["chaos.preloaded"])
TRIES = 8  # of a task whose process ends with an error that may pass, as its DAG has
SHARE_OF_SPARK = 0.4  # of the kills while Spark works that are of one of its processes
TEMPORARY = "tmp"  # the folder of the processes' temporary files
SHARE_TWICE = 0.1  # of the tasks that run twice at once


class HandNeededError(Exception):
    """A task does not end without a person."""


@dataclass(frozen=True)
class Done:
    """A task that ended, with its result."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """A task that ended with an error, which may pass when it is tried again, as Airflow would."""

    message: str
    may_pass: bool


@dataclass
class Counts:
    """What was done to the tasks, by their names.

    Attributes:
        tasks: Tasks that ended.
        kills: Processes that were killed before their task had ended.
        retries: Tries that ended with an error that may pass.
        twice: Tasks that ran twice at once.
        jumps: How often their clock was set to another instant.
    """

    tasks: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    twice: Counter[str] = field(default_factory=Counter)
    jumps: Counter[str] = field(default_factory=Counter)


@dataclass
class Attempts:
    """Runs the tasks of an installation.

    Attributes:
        folder: The installation's: `var` and the processes' temporary files are below it.
        random: Chooses the instants; None if no task is disturbed.
        most_kills: How often a task is killed at most.
        seconds: How long each task takes, by its name; measured where none is disturbed.
        counts: What was done.
        clock: The clock of the tasks' processes, which jumps; None if it stays right.
    """

    folder: Path
    random: random.Random | None = None
    most_kills: int = 4
    seconds: dict[str, float] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    clock: Clock | None = None

    def run(self, name: str, context: StepContext) -> Any:
        """Runs a task until it is done, and returns its result.

        Raises:
            HandNeededError: If that needs a person.
        """
        begin, jumps = time.monotonic(), self.clock.jumps if self.clock else 0
        for _ in range(self.random.randint(0, self.most_kills) if self.random else 0):
            self._kill_once(name, context)
        result = self._run_twice(name, context) if self._is_twice() else self._run_to_its_end(name, context)
        if not self.random:
            self.seconds[name] = max(self.seconds.get(name, 0), time.monotonic() - begin)
        self.counts.tasks[name] += 1
        self.counts.jumps[name] += self.clock.jumps - jumps if self.clock else 0
        return result

    def _is_twice(self) -> bool:
        return self.random is not None and self.random.random() < SHARE_TWICE

    def _kill_once(self, name: str, context: StepContext) -> None:
        assert self.random
        process, _ = self._start(name, context)
        process.join(self.random.uniform(0, self.seconds[name]))
        if not process.is_alive():  # it was quicker, or was told to come again
            return
        spark = self._spark_processes() if self.random.random() < SHARE_OF_SPARK else []
        victim = self.random.choice(spark) if spark else process.pid
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass
        else:
            self.counts.kills[name] += 1
        process.join()

    def _run_to_its_end(self, name: str, context: StepContext) -> Any:
        for _ in range(TRIES):
            process, results = self._start(name, context)
            ended = _wait(process, results)
            if isinstance(ended, Done):
                return ended.result
            self._require_retry(name, context, ended)
        raise HandNeededError(f"{name} of {context.night} failed {TRIES} times; {self.log} says why")

    def _run_twice(self, name: str, context: StepContext) -> Any:
        self.counts.twice[name] += 1
        both = [self._start(name, context) for _ in range(2)]
        ends = [_wait(process, results) for process, results in both]
        for end in ends:
            if not isinstance(end, Done):
                self._require_retry(name, context, end)
        done = [end.result for end in ends if isinstance(end, Done)]
        return done[-1] if done else self._run_to_its_end(name, context)

    def _require_retry(self, name: str, context: StepContext, failed: Failed | None) -> None:
        if failed and not failed.may_pass:
            raise HandNeededError(f"{name} of {context.night}: {failed.message}")
        self.counts.retries[name] += 1

    def _start(self, name: str, context: StepContext) -> tuple[Any, Connection]:
        receiver, sender = PROCESSES.Pipe(duplex=False)
        arguments = (name, context, sender, self.log, self.folder / TEMPORARY, self.clock)
        process = PROCESSES.Process(target=_run_step, args=arguments)
        process.start()
        sender.close()
        return process, receiver

    @property
    def log(self) -> Path:
        """The file that the tasks print to."""
        return self.folder / "tasks.log"

    def _spark_processes(self) -> list[int]:
        return [process.pid for process in processes_of(self.folder)]


def start_fork_server(preloaded: Path | None = None) -> None:
    """Starts the process that those of tasks are forks of; it complains of DuckDB's leaks when it ends.

    Args:
        preloaded: The library that sets clocks wrong, if they are to be.
    """
    complaints = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    if preloaded:
        os.environ["LD_PRELOAD"] = str(preloaded)
    forkserver.ensure_running()
    os.environ.pop("LD_PRELOAD", None)
    os.dup2(complaints, 2)
    os.close(complaints)


def processes_of(folder: Path) -> Iterator[psutil.Process]:
    """The processes that were started for an installation: drivers, JVMs and Python workers."""
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join((*process.cmdline(), process.environ().get("TMPDIR", ""))):
                yield process
        except psutil.Error:  # it has just ended
            continue


def _wait(process: Any, results: Connection) -> Done | Failed | None:
    """How a process ended; None if it died."""
    with results:
        try:
            ended: Done | Failed | None = results.recv()
        except EOFError:
            ended = None
    process.join()
    return ended


def _run_step(
    name: str, context: StepContext, results: Connection, log: Path, temporary: Path, clock: Clock | None
) -> None:
    os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
    if clock:
        clock.follow()
    with log.open("a") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    try:
        results.send(Done(STEPS[name](context)))
    except Exception as error:
        explained = explain(error)
        if explained is None:
            traceback.print_exc()
        may_pass = isinstance(explained, TransientError)
        message = str(explained or f"{type(error).__name__}: {error}")
        sys.stderr.write(f"{name} of {context.night}: {message}\n")
        sys.stderr.flush()
        results.send(Failed(message, may_pass))
