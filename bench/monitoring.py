"""Measurements of monitoring."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.jobs import submit
from bench.measure import alternate, run
from bench.registry import Bench, Figure, measurement
from bench.training import some_rows
from nightshift.compute.job import Job
from nightshift.definition.false_alarms import FalseAlarms
from nightshift.definition.load import definition_files
from nightshift.definition.recipe import label_digest
from nightshift.features.recorded_recipes import LABEL
from nightshift.lake.publish import publish
from nightshift.lake.staging import new_attempt, stage_arrow
from nightshift.lake.tables import RECIPES, features_table
from nightshift.monitoring.drift import ScoredNight, measure_drift
from nightshift.monitoring.night_profile import NightProfile, Profiler
from nightshift.monitoring.reference import drift_baseline, make_reference, with_thresholds
from nightshift.project import Project
from nightshift.registry.package import ModelPackage
from nightshift.registry.reference import SCORES
from nightshift.settings import PROJECT, Settings
from nightshift.training.fit import fit

ROWS, NUMBERS, CATEGORIES, DAYS = 500_000, 18, 6, 50
EVIDENTLY = "0.7.23"
RATE, FIRST, ROUNDS = FalseAlarms(1, 90), date(2023, 1, 1), 5


@measurement("monitoring.drift")
def drift(bench: Bench) -> list[Figure]:
    """The drift of 500,000 rows of 24 columns against a reference of as many, from the profile made while scoring.

    With every statistic, its threshold, and joint drift; from the stored JSON to the verdicts. Against Evidently's
    `DataDriftPreset` on the same two frames in memory, in an environment of its own.
    """
    size = round(ROWS * bench.scale / DAYS)
    bench.say("generating rows")
    reference, night = _rows(size * DAYS, 1), _rows(size * DAYS, 2)
    types = {name: "category" if pa.types.is_string(kind) else "number" for name, kind in _fields(reference)}
    dates = pa.array(np.repeat([FIRST + timedelta(days=day) for day in range(DAYS)], size), pa.date32())
    scores = pa.table({SCORES: np.random.default_rng(3).random(size * DAYS), "score_date": dates})
    bench.say("a reference")
    stored = make_reference(reference.append_column("score_date", dates), types, scores)
    stored = with_thresholds(stored, list(types), RATE)
    profiler = Profiler.of(stored)
    assert profiler is not None
    manifest = json.dumps(profiler(night, scores.rename_columns({SCORES: "score"})).to_json())

    def measure() -> None:
        scored = ScoredNight(date(2023, 6, 1), NightProfile.from_json(json.loads(manifest)), list(types), 1, {})
        measure_drift(scored, drift_baseline(stored, list(types), RATE))

    measure()
    seconds = median(_seconds(measure) for _ in range(ROUNDS))
    evidently = _evidently(bench, reference, night)
    result = f"{seconds * 1000:.0f} ms; Evidently {EVIDENTLY} {evidently:.1f} s"
    ratio = evidently / seconds
    name = f"Drift of {night.num_rows:,} rows, {len(types)} columns"
    return [Figure(name, "100 times as fast as Evidently", result, f"{ratio:.0f} times", ratio >= 100)]


@measurement("monitoring.profile")
def profile(bench: Bench) -> list[Figure]:
    """What profiling adds to the job that scores 500,000 rows of the example's 43 features, with three slices.

    The same job by two versions that differ only in having a reference.
    """
    project = Project("flight_delay", Settings(home=PROJECT, var=bench.var))
    types = {name: str(kind) for name, kind in project.definition.feature_types.items()}
    spec, random = features_table(project.definition), np.random.default_rng(4)
    bench.say("generating rows and training")
    rows = some_rows(spec, FIRST, round(ROWS * bench.scale), random)
    origins = pa.array(np.array(["EWR", "JFK", "LGA"])[random.integers(0, 3, rows.num_rows)])
    rows = rows.set_column(rows.column_names.index("origin"), "origin", origins)
    publish(project.lake, spec, stage_arrow(project.lake, spec, rows, FIRST, FIRST, {}))
    sample = rows.slice(0, 50_000)
    minutes = np.nan_to_num(sample["departure_minute"].to_numpy())
    label = random.random(sample.num_rows) < 1 / (1 + np.exp(-minutes / 30))
    without = fit(project.definition, sample.append_column("label", pa.array(label.astype(np.float64))))
    scores = pa.table({SCORES: without.score(sample), "score_date": sample["score_date"]})
    versions = {
        "without": register_package(project, without),
        "with": register_package(project, replace(without, reference=make_reference(sample, types, scores))),
    }

    def job(version: int) -> Callable[[int], float]:
        def timed(_: int) -> float:
            project.registry.set_champion_alias(version)
            bench.say(f"scoring by version {version}")
            arguments = ("--model", "flight_delay", "--night", str(FIRST), "--attempt", new_attempt(FIRST, FIRST))
            scoring = Job("score", (*arguments, "--at", f"{FIRST}T00:00:00Z"))
            return submit(project.settings, scoring, bench.say).work

        return timed

    jobs = {name: job(version) for name, version in versions.items()}
    jobs["without"](0)
    seconds = {name: median(times) for name, times in alternate(jobs, ROUNDS).items()}
    result = f"{seconds['without']:.2f} s without, {seconds['with']:.2f} s with, medians of {ROUNDS} jobs"
    more = seconds["with"] / seconds["without"] - 1
    return [Figure("A night's profile beside its scores", "adds at most 10%", result, f"{more:+.1%}", more <= 0.1)]


def register_package(project: Project, package: ModelPackage) -> int:
    """Registers a model of the example's definition as it is; returns the version."""
    run_id = project.registry.start_run("2023-01-01", "bench", "bench")
    project.registry.log_package(run_id, package)
    definition = project.definition
    recipes = {RECIPES: definition.feature_digests, LABEL: label_digest(definition)}
    project.registry.log_lineage(run_id, recipes, definition_files(definition))
    project.registry.end_run(run_id)
    return project.registry.register(run_id, "bench").number


def _evidently(bench: Bench, reference: pa.Table, night: pa.Table) -> float:
    """Evidently's seconds; it is installed once, and asked to send nothing."""
    python = PROJECT / "var" / "bench" / f"evidently-{EVIDENTLY}" / "bin" / "python"
    if not python.exists():
        bench.say("installing Evidently")
        uv = str(Path(sys.executable).with_name("uv"))
        run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(python.parents[1])])
        run([uv, "pip", "install", "-q", "--python", str(python), f"evidently=={EVIDENTLY}", "pyarrow", "pandas<3"])
    files = [bench.var / "reference.parquet", bench.var / "night.parquet"]
    for file, rows in zip(files, (reference, night), strict=True):
        pq.write_table(rows, file)
    bench.say("Evidently")
    script = Path(__file__).with_name("evidently_drift.py")
    environment = {**os.environ, "DO_NOT_TRACK": "1", "PYTHONPATH": ""}
    ended = run([str(python), str(script), *map(str, files), "3"], environment)
    return median(float(line.split()[1]) for line in ended.lines if line.startswith("seconds "))


def _rows(count: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    numbers = {f"number_{place}": _column(random, "number", count) for place in range(NUMBERS)}
    return pa.table(numbers | {f"category_{place}": _column(random, "category", count) for place in range(CATEGORIES)})


def _column(random: np.random.Generator, kind: str, count: int) -> pa.Array:
    if kind == "category":
        return pa.array(np.array([f"value {n}" for n in range(20)])[random.integers(0, 20, count)])
    return pa.array(random.normal(size=count))


def _fields(rows: pa.Table) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in rows.schema]


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started
