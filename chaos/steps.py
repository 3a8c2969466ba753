"""The tasks of a night, of a training and of what is around them, each as a process of its own runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from nightshift.alerts.alert import AlertRun, failed_run_alert
from nightshift.alerts.deliver import deliver
from nightshift.compute.job import start_driver
from nightshift.compute.waiting_driver import FOLDER, kill_driver
from nightshift.project import Project
from nightshift.registry.challengers import Answer
from nightshift.settings import Settings
from nightshift.stages import by_hand
from nightshift.stages.audit import audit
from nightshift.stages.conclude import conclude
from nightshift.stages.decide import decide
from nightshift.stages.drift import drift
from nightshift.stages.estimate import estimate
from nightshift.stages.gate import gate
from nightshift.stages.history import build_history
from nightshift.stages.ingest import ingest
from nightshift.stages.maintenance import maintain
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.publish import publish
from nightshift.stages.refit import refit
from nightshift.stages.register import register
from nightshift.stages.report import write_report
from nightshift.stages.shadow import judge_challenger
from nightshift.stages.train import StoredModel, train

MODEL = "tiny"
FIRST = date(2024, 1, 1)
HISTORY = 30  # nights that are built before the first is scored
FIRST_CHAMPION = 1
AFTER_ALL_TASKS = timedelta(days=4)  # from now on, what a task left belongs to none that runs


@dataclass(frozen=True)
class StepContext:
    """What a task gets.

    Attributes:
        settings: The installation.
        night: Its night, or the date that it trains as of.
        results: The results of the tasks before it, by their names.
    """

    settings: Settings
    night: date
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        return Project(MODEL, self.settings)

    @property
    def run_id(self) -> str:
        return f"run of {self.night}"


def quiet(line: str) -> None:
    """Says nothing."""


def _history(context: StepContext) -> None:
    build_history(context.project, FIRST, FIRST + timedelta(days=HISTORY - 1), quiet)


def _ingest(context: StepContext) -> list[str]:
    start_driver(context.settings)
    return list(ingest(context.project, context.night, context.run_id, quiet))


def _spark_job(job: str) -> Callable[[StepContext], list[str]]:
    def stage(context: StepContext) -> list[str]:
        return list(by_hand.stage(context.project, job, context.night, quiet))

    return stage


def _audit(staged: str) -> Callable[[StepContext], list[str]]:
    def run(context: StepContext) -> list[str]:
        locations = context.results[staged]
        return list(audit(context.project, locations, context.night, context.run_id, quiet).locations)

    return run


def _publish(audited: str) -> Callable[[StepContext], None]:
    def run(context: StepContext) -> None:
        publish(context.project, context.results[audited])

    return run


def _monitored(stage: Callable[[Project, date, str], object]) -> Callable[[StepContext], None]:
    def run(context: StepContext) -> None:
        stage(context.project, context.night, context.run_id)

    return run


def _train(context: StepContext) -> StoredModel:
    return train(context.project, context.night, "cadence", quiet)


def _gate(context: StepContext) -> tuple[bool, str]:
    report = gate(context.project, context.results["train"], context.night, context.run_id, quiet).report
    return report.passed, report.summary()


def _refit(context: StepContext) -> StoredModel | None:
    passed, _ = context.results["gate"]
    return refit(context.project, context.results["train"], context.night, context.run_id, quiet) if passed else None


def _register(context: StepContext) -> None:
    passed, summary = context.results["gate"]
    if passed:
        register(context.project, context.results["refit"], summary, context.run_id)


def _conclude(context: StepContext) -> None:
    passed, _ = context.results["gate"]
    if passed:
        answer = Answer(context.night.day % 2 == 0, "a person", "an even day")
        conclude(context.project, context.results["refit"], answer, context.run_id)


def _roll_back(context: StepContext) -> None:
    project = context.project
    if project.champions.require_champion().number != FIRST_CHAMPION:
        project.champions.roll_back("on call", FIRST_CHAMPION, f"worse since {context.night}")


def _alert(context: StepContext) -> None:
    since = datetime.combine(context.night, time(6), UTC).isoformat()
    run = AlertRun(f"{MODEL}.score", context.run_id, "raw.wait", str(context.night), since, "http://127.0.0.1:8080")
    deliver(failed_run_alert(run, "files have not landed"), context.settings)


def _maintenance(context: StepContext) -> None:
    for file in (context.settings.var_path / FOLDER).glob("*.json"):
        kill_driver(file)  # by then it has ended for want of jobs
    maintain(context.settings, quiet, now=datetime.now(UTC) + AFTER_ALL_TASKS)


STEPS: dict[str, Callable[[StepContext], Any]] = {
    "history": _history,
    "ingest": _ingest,
    "raw.audit": _audit("ingest"),
    "raw.publish": _publish("raw.audit"),
    "features": _spark_job("features"),
    "features.audit": _audit("features"),
    "features.publish": _publish("features.audit"),
    "score": _spark_job("score"),
    "scores.audit": _audit("score"),
    "scores.publish": _publish("scores.audit"),
    "drift": _monitored(lambda project, night, run_id: drift(project, night, run_id, quiet)),
    "estimate": _monitored(lambda project, night, run_id: estimate(project, night, run_id, quiet)),
    "outcomes": _monitored(measure_outcomes),
    "shadow": _monitored(judge_challenger),
    "decide": _monitored(lambda project, night, run_id: decide(project, night, run_id, training_runs=False)),
    "report": _monitored(write_report),
    "train": _train,
    "gate": _gate,
    "refit": _refit,
    "register": _register,
    "conclude": _conclude,
    "rollback": _roll_back,
    "alert": _alert,
    "maintenance": _maintenance,
}
NIGHT = [*STEPS][1:16]


def steps_of_training(*, approval: bool) -> list[str]:
    """The tasks of a training, in their order; see `steps_of_night`."""
    return ["train", "gate", "refit", "register", *(["conclude"] if approval else [])]


def steps_of_night(number: int, *, approval: bool) -> Iterator[str]:
    """The tasks of a night, and of what happens on its day, in their order.

    Args:
        number: Counts the nights from 0.
        approval: Whether a person decides on a new version; else nights in shadow do.
    """
    yield from (name for name in NIGHT if not (approval and name == "shadow"))
    yield "alert"
    if number % 3 == 1:
        yield from steps_of_training(approval=approval)
    if number % 5 == 4:
        yield "rollback"
    if number % 3 == 2:
        yield "maintenance"
