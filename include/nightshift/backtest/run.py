"""Runs a backtest: trains the models, walks through the nights under every policy, and sums up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock

import pyarrow as pa

from nightshift.backtest.nights import Nights
from nightshift.backtest.policies import Policy
from nightshift.backtest.results import ResultFolder
from nightshift.backtest.summary import (
    LEAST_NIGHTS,
    PolicyRun,
    PolicySummary,
    compared_metric,
    served_nights,
    summarize,
)
from nightshift.backtest.walk import Walk, Walker
from nightshift.backtest.workers import PolicyHistory, Workers, fitting_workers, peak_memory
from nightshift.compute.job import PROGRESS
from nightshift.definition.calendar import nights as nights_between
from nightshift.definition.calendar import spans_in_words
from nightshift.definition.load import definition_hash
from nightshift.definition.metrics import Metric
from nightshift.errors import TerminalError
from nightshift.lake.read import fingerprint
from nightshift.lake.tables import features_table
from nightshift.project import Progress, Project
from nightshift.stages.history import built_nights
from nightshift.training.dataset import pin_snapshots

SNAPSHOTS = "snapshots.json"


@dataclass(frozen=True)
class BacktestReport:
    """What a backtest found.

    Attributes:
        metric: The metric that is compared.
        runs: The policies' nights and trainings.
        summaries: What each policy came to.
        folder: Where its results are kept.
    """

    metric: Metric
    runs: Sequence[PolicyRun]
    summaries: Sequence[PolicySummary]
    folder: Path


def run_backtest(
    project: Project,
    policies: Sequence[Policy],
    first: date,
    last: date,
    *,
    workers: int | None = None,
    again: bool = False,
    progress: Progress = print,
) -> BacktestReport:
    """Replays a history under policies, with real trainings. Nothing is published or registered.

    What was computed before it was interrupted, or for other policies, is not computed again.

    Args:
        project: The model.
        policies: The policies.
        first: The first night; the first model is trained as of it.
        last: The last night.
        workers: How many processes; as many as there are processors and memory for if None.
        again: Whether everything is computed again.
        progress: Takes a line of progress.

    Raises:
        TerminalError: If a night has no features, or no first model can be trained.
    """
    nights = list(nights_between(project.definition.schedule, first, last))
    _require_built(project, nights, first, last)
    folder, snapshots = _open_folder(project, first, last, again=again)
    progress(f"training the first model, as of {nights[0]}")
    with ExitStack() as stack:
        pool = stack.enter_context(Workers(project, snapshots, folder, 1))
        for policy in policies:
            if problem := PolicyHistory(policy, pool).train(nights[0]):
                where = f"{project.definition.name}, policy {policy.name}"
                fix = "begin later, or build more history: nightshift build"
                raise TerminalError(f"no model can be trained as of {nights[0]}: {problem}", where=where, fix=fix)
        count = workers or fitting_workers(pool.submit(peak_memory).result())
        if count > 1:
            pool = stack.enter_context(Workers(project, snapshots, folder, count))
        advance = _counter(policies, nights, progress)
        for policy in policies:
            if not policy.is_gated:  # the dates of its trainings are known
                for day in policy.due_dates(nights[0], nights[-1]):
                    pool.train(policy.definition, day)
        histories = [PolicyHistory(policy, pool) for policy in policies]
        walkers = [Walker(*pair, nights) for pair in zip(policies, histories, strict=True)]
        with ThreadPoolExecutor(len(walkers)) as threads:
            walks = list(threads.map(lambda walker: walker.walk(advance), walkers))
        runs = [_measured(*parts) for parts in zip(policies, walks, histories, strict=True)]
    metric, reader = compared_metric(policies[0]), Nights(project, snapshots, ResultFolder(folder))

    def scores_of(run: PolicyRun, night: date, model: date) -> pa.Table:
        return reader.scores(run.policy.definition, model, night)

    return BacktestReport(metric, runs, summarize(runs, metric, scores_of), folder)


def _measured(policy: Policy, walk: Walk, history: PolicyHistory) -> PolicyRun:
    """A walk with what its changes of the champion gained, on the nights that the new one scored."""
    metric = compared_metric(policy)
    gains = {
        promoted: history.gain(metric, new, old, served) if len(served) >= LEAST_NIGHTS else None
        for promoted, new, old, served in served_nights(walk)
    }
    known = {promoted: gain.result() if gain is not None else None for promoted, gain in gains.items()}
    return PolicyRun(policy, walk, history.results, history.costs, known)


def _require_built(project: Project, nights: Sequence[date], first: date, last: date) -> None:
    """Requires that there are nights, and that they have features."""
    model, where = project.definition.name, features_table(project.definition).name
    if not nights:
        raise TerminalError("no night", where="--from, --to", received=f"{first} to {last}", fix="name a later end")
    built = set(built_nights(project, (nights[0], nights[-1])))
    if absent := [night for night in nights if night not in built]:
        raise TerminalError(
            f"{len(absent)} of {len(nights)} nights have no features",
            where=where,
            received=spans_in_words(absent, project.definition.schedule),
            fix=f"nightshift build {model} --from {absent[0]} --to {absent[-1]}, or name other nights",
        )


def _open_folder(project: Project, first: date, last: date, *, again: bool) -> tuple[Path, dict[str, int]]:
    """The folder of the results, and the snapshots that they are of: those of an earlier run while they exist."""
    lock = project.settings.home / "requirements.txt"
    libraries = lock.read_text() if lock.exists() else ""
    name = f"{first}_{last}-{fingerprint(definition_hash(project.definition), libraries)}"
    folder = project.settings.var_path / "backtests" / project.definition.name / name
    pinned = folder / SNAPSHOTS
    if pinned.exists() and not again:
        snapshots: dict[str, int] = json.loads(pinned.read_bytes())
        if all(project.lake.table(table).snapshot_by_id(number) for table, number in snapshots.items()):
            return folder, snapshots
    shutil.rmtree(folder, ignore_errors=True)
    snapshots = pin_snapshots(project.lake, project.definition)
    ResultFolder(folder).write(SNAPSHOTS, json.dumps(snapshots).encode())
    return folder, snapshots


def _counter(policies: Sequence[Policy], nights: Sequence[date], progress: Progress) -> Callable[[], None]:
    """Counts the nights of all policies, each time it is called."""
    lock, done, total = Lock(), 0, len(policies) * len(nights)

    def advance() -> None:
        nonlocal done
        with lock:
            done += 1
            progress(f"{PROGRESS}nights of {len(policies)} policies: {done} of {total}")

    return advance
