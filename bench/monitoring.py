"""Measurements of monitoring."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import alternate, run
from bench.registry import Bench, Figure, measurement
from nightshift.definition.false_alarms import FalseAlarms
from nightshift.definition.load import load_definition
from nightshift.lake.tables import observation_key, scores_table
from nightshift.monitoring.drift import Night, measure_drift
from nightshift.monitoring.night import NightProfile, Profiler
from nightshift.monitoring.reference import calibration, make_reference, with_thresholds
from nightshift.registry.package import SCORES, package_digest
from nightshift.scoring.batches import Scorer, score_and_stage
from nightshift.settings import PROJECT
from nightshift.training.fit import fit

ROWS, NUMBERS, CATEGORIES, DAYS = 500_000, 18, 6, 50
EVIDENTLY = "0.7.23"
RATE, FIRST, ROUNDS = FalseAlarms(1, 90), date(2023, 1, 1), 5
BATCH = 10_000  # rows, as Spark hands them to a worker


@measurement("monitoring.drift")
def drift(bench: Bench) -> list[Figure]:
    """The drift of 500,000 rows of 24 columns against a reference of as many, from the profile made while scoring.

    With every statistic, its threshold, and joint drift; from the kept JSON to the verdicts. Against Evidently's
    `DataDriftPreset` on the same two frames in memory, in an environment of its own.
    """
    size = round(ROWS * bench.scale / DAYS)
    bench.say("generating rows")
    reference, night = _rows(size * DAYS, 1), _rows(size * DAYS, 2)
    types = {name: "category" if pa.types.is_string(kind) else "number" for name, kind in _fields(reference)}
    dates = pa.array(np.repeat([FIRST + timedelta(days=day) for day in range(DAYS)], size), pa.date32())
    scores = pa.table({SCORES: np.random.default_rng(3).random(size * DAYS), "score_date": dates})
    bench.say("a reference")
    learned = make_reference(reference.append_column("score_date", dates), types, scores)
    learned = json.loads(json.dumps(with_thresholds(learned, list(types), RATE)))
    profiler = Profiler.of(learned)
    assert profiler is not None
    kept = json.dumps(profiler(night, scores[SCORES]).to_json())

    def ours() -> None:
        told = Night(date(2023, 6, 1), NightProfile.from_json(json.loads(kept)), list(types), 1, {})
        measure_drift(told, calibration(learned, list(types), RATE))

    ours()
    mine = median(_seconds(ours) for _ in range(ROUNDS))
    theirs = _evidently(bench, reference, night)
    result = f"{mine * 1000:.0f} ms; Evidently {EVIDENTLY} {theirs:.1f} s"
    what = f"Drift of {night.num_rows:,} rows, {len(types)} columns"
    return [Figure(what, "100 times as fast as Evidently", result, f"{theirs / mine:.0f} times", theirs >= 100 * mine)]


@measurement("monitoring.profile")
def profile(bench: Bench) -> list[Figure]:
    """What profiling adds to scoring, with the example's 43 features and estimator and a slice a column.

    A worker's part of the job alone: scoring and staging 500,000 rows in batches, without and with the profile.
    """
    definition = load_definition(PROJECT / "include" / "models" / "flight_delay")
    types = {name: str(kind) for name, kind in definition.feature_types.items()}
    size = round(ROWS * bench.scale)
    bench.say("generating rows and training")
    random = np.random.default_rng(4)
    columns = {name: _column(random, kind, size) for name, kind in types.items()}
    few = np.array(["EWR", "JFK", "LGA"])[random.integers(0, 3, size)]
    key = {
        name: pa.array(few if name == "origin" else np.arange(size).astype(str))
        for name in observation_key(definition)
        if name != "score_date"
    }
    day = pa.repeat(pa.scalar(FIRST, pa.date32()), size)
    rows = pa.table({"score_date": day, **{n: v for n, v in key.items() if n not in columns}, **columns})
    spec = scores_table(definition)
    rows = rows.set_column(0, "score_date", day)
    for name in key:
        kind = spec.schema.field(name).type
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(kind))
    some = rows.slice(0, min(size, 100_000))
    labels = pa.array((random.random(some.num_rows) < 0.3).astype(np.float64))
    model = fit(definition, some.append_column("label", labels), {})
    scored = pa.table({SCORES: model.score(some), "score_date": some["score_date"]})
    files, profiler = model.dump(), Profiler.of(make_reference(some, types, scored), definition.monitoring.slices)
    made_by = {"model_version": 1, "features_snapshot": 1, "scored_at": datetime(2023, 1, 1, tzinfo=UTC)}
    folder = f"file://{bench.var / 'scores'}"
    scorer = Scorer(files, package_digest(files), spec, folder, made_by)
    batches, names = rows.to_batches(max_chunksize=BATCH), tuple(observation_key(definition))

    def timed(how: Profiler | None) -> Callable[[int], float]:
        return lambda _: _seconds(lambda: list(score_and_stage(batches, names, scorer, (), how)))

    timed(None)(0)
    bench.say("scoring")
    seconds = alternate({"without": timed(None), "with": timed(profiler)}, ROUNDS)
    without, with_ = median(seconds["without"]), median(seconds["with"])
    result = f"{without:.2f} s without, {with_:.2f} s with, medians of {ROUNDS}; {size:,} rows"
    more = with_ / without - 1
    return [Figure("A night's profile beside its scores", "adds at most 10%", result, f"{more:+.1%}", more <= 0.1)]


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
    done = run([str(python), str(script), *map(str, files), "3"], environment)
    return median(float(line.split()[1]) for line in done.lines if line.startswith("seconds "))


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
