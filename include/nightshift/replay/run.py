"""The whole loop on real data in a real Airflow, from an empty installation to a summary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from rich.console import Console

from nightshift.definition.calendar import next_night, nights, previous_night
from nightshift.definition.nights import nights_within
from nightshift.lake.read import published_dates
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.interrupts import print_stopped, stopping, wait_for_interrupt
from nightshift.replay.landing import land
from nightshift.replay.nights import NightRun, Replay
from nightshift.replay.report import Reporter
from nightshift.replay.running_servers import RunningServers
from nightshift.replay.servers import Servers
from nightshift.replay.summary import print_summary
from nightshift.settings import Settings
from nightshift.stages.history import build_history
from nightshift.terminal import print_line


@dataclass(frozen=True)
class Plan:
    """What to replay.

    Attributes:
        model: The model.
        first: The first night.
        last: The last night.
        champion_as_of: The date as of which the first champion is trained.
    """

    model: str
    first: date
    last: date
    champion_as_of: date


class ReplayEnd(IntEnum):
    """How a replay ended, as the exit code of the process.

    Attributes:
        SUCCEEDED: Every run succeeded and the scored tables hold exactly the observations of the source.
        FAILED: A run failed, or a scored table lacks observations.
        INTERRUPTED: Ctrl-C or SIGTERM came before the replay had succeeded.
    """

    SUCCEEDED = 0
    FAILED = 1
    INTERRUPTED = 130


def last_night(model: str, settings: Settings, first: date, count: int) -> date:
    """The last of so many nights."""
    schedule, night = Project(model, settings).definition.schedule, first
    for _ in range(count - 1):
        night = next_night(schedule, night)
    return night


def replay(
    plan: Plan, settings: Settings, servers: Servers | RunningServers, console: Console, *, stay: bool = False
) -> ReplayEnd:
    """Runs a plan; run again after any interruption, it continues where it stopped.

    Args:
        plan: What to replay.
        settings: The installation.
        servers: Its servers.
        console: Where to report.
        stay: Whether servers of our own stay up after the summary, until Ctrl-C.
    """
    report = Reporter(console)
    project = Project(plan.model, settings)
    nights_within(project.definition, plan.first, plan.last)
    end = ReplayEnd.INTERRUPTED
    with stopping(servers, console) as stopped:
        with report.live():
            runs = _run(plan, project, servers, report)
        succeeded = print_summary(console, project, servers, runs, plan.first, plan.last, report.seconds)
        if not (stay and isinstance(servers, Servers)):
            return ReplayEnd.SUCCEEDED if succeeded else ReplayEnd.FAILED
        if succeeded:
            end = ReplayEnd.SUCCEEDED
        print_line(console, "\nThe servers stay up until Ctrl-C.")
        wait_for_interrupt(servers)
    print_stopped(console, stopped)
    print_line(console, "`make run` continues from here; `make reset` deletes all state.")
    return end


def _run(plan: Plan, project: Project, servers: Servers | RunningServers, report: Reporter) -> list[NightRun]:
    report.show("starting Airflow, landing history" if isinstance(servers, Servers) else "landing history")
    history = _BackgroundJob(lambda: _build_history(plan, project, report))
    servers.start()
    servers.start_scheduling()
    report.log(f"Airflow is up: {servers.airflow_url}")
    driver = Replay(project, servers, servers.api(), report.show)
    driver.prepare()
    history.result()
    state = driver.train(plan.champion_as_of, "first champion")
    if state != "success":
        report.log(f"training the first champion: {state}")
        return [NightRun(plan.first, {f"{plan.model}.train": state}, 0)]
    report.log(f"first champion trained as of {plan.champion_as_of}")
    runs = []
    for night in nights(project.definition.schedule, plan.first, plan.last):
        runs.append(driver.night(night))
        report.log(f"night {night}: {_describe(runs[-1])}, {runs[-1].seconds:.0f} s")
        if not runs[-1].succeeded:
            break
    return runs


class _BackgroundJob(threading.Thread):
    """A job in a thread that ends with the program: an interrupt does not wait for it."""

    def __init__(self, job: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._job = job
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Runs the job and stores its error."""
        try:
            self._job()
        except BaseException as error:
            self._error = error

    def result(self) -> None:
        """Waits for the end of the job and raises its error."""
        while self.is_alive():
            self.join(0.5)  # in steps, so that Ctrl-C interrupts it
        if self._error is not None:
            raise self._error


def _build_history(plan: Plan, project: Project, report: Reporter) -> None:
    """Lands and builds the dates before the first night, unless they are built."""
    last = plan.first - timedelta(days=1)
    landed = land(project, plan.first)
    schedule = project.definition.schedule
    start, newest = schedule.start, previous_night(schedule, plan.first)
    if published_dates(project.lake, features_table(project.definition), (newest, newest)):
        report.log(f"the history to {last} is already built")
        return
    report.log(f"{landed} files landed, {start} to {last}")
    build_history(project, start, last, report.show)
    report.log(f"history built: features of {start} to {last} in one Spark session")


def _describe(run: NightRun) -> str:
    failures = [f"{dag} {state}" for dag, state in run.states.items() if state != "success"]
    if failures:
        return ", ".join(failures)
    return "scored, monitored" + (", retrained" if len(run.states) > 2 else "")
