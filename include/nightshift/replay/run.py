"""The whole loop on real data in a real Airflow, from nothing to a summary."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from types import FrameType

from rich.console import Console

from nightshift.alerts.deliver import read_alerts
from nightshift.definition.calendar import nights
from nightshift.lake.read import published_dates
from nightshift.lake.tables import features_table
from nightshift.loop import Loop
from nightshift.replay.airflow_api import AirflowApi
from nightshift.replay.nights import NightRun, Replay
from nightshift.replay.report import Reporter, nights_table
from nightshift.replay.servers import Servers
from nightshift.settings import Settings
from nightshift.status import gate_refusals, night_statuses


@dataclass(frozen=True)
class Plan:
    """What to replay.

    Attributes:
        model: The model.
        first: The first night.
        last: The last night.
        champion_as_of: The date the first champion is trained as of.
        stay: Whether the servers stay up afterwards, until Ctrl-C.
        airflow_port: Port of the Airflow UI.
        mlflow_port: Port of the MLflow UI; None to do without it.
    """

    model: str
    first: date
    last: date
    champion_as_of: date
    stay: bool
    airflow_port: int = 8080
    mlflow_port: int | None = 5000


def replay(plan: Plan, settings: Settings, console: Console) -> bool:
    """Runs a plan; run again after any interruption, it goes on where it was.

    Returns:
        Whether every run succeeded and the scored tables hold exactly the observations of the source.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    report = Reporter(console)
    loop = Loop(plan.model, settings)
    servers = Servers(settings, plan.airflow_port, plan.mlflow_port)
    try:
        with report.live():
            runs = _run(plan, loop, servers, report)
        good = _summary(plan, loop, servers, runs, report)
        if plan.stay:
            console.print("\nThe servers stay up until Ctrl-C.")
            _until_interrupted(servers)
        return good
    except KeyboardInterrupt:
        console.print("\nStopping. The next `make run` goes on from here.")
        return False
    finally:
        servers.stop()


def _run(plan: Plan, loop: Loop, servers: Servers, report: Reporter) -> list[NightRun]:
    report.say("starting Airflow, landing history")
    history = _Background(lambda: _history(plan, loop, report))
    servers.start()
    servers.start_scheduling()
    report.done(f"Airflow is up: {servers.airflow_url}")
    api = AirflowApi(servers.airflow_url, "admin", servers.password)
    driver = Replay(loop, servers, api, report.say)
    driver.prepare()
    history.result()
    state = driver.train(plan.champion_as_of, "first champion")
    if state != "success":
        report.done(f"training the first champion: {state}")
        return [NightRun(plan.first, {f"{plan.model}.train": state}, 0)]
    report.done(f"first champion trained as of {plan.champion_as_of}")
    runs = []
    for night in nights(plan.first, plan.last):
        runs.append(driver.night(night))
        report.done(f"night {night}: {_outcome(runs[-1])}, {runs[-1].seconds:.0f} s")
        if not runs[-1].succeeded:
            break
    return runs


class _Background(threading.Thread):
    """Work beside the main thread that nobody waits for when the program is interrupted."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Does the work, and keeps what went wrong for whoever asks."""
        try:
            self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> None:
        """Waits for the end of the work and raises what it raised."""
        while self.is_alive():
            self.join(0.5)  # in steps, so that Ctrl-C is heard
        if self._error is not None:
            raise self._error


def _history(plan: Plan, loop: Loop, report: Reporter) -> None:
    """Lands and builds what had arrived before the first night, unless that was done before."""
    last = plan.first - timedelta(days=1)
    landed = loop.land(plan.first)
    start = loop.definition.schedule.start
    if published_dates(loop.lake, features_table(loop.definition), (last, last)):
        report.done(f"history to {last} was built before")
        return
    report.done(f"{landed} files landed, {start} to {last}")
    loop.build_history(start, last, report.say)
    report.done(f"history built, features of {start} to {last} in one Spark session")


def _summary(plan: Plan, loop: Loop, servers: Servers, runs: list[NightRun], report: Reporter) -> bool:
    console = report.console
    statuses = night_statuses(loop, plan.first, plan.last)
    seconds = {str(run.night): run.seconds for run in runs}
    console.print()
    console.print(nights_table(f"{plan.model}: {len(statuses)} nights in {report.seconds:.0f} s", statuses, seconds))
    for refusal in gate_refusals(loop):
        console.print(f"The gate kept the champion as of {refusal}", highlight=False)
    expected = set(nights(plan.first, plan.last))
    succeeded = all(run.succeeded for run in runs)
    exact = {status.night for status in statuses if status.complete} == expected
    if not succeeded:
        for alert in read_alerts(loop.settings)[-1:]:
            console.print(f"[red]alert[/red] {alert['what']}; {alert['runbook']}", highlight=False)
        console.print("[red]A run failed.[/red] Its log is in the Airflow UI and below var/logs/tasks.")
    if not exact:
        console.print("[red]The scored tables do not hold exactly the scheduled observations of every night.[/red]")
    query = f"select * from scores.{plan.model} where score_date = '{plan.last}' order by score desc limit 10"
    login = f"user admin, password in {servers.password_file}"
    console.print(f"\nAirflow      {servers.airflow_url}  {login}", highlight=False, soft_wrap=True)
    if servers.mlflow_url:
        console.print(f"MLflow       {servers.mlflow_url}", highlight=False)
    console.print(f'Last night   .venv/bin/nightshift sql "{query}"', highlight=False, soft_wrap=True)
    return succeeded and exact


def _outcome(run: NightRun) -> str:
    failed = [f"{dag} {state}" for dag, state in run.states.items() if state != "success"]
    if failed:
        return ", ".join(failed)
    return "scored, monitored" + (", retrained" if len(run.states) > 2 else "")


def _until_interrupted(servers: Servers) -> None:
    stopped = threading.Event()
    while not stopped.wait(1):
        servers.check()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
