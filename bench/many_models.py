"""The nights of many models at once, in a real Airflow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import psutil
import yaml

from bench.features import MODELS
from bench.night import land
from bench.readings import NIGHT, register_champion
from bench.registry import Bench, Figure, measurement
from bench.small_nights import run_airflow
from nightshift.definition.calendar import cutoff
from nightshift.project import Project
from nightshift.replay.airflow_api import ENDED, AirflowApi
from nightshift.replay.nights import Replay
from nightshift.replay.servers import running
from nightshift.settings import PROJECT, Settings, SparkSettings
from nightshift.stages.history import build_history

COUNT, ROWS = 20, 900
TRAINED = 20_000  # rows that each champion learns from
DAY = timedelta(days=1)
GIB = 2**30
PERIOD = 2.0  # seconds between two looks


@dataclass
class Memory:
    """The most memory that an installation's processes held, in bytes.

    Attributes:
        scheduler: The resident set of the scheduler itself, without its tasks.
        together: The proportional sets of all processes: what they share is counted once.
    """

    scheduler: int = 0
    together: int = 0


@dataclass(frozen=True)
class Ended:
    """The nights of all models.

    Attributes:
        published: Seconds until the last one was published.
        monitored: Seconds until the last one was monitored.
        failed: The attempts at tasks that failed.
    """

    published: float
    monitored: float
    failed: Sequence[str] = field(default_factory=tuple)


@measurement("night.models")
def models(bench: Bench) -> list[Figure]:
    """The nights of 20 models at once, in a real Airflow with two cores: of 900 rows and 24 features each.

    All are triggered in the same second, when their files have landed. LocalExecutor, the scheduler preloaded, its
    metadata in SQLite or in what `AIRFLOW__DATABASE__SQL_ALCHEMY_CONN` names. A task that fails and succeeds in another
    attempt counts as failed. The memory of the scheduler is that of its own process, with what it imported for its
    tasks; that of all processes together counts once what they share.
    """
    projects = _projects(bench, max(2, round(COUNT * bench.scale)))
    with run_airflow(bench, projects[0]) as replay:
        for project in projects[1:]:
            Replay(project, replay.servers, replay.api, bench.say).prepare()
        with _watched(projects[0].settings.var_path) as memory:
            ended = _run_nights(bench, replay.api, projects)
    for failure in ended.failed:
        bench.note(failure)
    result = f"published after {ended.published:.0f} s, monitored after {ended.monitored:.0f} s; "
    result += f"{len(ended.failed)} failed attempts; scheduler {memory.scheduler / GIB:.2f} GiB, "
    result += f"all processes {memory.together / GIB:.1f} GiB"
    subject = f"The nights of {len(projects)} models at once"
    return [Figure(subject, "all succeed, no task fails", result, f"{len(ended.failed)} failed", not ended.failed)]


def _projects(bench: Bench, count: int) -> list[Project]:
    """So many models of the same landed sources, each with a champion; the first night is published."""
    declared = yaml.safe_load((MODELS / "readings" / "model.yaml").read_text())
    declared["schedule"]["end"] = NIGHT + 9 * DAY
    for name, source in declared["sources"].items():
        repeats = {"repeats": "allow"} if name == "readings" else {}
        _write(bench.var / "sources" / f"{name}.yaml", source | {"timezone": "UTC"} | repeats)
    declared["sources"] = dict.fromkeys(declared["sources"], "shared")
    names = [f"readings_{number:02}" for number in range(1, count + 1)]
    for name in names:
        _write(bench.var / "models" / name / "model.yaml", declared | {"name": name})
    spark = SparkSettings(master="local[2]")
    settings = Settings(home=PROJECT, var=bench.var, models_folder=bench.var / "models", spark=spark)
    projects = [Project(name, settings) for name in names]
    for night in (NIGHT, NIGHT + DAY):
        land(projects[0], ROWS, night)
    bench.say("building history")
    build_history(projects[0], NIGHT, NIGHT, bench.say)
    for project in projects:
        bench.say(f"{project.definition.name}: learning")
        register_champion(project, TRAINED)
    return projects


def _write(file: Path, declared: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(declared, sort_keys=False))


def _run_nights(bench: Bench, api: AirflowApi, projects: Sequence[Project]) -> Ended:
    """Triggers a night of every model and waits until each is monitored, or failed."""
    night, started, pending = NIGHT + DAY, time.monotonic(), {project.definition.name for project in projects}
    published, failed = 0.0, list[str]()
    for project in projects:
        run_after = cutoff(project.definition.schedule, night)
        api.trigger(
            f"{project.definition.name}.score", f"night__{night}", partition_key=str(night), run_after=run_after
        )
    scoring = set(pending)
    while pending:
        bench.say(f"{len(scoring)} of {len(projects)} nights are being scored, {len(pending)} not yet monitored")
        time.sleep(PERIOD)
        for model in sorted(scoring):
            if failures := _failures(api, f"{model}.score", night):
                scoring.discard(model)
                failed += failures.attempts
                published = time.monotonic() - started
                if not failures.succeeded:
                    pending.discard(model)
        for model in sorted(pending - scoring):
            if failures := _failures(api, f"{model}.monitor", night):
                pending.discard(model)
                failed += failures.attempts
    return Ended(published, time.monotonic() - started, failed)


@dataclass(frozen=True)
class RunEnd:
    """The end of a run.

    Attributes:
        succeeded: Whether it succeeded.
        attempts: The attempts at its tasks that failed.
    """

    succeeded: bool
    attempts: Sequence[str]


def _failures(api: AirflowApi, dag: str, night: date) -> RunEnd | None:
    """How the run of a night ended; None if it has not ended yet."""
    runs = [run for run in api.runs(dag) if run["partition_key"] == str(night) and run["state"] in ENDED]
    if not runs:
        return None
    tasks = api.tasks(dag, runs[0]["dag_run_id"])
    attempts = [
        f"{dag} {task['task_id']}: {task['state']} in attempt {task['try_number']}"
        for task in tasks
        if task["state"] in {"failed", "upstream_failed"} or (task["try_number"] or 0) > 1
    ]
    return RunEnd(runs[0]["state"] == "success", attempts)


@contextmanager
def _watched(var: Path) -> Iterator[Memory]:
    """Measures the memory of an installation's processes meanwhile."""
    memory, ended = Memory(), threading.Event()

    def watch() -> None:
        while not ended.wait(PERIOD):
            scheduler, together = _memory(var)
            memory.scheduler, memory.together = max(memory.scheduler, scheduler), max(memory.together, together)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def _memory(var: Path) -> tuple[int, int]:
    scheduler = together = 0
    for process in running(var):
        try:
            together += process.memory_full_info().pss
            if "scheduler" in process.cmdline() or "scheduler" in process.name():
                scheduler = max(scheduler, process.memory_info().rss)
        except psutil.Error:  # it has just ended
            continue
    return scheduler, together
