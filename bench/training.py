"""Measurements of training and its gate."""

from __future__ import annotations

import resource
import typing
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import alternate
from bench.registry import Bench, Figure, measurement
from nightshift.definition.gate import RESAMPLES, Metric
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import data_files
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table
from nightshift.loop import Loop
from nightshift.settings import PROJECT, Settings
from nightshift.training.bootstrap import Sample, draw_days, estimate
from nightshift.training.dataset import pin_snapshots, read_labelled

FIRST, DAYS, ROWS, ROUNDS = date(2013, 1, 1), 300, 300_000, 7
SCORED, BAR = 100_000, 5.0


@measurement("training.read")
def read(bench: Bench) -> list[Figure]:
    """A training set of 300,000 rows with the example's features and their labels, at pinned snapshots.

    Against PyArrow's own reading of the same files, features and labels, without joining them.
    """
    loop = Loop("flight_delay", Settings(home=PROJECT, var=bench.var))
    features, labels = features_table(loop.definition), raw_table(loop.definition, "arrivals")
    size, last = round(ROWS * bench.scale / DAYS), FIRST + timedelta(days=DAYS - 1)
    bench.say("generating rows")
    random = np.random.default_rng(1)
    for spec in (features, labels):
        parts = [_rows(spec, FIRST + timedelta(days=day), size, random) for day in range(DAYS)]
        publish(loop.lake, spec, stage_arrow(loop.lake, spec, pa.concat_tables(parts), FIRST, last, {}))
    snapshots = pin_snapshots(loop.lake, loop.definition)
    files = [local_path(file) for spec in (features, labels) for file in _files(loop.lake, spec, last)]

    def ours(_: int) -> float:
        return _timed(lambda: read_labelled(loop.lake, loop.definition, FIRST, last, snapshots))

    def theirs(_: int) -> float:
        return _timed(lambda: [pq.ParquetFile(file).read() for file in files])

    seconds = alternate({"ours": ours, "pyarrow": theirs}, ROUNDS)
    mine, other = median(seconds["ours"]), median(seconds["pyarrow"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    result = f"{mine:.2f} s; PyArrow {other:.2f} s; {len(features.columns)} columns; {peak:.1f} GiB in all"
    what = f"A training set of {size * DAYS:,} rows"
    return [
        Figure(what, "at most 2 times PyArrow's own reading", result, f"{mine / other:.2f} times", mine <= 2 * other)
    ]


@measurement("training.bootstrap")
def bootstrap(bench: Bench) -> list[Figure]:
    """The gate's bootstrap: 1,000 resamples of the days of 100,000 scored rows, for both models and all five metrics.

    Once with the rows of two weeks and once with those of a year; no two rows have the same score. One process,
    everything included but drawing the days.
    """
    return [_bootstrap(bench, days, told) for days, told in ((14, "two weeks"), (365, "a year"))]


def _bootstrap(bench: Bench, days: int, told: str) -> Figure:
    models = [_scored(round(SCORED * bench.scale), days, noise) for noise in (0.5, 0.6)]
    drawn, seconds = draw_days(days, RESAMPLES, 1), dict[Metric, float]()
    for metric in typing.get_args(Metric):
        bench.say(f"{metric} of {told}")
        seconds[metric] = median(_timed(lambda m=metric: [estimate(m, one, drawn) for one in models]) for _ in range(3))
    total = sum(seconds.values())
    listed = ", ".join(f"{metric} {spent:.2f} s" for metric, spent in seconds.items())
    return Figure(f"The gate's bootstrap of {told}", f"at most {BAR:g} s", f"{total:.2f} s: {listed}", "", total <= BAR)


def _scored(rows: int, days: int, noise: float) -> Sample:
    """A model's scores of rows from chance."""
    random = np.random.default_rng(1)
    seen = random.normal(size=rows)
    labels = (random.uniform(size=rows) < 1 / (1 + np.exp(1 - seen))).astype(np.float64)
    scores = 1 / (1 + np.exp(1 - seen - noise * random.normal(size=rows)))
    return Sample(labels, scores, random.integers(0, days, rows))


def _rows(spec: TableSpec, day: date, count: int, random: np.random.Generator) -> pa.Table:
    """A day's rows: the same keys in both tables, every value from chance."""
    made: dict[str, pa.Array] = {}
    for name, kind in spec.columns.items():
        if kind == "date":
            made[name] = pa.repeat(pa.scalar(day, pa.date32()), count)
        elif name == "flight":
            made[name] = pa.array(np.arange(count))
        elif name in spec.key:
            made[name] = pa.repeat(pa.scalar("AA"), count)
        elif kind in {"string", "category"}:
            made[name] = pa.array(np.array(["EWR", "JFK", "LGA"])[random.integers(0, 3, count)])
        else:
            made[name] = pa.array(random.normal(0, 30, count)).cast(spec.schema.field(name).type, safe=False)
    return pa.table(made).cast(spec.schema)


def _files(lake: Lake, spec: TableSpec, last: date) -> list[str]:
    return list(data_files(lake, spec, FIRST, last))


def _timed(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started
