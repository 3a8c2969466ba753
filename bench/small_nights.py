"""Measurements of small nights, in a real Airflow."""

from __future__ import annotations

import io
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.events import FIRST, Volume, due, payments
from bench.features import MODELS
from bench.registry import Bench, Figure, measurement
from bench.scored import score_rows
from nightshift.compute.waiting_driver import FOLDER, kill_driver
from nightshift.definition.calendar import date_range
from nightshift.errors import TerminalError
from nightshift.lake.publish import publish
from nightshift.lake.read import read_dates, snapshot_of
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, monitoring_table, scores_table
from nightshift.project import Project
from nightshift.replay.landing import land, land_night
from nightshift.replay.nights import NightRun, Replay
from nightshift.replay.servers import Servers
from nightshift.settings import PROJECT, Settings, SparkSettings
from nightshift.stages.by_hand import monitor_night, train_and_register
from nightshift.stages.history import build_history

DAY = timedelta(days=1)
DRIVERS = STARTS, WAITS = "starts with it", "waits for it"
LENGTHS = (100, 500)  # nights of history
NIGHTS = 3
ROWS = 900
PUBLISHED, MONITORED = 15.0, 20.0  # seconds
VOLUME = Volume(daily=10 * ROWS, accounts=50_000)
LANDING = '''"""Payments, accounts and disputes that are generated for each date."""

from bench.small_nights import landed_files
'''


@dataclass(frozen=True)
class SmallNight:
    """Seconds from the landed files of a night on.

    Attributes:
        published: Until its scores are published.
        monitored: Until it is monitored.
    """

    published: float
    monitored: float


@measurement("night.overhead")
def overhead(bench: Bench) -> list[Figure]:
    """Nights of 900 rows in a real Airflow, after 100 and after 500 nights of history.

    The payments' definition: 31 features over windows of 1, 7 and 28 days of 9,000 payments a day. From the trigger of
    a night whose files have landed to the end of `scores.publish` and to the end of the monitor's run, by Airflow's own
    record; LocalExecutor, its metadata in SQLite, the scheduler preloaded, and nobody looks at the UI. The driver of
    the night's Spark jobs starts with the night, or waits for it, as one does that was started for the night before or
    for another model. Medians of three nights each.
    """
    figures = []
    for length in LENGTHS:
        length = max(40, round(length * bench.scale))
        project = _history(bench, length)
        nights = [(driver, _seconds(bench, run)) for driver, run in _run(bench, project, length)]
        for driver in DRIVERS:
            of_driver = [night for of, night in nights if of == driver]
            name = f"A night of {ROWS} rows after {length} nights, by a driver that {driver}"
            published = median(night.published for night in of_driver)
            monitored = median(night.monitored for night in of_driver)
            bar = f"published within {PUBLISHED:.0f} s, monitored within {MONITORED:.0f} s"
            result = f"published {published:.1f} s, monitored {monitored:.1f} s"
            met = published <= PUBLISHED and monitored <= MONITORED
            figures.append(Figure(name, bar, result, f"{published:.1f} and {monitored:.1f} s", met))
        shutil.rmtree(project.settings.var_path)
    return figures


def landed_files(first: date, last: date) -> Iterator[tuple[str, str, bytes]]:
    """The files of some dates; accounts that pay often are disputed more."""
    for day in date_range(first, last):
        accounts = due(VOLUME, day)
        number = pc.cast(pc.replace_substring(accounts["account"], "account-", ""), pa.int64()).to_numpy()
        random = np.random.default_rng([VOLUME.seed, day.toordinal(), 3]).random(len(number))
        disputed = random < np.where(number < np.median(number), 0.4, 0.1)
        disputes = accounts.select(["account"]).append_column("disputed", pa.array(disputed))
        for source, table in (("payments", payments(VOLUME, day)), ("due", accounts), ("disputes", disputes)):
            file = io.BytesIO()
            pq.write_table(table, file)
            yield source, str(day), file.getvalue()


