"""Runs commands and measures them: time, time since a marker line, memory of the whole process tree."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from time import perf_counter, time

import psutil

from nightshift.compute.job import READY
from nightshift.errors import TerminalError
from nightshift.processes import kill_group, start_group

PERIOD = 0.1  # seconds between two samples of memory
FORK = 1.0  # seconds after which a process surely runs a program of its own


@dataclass(frozen=True)
class Run:
    """A command that ended.

    Attributes:
        seconds: From its start to its end.
        work: From its marker line to its end; all of it if there was none.
        peak: The most memory its processes held together, in bytes: the sum of their resident sets.
        largest: The most memory that a single process of them held.
        lines: What it printed.
        stopped: Whether it took longer than it was given.
    """

    seconds: float
    work: float
    peak: int
    largest: int
    lines: tuple[str, ...]
    stopped: bool


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    say: Callable[[str], None] = lambda line: None,
    marker: str = READY,
    limit: float = inf,
) -> Run:
    """Runs a command to its end and measures the tree of its processes.

    Args:
        command: The command.
        environment: Its environment; ours if None.
        say: Takes each line it prints, as it comes.
        marker: The line that ends its preparation.
        limit: The seconds it is given after the marker; then it is killed.

    Raises:
        TerminalError: If it fails.
    """
    started = perf_counter()
    process = start_group(command, environment)
    watch = _Watch(process, limit)
    watch.start()
    lines, ready = [], started
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if lines[-1] == marker:
                ready = watch.ready = perf_counter()
            say(lines[-1])
        code = process.wait()
    finally:
        watch.end()
        kill_group(process)
    ended = perf_counter()
    if code and not watch.stopped:
        raise TerminalError(f"ended with exit code {code}", where=" ".join(command[-8:]), received=(lines or [""])[-1])
    return Run(ended - started, ended - ready, watch.peak, watch.largest, tuple(lines), watch.stopped)


def alternate(variants: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """Measures every variant once a round, in turning order: what disturbs the machine meets all of them alike."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in list(variants)[:: -1 if number % 2 else 1]:
            found[name].append(variants[name](number))
    return found


class _Watch(threading.Thread):
    """Samples the memory of a process tree, and ends it when its time is up."""

    def __init__(self, process: subprocess.Popen[str], limit: float) -> None:
        super().__init__(daemon=True)
        self.process, self.limit = process, limit
        self.peak, self.largest, self.ready, self.stopped = 0, 0, inf, False
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(PERIOD):
            sizes = _resident(self.process.pid)
            self.peak, self.largest = max(self.peak, sum(sizes)), max([self.largest, *sizes])
            if perf_counter() - self.ready > self.limit:
                self.stopped = True
                kill_group(self.process)
                return

    def end(self) -> None:
        self._ended.set()
        self.join()


def _resident(pid: int) -> list[int]:
    """The memory of a process and each descendant; until it starts its own program, a fork shows its parent's."""
    sizes = []
    with suppress(psutil.NoSuchProcess):
        root, settled = psutil.Process(pid), time() - FORK
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                if process == root or process.create_time() < settled:
                    sizes.append(process.memory_info().rss)
    return sizes
