"""Measurements of the feature computation."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import duckdb

from bench.events import FIRST, Volume, publish_raw
from bench.jobs import Say, build_features, compute_features, submit
from bench.measure import Run, alternate, run
from bench.registry import Bench, Figure, measurement
from nightshift.compute.job import Job
from nightshift.definition.calendar import date_range
from nightshift.errors import DataError, TerminalError
from nightshift.features.compare import compare, tolerances
from nightshift.lake.files import local_path
from nightshift.lake.read import read_dates
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings
from nightshift.stages.ingest import ingest_history
from nightshift.stages.publish import publish

MODELS = Path(__file__).parent / "models"
DAY = timedelta(days=1)
YEAR = timedelta(days=365)
GIB = 2**30
MEMORY = 4 * GIB


@dataclass(frozen=True)
class Pairs:
    """Jobs that compute features, each beside the same features by hand.

    Attributes:
        figure: How they compare.
        seconds: The median of the jobs' times.
        peak: The most memory that a job held, in bytes.
    """

    figure: Figure
    seconds: float
    peak: int


@measurement("features.nightly")
def nightly(bench: Bench) -> list[Figure]:
    """The features of one night, with 365-day windows against 7-day windows.

    The two definitions differ only in the windows, over the same 400 days of 20,000 payments. Everything up to the
    night before is published; each measured night is a job and a publish. Only the job is timed, after its session has
    started.
    """
    history, rounds = 400 * DAY, 7
    projects = _projects_with_windows(bench, (7, 365))
    volume, start = Volume.of(round(8e6 * bench.scale), history.days), FIRST + history
    measured = [start + number * DAY for number in range(rounds)]
    bench.say("generating payments")
    any_project = projects["7"]
    for first, last in [(FIRST, start - DAY), *zip(measured, measured, strict=True)]:
        publish_raw(any_project.lake, any_project.definition, volume, first, last)
    for project in projects.values():
        build_features(project, start - 31 * DAY, start - DAY, bench.say)
    seconds = alternate({days: partial(_night, bench, project, start) for days, project in projects.items()}, rounds)
    short, long = median(seconds["7"]), median(seconds["365"])
    ratios = [long_night / short_night for long_night, short_night in zip(seconds["365"], seconds["7"], strict=True)]
    result = f"365 days {long:.2f} s, 7 days {short:.2f} s: medians of {rounds} nights"
    result += f", with ratios of {min(ratios):.2f} to {max(ratios):.2f}"
    return [
        Figure("A night with 365-day windows", "at most 1.3 times 7-day windows", result, *_at_most(long / short, 1.3))
    ]


@measurement("features.bulk")
def bulk(bench: Bench) -> list[Figure]:
    """The features of a year of flights in one job, against DuckDB by hand and range joins in plain PySpark.

    DuckDB (`bench/flight_delay_by_hand.sql`) has two threads, reads the same Parquet files and writes Parquet; five
    nights are compared value by value; medians of three pairs. Three nights of the range joins
    (`bench/range_joins.py`) are compared, too; they are stopped after twelve times the time of the job.
    """
    project = Project("flight_delay", Settings(home=PROJECT, var=bench.var))
    first = project.definition.schedule.start
    last = first + round(YEAR.days * bench.scale) * DAY - DAY
    bench.say("ingesting flights")
    land(project, last)
    publish(project, ingest_history(project, first, last))
    pairs = _against_by_hand(bench, "A year of flights in bulk", project, first, last)
    sample = last - 2 * DAY
    _range_joins(bench, project, sample, last, bench.var / "sample")
    _check(project, bench.var / "sample", list(date_range(sample, last)), bench.note)
    theirs = _range_joins(bench, project, first, last, bench.var / "all", limit=12 * pairs.seconds)
    _note(bench, "range joins", theirs)
    ratio = theirs.work / pairs.seconds
    result = f"{pairs.seconds:.0f} s; range joins {theirs.work:.0f} s{' (stopped)' * theirs.stopped}"
    speed_up = f"more than {ratio:.0f} times (stopped)" if theirs.stopped else f"{ratio:.1f} times"
    return [
        Figure("A year of flights in bulk", "10 times as fast as range joins", result, speed_up, ratio >= 10),
        pairs.figure,
    ]


@measurement("features.duckdb")
def against_duckdb(bench: Bench) -> list[Figure]:
    """The features of a year of ten million payments in one job, against DuckDB by hand.

    DuckDB (`bench/payments_by_hand.sql`) has two threads, reads the same Parquet files and writes Parquet. Five nights
    are compared value by value. Medians of three pairs.
    """
    project = _generated(bench, 10, bench.var)
    subject = "Ten million payments in bulk"
    pairs = _against_by_hand(bench, subject, project, FIRST, FIRST + YEAR - DAY)
    peak = f"{pairs.peak / GIB:.2f} GiB"
    return [pairs.figure, Figure(f"{subject}, memory", "below 4 GiB", peak, "", pairs.peak < MEMORY)]


@measurement("features.scale")
def scale(bench: Bench) -> list[Figure]:
    """The features of a year of 1, 10 and 50 million payments in one job.

    The number of accounts is a hundredth of the number of payments, so keys grow with rows.
    """
    figures: list[Figure] = []
    previous: tuple[int, Run] | None = None
    for millions in (1, 10, 50):
        subject, bar = f"{millions} million payments in bulk", "time grows no faster than rows; below 4 GiB"
        var = bench.var / str(millions)
        try:
            job = build_features(_generated(bench, millions, var), FIRST, FIRST + YEAR - DAY, bench.say)
        except TerminalError as error:
            bench.note(str(error))
            return [*figures, Figure(subject, bar, "the job failed", "", False)]
        shutil.rmtree(var)
        _note(bench, f"{millions} million", job)
        result = f"{job.work:.1f} s, {job.work / millions:.2f} s a million; {job.peak / GIB:.2f} GiB"
        ratio, fast = _growth(millions, job, previous)
        figures.append(Figure(subject, bar, result, ratio, fast and job.peak < MEMORY))
        previous = millions, job
    return figures


def _growth(millions: int, job: Run, previous: tuple[int, Run] | None) -> tuple[str, bool]:
    """The growth of time from the previous size, and whether it is at most the growth of rows."""
    if previous is None:
        return "", True
    time, rows = job.work / previous[1].work, millions / previous[0]
    return f"{time:.1f} times for {rows:.0f} times the rows", time <= rows


def _projects_with_windows(bench: Bench, lengths: Sequence[int]) -> dict[str, Project]:
    """A project for each length: the payments' definition with every window of that length."""
    text, models = (MODELS / "payments" / "model.yaml").read_text(), bench.var / "models"
    for days in lengths:
        file = models / f"payments_{days}d" / "model.yaml"
        file.parent.mkdir(parents=True)
        renamed = text.replace("name: payments", f"name: payments_{days}d")
        file.write_text(re.sub(r"windows: \[.*?\]", f"windows: [{days}d]", renamed))
    settings = Settings(home=PROJECT, var=bench.var, models_folder=models)
    return {str(days): Project(f"payments_{days}d", settings) for days in lengths}