def _history(bench: Bench, length: int) -> Project:
    """An installation with so many scored and monitored nights; all of them have the monitored values of one."""
    folder = bench.var / str(length)
    models = folder / "models"
    shutil.copytree(MODELS / "payments", models / "payments")
    (models / "payments" / "landing.py").write_text(LANDING)
    spark = SparkSettings(master="local[2]", driver_waits=900)
    settings = Settings(home=PROJECT, var=folder, models_folder=models, spark=spark)
    project, last = Project("payments", settings), FIRST + (length - 1) * DAY
    bench.say(f"landing and building {length} nights")
    land(project, last + DAY)
    build_history(project, FIRST, last, bench.say)
    trained = train_and_register(project, last + DAY, "first", "bench", bench.say)
    if trained.registration is None:
        raise TerminalError("the gate refused the champion", received=trained.gate.report.summary())
    _score_history(project, FIRST, last)
    bench.say("monitoring")
    monitor_night(project, last - DAY, "bench", bench.say)
    _copy_monitored(project, FIRST, last - 2 * DAY, last - DAY)
    monitor_night(project, last, "bench", bench.say)  # outcomes know whose they are: those of late nights are measured
    return project


def _score_history(project: Project, first: date, last: date) -> None:
    version = project.champions.require_champion()
    package = project.registry.package(version.run_id, version.digest)
    snapshot = snapshot_of(project.lake, features_table(project.definition).name)
    rows = read_dates(project.lake, features_table(project.definition), first, last)
    scores = score_rows(project, last, rows, package, version.number, snapshot)
    spec = scores_table(project.definition)
    publish(project.lake, spec, stage_arrow(project.lake, spec, scores, first, last, {}))


def _copy_monitored(project: Project, first: date, last: date, night: date) -> None:
    """Gives each night of a range the monitored values of a night."""
    spec = monitoring_table(project.definition)
    rows = read_dates(project.lake, spec, night, night)
    for monitor in rows["monitor"].unique().to_pylist():
        of_monitor = rows.filter(pc.equal(rows["monitor"], monitor))
        place = of_monitor.column_names.index("score_date")
        dated = [
            of_monitor.set_column(place, "score_date", pa.repeat(pa.scalar(day, pa.date32()), len(of_monitor)))
            for day in date_range(first, last)
        ]
        staged = stage_arrow(project.lake, spec, pa.concat_tables(dated), first, last, {}, {"monitor": monitor})
        publish(project.lake, spec, staged)


def _run(bench: Bench, project: Project, length: int) -> Iterator[tuple[str, tuple[Replay, NightRun]]]:
    """Runs nights in an Airflow of their own, with what their driver does when they begin."""
    with run_airflow(bench, project) as replay:
        for number in range(len(DRIVERS) * NIGHTS):
            driver = DRIVERS[number // NIGHTS]
            if driver == STARTS:
                for file in (project.settings.var_path / FOLDER).glob("*.json"):
                    kill_driver(file)
            night = FIRST + (length + number) * DAY
            land_night(project, night)
            run = replay.night(night)
            if not run.succeeded:
                raise TerminalError(f"the night {night} did not succeed", received=str(run.states))
            yield driver, (replay, run)


@contextmanager
def run_airflow(bench: Bench, project: Project) -> Iterator[Replay]:
    """An Airflow of the measurement's own, with a model that is ready to run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers = Servers(project.settings, port, None)
    try:
        bench.say("starting Airflow")
        servers.start()
        servers.start_scheduling()
        replay = Replay(project, servers, servers.api(), bench.say)
        replay.prepare()
        yield replay
    finally:
        servers.stop()


def _seconds(bench: Bench, ended: tuple[Replay, NightRun]) -> SmallNight:
    replay, night = ended[0], ended[1].night
    api, key = replay.api, str(night)
    score, monitor = (
        next(run for run in api.runs(f"{replay.model}.{verb}") if run["partition_key"] == key)
        for verb in ("score", "monitor")
    )
    tasks = api.tasks(f"{replay.model}.score", score["dag_run_id"])
    tasks += api.tasks(f"{replay.model}.monitor", monitor["dag_run_id"])
    started, ends = _instant(score["queued_at"]), {task["task_id"]: task["end_date"] for task in tasks}
    published = (_instant(ends["scores.publish"]) - started).total_seconds()
    monitored = (_instant(monitor["end_date"]) - started).total_seconds()
    durations = {task["task_id"]: task["duration"] or 0.0 for task in tasks if task["state"] == "success"}
    listed = ", ".join(f"{task} {seconds:.1f}" for task, seconds in durations.items())
    bench.note(f"{night}: published {published:.1f} s, monitored {monitored:.1f} s; tasks: {listed}")
    return SmallNight(published, monitored)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
