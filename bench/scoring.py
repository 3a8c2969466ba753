"""Measurements of scoring."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from bench.features import MODELS
from bench.jobs import submit
from bench.measure import Run, alternate, run
from bench.readings import NIGHT, PART, TRAINED, generate_labels, generate_readings, readings_project, register_champion
from bench.registry import Bench, Figure, measurement
from bench.score_by_udf import save_model
from nightshift.compute.job import Job
from nightshift.compute.outcome import new_outcome_uri, read_outcome
from nightshift.errors import DataError
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import data_files
from nightshift.lake.staging import load_staged, new_attempt, stage_parts
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.registry.estimators.hist_gradient_boosting import sum_by_bits
from nightshift.settings import PROJECT, Settings
from nightshift.training.fit import fit

ROWS, LARGE, ROUNDS = 3_000_000, 50_000_000, 3
GIB = 2**30


@dataclass(frozen=True)
class _Readings:
    """A night of readings, published, with a champion.

    Attributes:
        project: The model.
        features: The names of its features.
        estimator: The champion's estimator.
        rows: The number of rows.
    """

    project: Project
    features: tuple[str, ...]
    estimator: Any
    rows: int

    @property
    def files(self) -> list[str]:
        uris = data_files(self.project.lake, features_table(self.project.definition), NIGHT, NIGHT)
        return [local_path(uri) for uri in uris]

    @classmethod
    def publish(cls, bench: Bench, rows: int) -> _Readings:
        project = readings_project(bench.var)
        spec = features_table(project.definition)
        bench.say(f"generating {rows:,} readings")
        sizes = [min(PART, rows - first) for first in range(0, rows, PART)]
        parts = (generate_readings(project, size, number) for number, size in enumerate(sizes))
        publish(project.lake, spec, stage_parts(project.lake, spec, parts, NIGHT, NIGHT, {}))
        bench.say("training")
        package = register_champion(project)
        return cls(project, tuple(project.definition.feature_types), package.estimator, rows)

    def score(self, bench: Bench) -> tuple[Run, list[str]]:
        """The job that scores the night, and the files that it staged."""
        outcome, attempt = new_outcome_uri(self.project.settings, "score"), new_attempt(NIGHT, NIGHT)
        arguments = ("--model", "readings", "--night", str(NIGHT), "--attempt", attempt, "--outcome", outcome)
        measured = submit(self.project.settings, Job("score", (*arguments, "--at", f"{NIGHT}T00:00:00Z")), bench.say)
        result = read_outcome(outcome)
        assert result is not None, measured.lines[-3:]
        return measured, [local_path(file) for file in load_staged(result.staged[0]).files]


@measurement("scoring.rate")
def rate(bench: Bench) -> list[Figure]:
    """The job that scores a night of 3 million rows by gradient boosting with 100 trees of 24 features, with two cores.

    From the end of its session's start-up to the end of its process: MLflow, the workers' start, reading, scoring, the
    night's profile, and staging. Against MLflow's `spark_udf` with the same estimator in a session of the same
    configuration, which reads the same files and writes the key with the score (`bench/score_by_udf.py`), warm: the
    second time in a session, with its workers and its Java code ready. And against scikit-learn in one process with
    two threads, from reading a file to writing its scores (`bench/score_in_process.py`), without the process's start.
    All scores are compared.
    """
    readings = _Readings.publish(bench, round(ROWS * bench.scale))
    model = str(bench.var / "estimator")
    save_model(readings.estimator, model)
    arguments = ["--model", model, "--key", "machine", "--features", ",".join(readings.features)]
    jobs: dict[str, list[Run]] = {"nightshift": [], "udf": [], "process": []}
    scored: dict[str, list[str]] = {}

    def ours(number: int) -> float:
        bench.say(f"Nightshift, {number + 1} of {ROUNDS}")
        job, scored["nightshift"] = readings.score(bench)
        jobs["nightshift"].append(job)
        return job.work

    def by_udf(number: int) -> float:
        bench.say(f"spark_udf, {number + 1} of {ROUNDS}")
        out = bench.var / f"udf-{number}"
        job = Job("../bench/score_by_udf", (*arguments, "--out", str(out), *readings.files))
        jobs["udf"].append(submit(readings.project.settings, job, bench.say))
        scored["udf"] = sorted(map(str, (out / "1").glob("*.parquet")))
        return float(jobs["udf"][-1].lines[-1].split()[1])

    def in_process(number: int) -> float:
        bench.say(f"scikit-learn in one process, {number + 1} of {ROUNDS}")
        out = bench.var / f"process-{number}"
        command = [sys.executable, "-m", "bench.score_in_process", *arguments, "--out", str(out), *readings.files]
        jobs["process"].append(run(command))
        scored["process"] = sorted(map(str, out.glob("*.parquet")))
        return float(jobs["process"][-1].lines[-1])

    works = {"nightshift": ours, "udf": by_udf, "process": in_process}
    seconds = {name: median(times) for name, times in alternate(works, ROUNDS).items()}
    _check_scores(scored)
    whole = {name: median(job.seconds for job in runs) for name, runs in jobs.items()}
    first = median(float(job.lines[-1].split()[0]) for job in jobs["udf"])
    # A job of `spark_udf` that scores once.
    whole["udf"] = median(job.seconds - float(job.lines[-1].split()[1]) for job in jobs["udf"])
    peaks = {name: max(job.peak for job in runs) / GIB for name, runs in jobs.items()}
    mine = f"{readings.rows / seconds['nightshift']:,.0f} rows a second ({seconds['nightshift']:.1f} s)"
    warm = f"spark_udf {seconds['udf']:.1f} s warm, {first:.1f} s with its first workers"
    process = f"scikit-learn {seconds['process']:.1f} s"
    faster = {name: seconds[name] / seconds["nightshift"] for name in ("udf", "process")}
    memory = f"{peaks['nightshift']:.1f} GiB; spark_udf {peaks['udf']:.1f} GiB, one process {peaks['process']:.1f} GiB"
    return [
        Figure(
            f"Scoring {readings.rows:,} rows",
            "at least 2 times as fast as spark_udf, warm",
            f"{mine}; {warm}; {memory}",
            f"{faster['udf']:.2f} times",
            faster["udf"] >= 2,
        ),
        Figure(
            "The same against scikit-learn in one process",
            "at least 0.85 of its rate",
            f"{mine}; {process}",
            f"{faster['process']:.2f} times",
            faster["process"] >= 0.85,
        ),
        Figure(
            "Whole job against whole job",
            "faster than spark_udf",
            f"{whole['nightshift']:.1f} s; spark_udf once {whole['udf']:.1f} s, one process {whole['process']:.1f} s",
            f"{whole['udf'] / whole['nightshift']:.2f} times",
            whole["udf"] > whole["nightshift"],
        ),
    ]


@measurement("scoring.scale")
def scale(bench: Bench) -> list[Figure]:
    """The same job for 3 and for 50 million rows."""
    figures, previous = [], None
    for number, rows in enumerate((ROWS, LARGE)):
        folder = bench.var / str(number)
        readings = _Readings.publish(replace(bench, var=folder), round(rows * bench.scale))
        job, _ = readings.score(bench)
        bench.note(f"{readings.rows:,} rows: {job.work:.1f} s, {job.peak / GIB:.2f} GiB")
        met = previous is None or (job.peak <= 1.2 * previous[2] and job.work / readings.rows <= previous[1])
        ratio = "" if previous is None else f"{job.work / previous[0]:.1f} times for {readings.rows / previous[3]:.1f} "
        result = f"{job.work:.1f} s, {job.work / readings.rows * 1e6:.2f} s a million; {job.peak / GIB:.2f} GiB"
        bar = "time grows no faster than rows; memory flat"
        figures.append(Figure(f"Scoring {readings.rows:,} rows", bar, result, ratio and f"{ratio}times the rows", met))
        previous = (job.work, job.work / readings.rows, job.peak, readings.rows)
    return figures


@measurement("scoring.trees")
def trees(bench: Bench) -> list[Figure]:
    """The sum of 100 trees of 31 leaves for 500,000 rows of 24 features, per CPU second, by one thread.

    `TreeSums` against the predict of scikit-learn's histogram gradient boosting, the same fitted model, compared bit
    for bit; beside it LightGBM's and XGBoost's own models of as many trees and leaves, fitted on the same rows.
    """
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    settings = Settings(home=PROJECT, var=bench.var, models_folder=MODELS)
    project = Project("readings", settings)
    names = list(project.definition.feature_types)
    bench.say("generating readings and fitting")
    sample, rows = (
        generate_readings(project, round(count * bench.scale), seed) for count, seed in ((TRAINED, 1), (PART, 2))
    )
    fitted = fit(project.definition, sample.append_column("label", generate_labels(sample, names)))
    matrix, learned = fitted.encoder.matrix(rows), fitted.encoder.matrix(sample)
    own: Any = fitted.estimator
    ours = deepcopy(own)
    sum_by_bits(ours)
    others = {
        "LightGBM": LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=1, verbose=-1),
        "XGBoost": XGBClassifier(n_estimators=100, max_leaves=31, max_depth=0, tree_method="hist", n_jobs=1),
    }
    labels = generate_labels(sample, names).to_numpy(zero_copy_only=False)
    predicts: dict[str, Callable[[Any], Any]] = {"TreeSums": ours.predict_proba, "scikit-learn": own.predict_proba}
    for name, estimator in others.items():
        predicts[name] = estimator.fit(learned, labels).predict_proba

    def timed(name: str, number: int) -> float:
        bench.say(f"{name}, {number + 1} of {ROUNDS}")
        started = process_time()
        predicts[name](matrix)
        return process_time() - started

    with threadpool_limits(1):
        seconds = alternate({name: partial(timed, name) for name in predicts}, ROUNDS)
        if ours.predict_proba(matrix).tobytes() != own.predict_proba(matrix).tobytes():
            raise DataError("the sums differ from scikit-learn's")
        few = (
            _milliseconds(partial(ours.predict_proba, matrix[:900])),
            _milliseconds(partial(own.predict_proba, matrix[:900])),
        )
    rates = {name: len(matrix) / median(times) for name, times in seconds.items()}
    ratio = rates["TreeSums"] / rates["scikit-learn"]
    result = "; ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    result = f"rows per CPU second: {result}; 900 rows {few[0]:.1f} ms, scikit-learn {few[1]:.1f} ms"
    return [Figure("Trees alone", "at least 3 times scikit-learn's", result, f"{ratio:.1f} times", ratio >= 3)]


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(9):
        started = perf_counter()
        work()
        times.append((perf_counter() - started) * 1e3)
    return median(times)


def _check_scores(scored: dict[str, list[str]]) -> None:
    """Compares what was written.

    Raises:
        DataError: If any score differs.
    """
    tables = {name: pq.ParquetDataset(files).read(["machine", "score"]) for name, files in scored.items()}
    ours = tables.pop("nightshift").sort_by("machine")
    for name, table in tables.items():
        theirs = table.sort_by("machine")
        if not (ours["machine"].equals(theirs["machine"]) and ours["score"].equals(theirs["score"])):
            different = pc.sum(pc.not_equal(ours["score"], theirs["score"])) if len(ours) == len(theirs) else "all"
            raise DataError(f"scores differ from those of {name}", received=str(different))
