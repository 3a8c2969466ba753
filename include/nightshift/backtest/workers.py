"""Processes that train the models of a backtest and score its nights, as many as fit into memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import date
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any

import psutil
from threadpoolctl import threadpool_limits

from nightshift.backtest.models import TrainingCost, model_name
from nightshift.backtest.nights import NightResult, Nights
from nightshift.backtest.policies import Policy
from nightshift.backtest.results import ResultFolder
from nightshift.backtest.walk import GateVerdict
from nightshift.definition.metrics import Metric
from nightshift.definition.model import ModelDefinition
from nightshift.monitoring.evidence import NightEvidence
from nightshift.project import Project
from nightshift.settings import Settings

USABLE = 0.8  # of the memory that is free

_nights: list[Nights] = []  # of a worker's process, once it has started


class Workers:
    """Computes in processes what walks ask for.

    Args:
        project: The model.
        snapshots: The snapshot of each table.
        folder: The folder of the backtest.
        count: How many processes.
    """

    def __init__(self, project: Project, snapshots: Mapping[str, int], folder: Path, count: int) -> None:
        arguments = (project.definition, project.settings, dict(snapshots), folder, max(1, processors() // count))
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=arguments)
        self._trainings: dict[str, Future[TrainingCost]] = {}
        self._lock = Lock()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, compute: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Computes a function of this process's nights."""
        return self._pool.submit(_compute, compute, *arguments)

    def train(self, definition: ModelDefinition, as_of: date) -> Future[TrainingCost]:
        """Trains a model, once however many ask for it."""
        with self._lock:
            key = model_name(definition, as_of)
            if key not in self._trainings:
                self._trainings[key] = self.submit(_train, definition, as_of)
            return self._trainings[key]


class PolicyHistory:
    """What the walk of one policy asks for.

    Args:
        policy: The policy.
        workers: They compute it.
    """

    def __init__(self, policy: Policy, workers: Workers) -> None:
        self.definition, self.workers = policy.definition, workers
        self.costs: dict[date, TrainingCost] = {}
        self.results: dict[date, NightResult] = {}
        self._evidence: dict[tuple[date, date], NightEvidence] = {}

    def train(self, as_of: date) -> str:
        """See `History`."""
        self.costs[as_of] = self.workers.train(self.definition, as_of).result()
        return self.costs[as_of].problem

    def score(self, night: date, champion: date) -> bool:
        """See `History`."""
        result = self.workers.submit(Nights.measure, self.definition, champion, night).result()
        if result is not None:
            self.results[night] = result
        return result is not None

    def judge(self, challenger: date, champion: date) -> GateVerdict:
        """See `History`."""
        judgement: GateVerdict = self.workers.submit(Nights.judge, self.definition, challenger, champion).result()
        return judgement

    def evidence(self, night: date, champion: date) -> NightEvidence:
        """See `History`."""
        key = night, champion
        if key not in self._evidence:
            self._evidence[key] = self.workers.submit(Nights.evidence, self.definition, champion, night).result()
        return self._evidence[key]

    def compare(self, challenger: date, champion: date, nights: Sequence[date]) -> GateVerdict:
        """See `History`."""
        shadow = self.definition.promotion.shadow
        assert shadow is not None
        arguments = self.definition, shadow.gate, challenger, champion, nights
        judgement: GateVerdict = self.workers.submit(Nights.compare, *arguments).result()
        return judgement

    def gain(self, metric: Metric, challenger: date, champion: date, nights: Sequence[date]) -> Future[float | None]:
        """By how much a model was better than another on some nights."""
        return self.workers.submit(Nights.gain, self.definition, metric, challenger, champion, nights)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def fitting_workers(peak: int) -> int:
    """How many processes fit into the memory that is free.

    Args:
        peak: The memory that one needs, in bytes.
    """
    return max(1, min(processors(), int(USABLE * psutil.virtual_memory().available / peak)))


def peak_memory(nights: Nights) -> int:
    """The most memory that a worker has needed, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _start(
    definition: ModelDefinition, settings: Settings, snapshots: Mapping[str, int], folder: Path, threads: int
) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    threadpool_limits(threads)
    project = Project(definition.name, settings).with_definition(definition)
    _nights.append(Nights(project, snapshots, ResultFolder(folder)))


def _end_with_parent() -> None:
    """Ends this process with its parent; `die_with_parent` would end it with the walk that asked first."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _compute(compute: Callable[..., Any], *arguments: Any) -> Any:
    return compute(_nights[0], *arguments)


def _train(nights: Nights, definition: ModelDefinition, as_of: date) -> TrainingCost:
    return nights.models.train(definition, as_of)