def _night(bench: Bench, project: Project, start: date, number: int) -> float:
    job = build_features(project, start + number * DAY, start + number * DAY, bench.say)
    _note(bench, f"{project.definition.name} {start + number * DAY}", job)
    return job.work


def _generated(bench: Bench, millions: int, var: Path) -> Project:
    """A year of payments, published."""
    bench.say(f"generating {millions} million payments")
    project = Project("payments", Settings(home=PROJECT, var=var, models_folder=MODELS))
    volume = Volume.of(round(millions * 1e6 * bench.scale), YEAR.days)
    publish_raw(project.lake, project.definition, volume, FIRST, FIRST + YEAR - DAY)
    return project


def _against_by_hand(bench: Bench, subject: str, project: Project, first: date, last: date, rounds: int = 3) -> Pairs:
    """Features in one job against those by hand, in pairs; they are published, and compared."""
    jobs, by_hand, staged = list[Run](), list[Run](), list[tuple[str, ...]]()
    name = project.definition.name
    out, raw = bench.var / "by_hand", f"{local_path(project.lake.warehouse)}/staged"

    def job(number: int) -> float:
        measured, locations = compute_features(project, first, last, bench.say)
        _note(bench, "in bulk", measured)
        jobs.append(measured)
        staged.append(locations)
        return measured.work

    def database(number: int) -> float:
        bench.say("DuckDB by hand")
        shutil.rmtree(out, ignore_errors=True)
        measured = run([sys.executable, "-m", "bench.by_hand", name, raw, str(out)])
        _note(bench, "by hand", measured)
        by_hand.append(measured)
        return measured.work

    seconds = alternate({"job": job, "by hand": database}, rounds)
    publish(project, staged[-1])
    _check(project, out, list(date_range(first, last))[8::89], bench.note)
    ours, theirs = median(seconds["job"]), median(seconds["by hand"])
    ratio = median(a / b for a, b in zip(seconds["job"], seconds["by hand"], strict=True))
    peak = max(run.peak for run in by_hand)
    result = f"{ours:.1f} s; DuckDB {theirs:.1f} s with {peak / GIB:.1f} GiB"
    figure = Figure(subject, "at most 2 times DuckDB by hand", result, *_at_most(ratio, 2))
    return Pairs(figure, ours, max(run.peak for run in jobs))


def _range_joins(
    bench: Bench, project: Project, first: date, last: date, out: Path, limit: float = float("inf")
) -> Run:
    """The plain job, with adaptive plans and few partitions: its fastest configuration here."""
    bench.say(f"range joins of {first} to {last}")
    conf = {"spark.sql.adaptive.enabled": "true", "spark.sql.shuffle.partitions": "8"}
    spark = project.settings.spark.model_copy(update={"conf": conf})
    settings = Settings(home=PROJECT, var=bench.var, spark=spark)
    arguments = ("--model", project.definition.name, "--from", str(first), "--to", str(last), "--out", str(out))
    return submit(settings, Job("../bench/range_joins", arguments, many_nights=True), bench.say, limit)


def _check(project: Project, folder: Path, sample: list[date], note: Say) -> None:
    """Compares published features with those in a folder of Parquet files.

    Raises:
        DataError: If any value differs by more than rounding.
    """
    spec, cells = features_table(project.definition), 0
    computed = duckdb.sql(f"from read_parquet('{folder}/**/*.parquet', hive_partitioning = false)")
    for night in sample:
        theirs = computed.filter(f"score_date = '{night}'").to_arrow_table()
        ours = read_dates(project.lake, spec, night, night)
        comparison = compare(ours, theirs, spec.key, tolerances(project.definition))
        if comparison.differences:
            raise DataError("values differ", where=str(folder), received=str(comparison.differences[0]))
        cells += comparison.cells
    note(f"{cells} values of {len(sample)} nights are the same")


def _at_most(ratio: float, bar: float) -> tuple[str, bool]:
    return f"{ratio:.2f} times", ratio <= bar


def _note(bench: Bench, subject: str, job: Run) -> None:
    bench.note(f"{subject}: {job.work:.2f} s after {job.seconds - job.work:.2f} s, {job.peak / GIB:.2f} GiB")
