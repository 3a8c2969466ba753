"""Measurements of training and its gate."""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from bench.measure import Run, alternate, run
from bench.registry import Bench, Figure, measurement
from bench.stage import FITTED, MODEL, READ, TRAINED, WEIGHED
from nightshift.definition.calendar import date_range, newest_labelled
from nightshift.definition.gate import RESAMPLES
from nightshift.definition.metrics import Metric
from nightshift.definition.prediction import PROBABILITY
from nightshift.lake.catalog import Lake
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.read import data_files
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.training.bootstrap import Sample, draw_days, estimate
from nightshift.training.dataset import pin_snapshots, read_labelled, split_dates
from nightshift.training.fit import fit

FIRST, DAYS, ROWS, ROUNDS = date(2013, 1, 1), 300, 300_000, 7
SCORED, BAR = 100_000, 5.0
FIT, OVERHEAD, TRIED = 60.0, 0.2, 100  # seconds, their share, and the rounds of boosting that tell how many make them


@measurement("training.read")
def read(bench: Bench) -> list[Figure]:
    """A training set of 300,000 rows with the example's features and their labels, at pinned snapshots.

    Against PyArrow's own reading of the same files, features and labels, without joining them.
    """
    project = Project("flight_delay", Settings(home=PROJECT, var=bench.var))
    features, labels = features_table(project.definition), raw_table(project.definition, "arrivals")
    size, last = round(ROWS * bench.scale / DAYS), FIRST + timedelta(days=DAYS - 1)
    bench.say("generating rows")
    _history(project, size, last)
    snapshots = pin_snapshots(project.lake, project.definition)
    files = [local_path(file) for spec in (features, labels) for file in _files(project.lake, spec, last)]

    def ours(_: int) -> float:
        return _timed(lambda: read_labelled(project.lake, project.definition, FIRST, last, snapshots))

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


@measurement("training.overhead")
def overhead(bench: Bench) -> list[Figure]:
    """What a training of 300,000 rows of the example takes beside learning and judging: orchestration and logging.

    The stages train and register, each a process of its own as a task of Airflow is, which has what the scheduler
    imported (`NIGHTSHIFT_PRELOAD`): snapshots, encoding, the reference and its thresholds, storing the model, MLflow,
    the registry; without reading the rows, which has a figure of its own, the estimator's own fit and the permutation
    importances. These and the gate are told beside it, and what both stages spend on imports where nothing is
    preloaded. Trees have 127 leaves and are as many as take about 60 s to fit. Storing takes about 2 ms a tree, of any
    size: 2,700 trees of 31 leaves, which take as long to fit, came to 24%.
    """
    models = bench.var / "models"
    shutil.copytree(PROJECT / "include" / "models" / MODEL, models / MODEL)
    shutil.copytree(PROJECT / "include" / "sources", bench.var / "sources")
    project = _loop(bench, TRIED)
    last = FIRST + timedelta(days=DAYS - 1)
    bench.say("generating rows")
    _history(project, round(ROWS * bench.scale / DAYS), last)
    as_of = next(
        day for day in date_range(last, last + timedelta(days=9)) if newest_labelled(project.definition, day) == last
    )
    first = split_dates(project.definition, as_of)
    bench.say("trying how long a fit takes")
    rows = read_labelled(
        project.lake, project.definition, first.first, first.holdout - timedelta(days=1), _pinned(project)
    )
    _loop(bench, _rounds(bench, rows))
    project.registry.champion()  # the first look creates MLflow's store

    def staged(stage: str, *given: str) -> Run:
        command = [sys.executable, "-m", "bench.stage", str(bench.var), str(models), str(as_of), stage, *given]
        return run(command, say=lambda line: bench.say(f"{stage}: {line}"))

    trained = staged("train")
    [told] = _said(trained, TRAINED)
    given = told.split()
    gate, registered = staged("gate", *given), staged("register", *given)
    read, fitted, weighed = (sum(map(float, _said(trained, what))) for what in (READ, FITTED, WEIGHED))
    beside = trained.work - read - fitted - weighed
    total = beside + registered.work
    imports = sum(stage.seconds - stage.work for stage in (trained, registered))
    result = (
        f"{total:.1f} s (train {beside:.1f} s, register {registered.work:.1f} s); fit {fitted:.1f} s, "
        f"read {read:.1f} s, importances {weighed:.1f} s, gate {gate.work:.1f} s, imports {imports:.1f} s"
    )
    what = f"Orchestration and logging of a training of {rows.num_rows:,} rows"
    bar = f"at most {OVERHEAD:.0%} of its fit"
    return [Figure(what, bar, result, f"{total / fitted:.0%}", total <= OVERHEAD * fitted)]


def _rounds(bench: Bench, rows: pa.Table) -> int:
    """How many rounds of boosting take about as long as they should; later rounds are shorter than earlier ones."""

    def seconds(rounds: int) -> float:
        definition = _loop(bench, rounds).definition
        return _timed(lambda: fit(definition, rows))

    seconds(1)  # loads what a fit needs
    aim, few = FIT * bench.scale, seconds(TRIED)
    more = max(2 * TRIED, round(TRIED * aim / few / 2))
    slowly = seconds(more)
    return max(1, more + round((aim - slowly) * (more - TRIED) / (slowly - few)))


def _loop(bench: Bench, rounds: int) -> Project:
    """The example in a folder of its own, boosted in so many rounds."""
    file, yaml = bench.var / "models" / MODEL / "model.yaml", YAML()
    tree = yaml.load(file)
    # Nothing ends a tree early, so that every round takes as long.
    steady = {"early_stopping": False, "max_leaf_nodes": 127, "min_samples_leaf": 20, "l2_regularization": 0.0}
    tree["training"]["estimator"]["params"] |= {"max_iter": rounds, **steady}
    yaml.dump(tree, file)
    return Project(MODEL, Settings(home=PROJECT, var=bench.var, models_folder=bench.var / "models"))


def _pinned(project: Project) -> dict[str, int]:
    return pin_snapshots(project.lake, project.definition)


def _said(done: Run, what: str) -> list[str]:
    """The ends of the lines that begin with some words."""
    return [line.removeprefix(what) for line in done.lines if line.startswith(what)]


def _history(project: Project, size: int, last: date) -> None:
    """Publishes features and outcomes, so many rows a day; outcomes depend on a feature."""
    features, labels = features_table(project.definition), raw_table(project.definition, "arrivals")
    random = np.random.default_rng(1)
    parts = [some_rows(features, day, size, random) for day in date_range(FIRST, last)]
    numbers = [name for name, kind in project.definition.feature_types.items() if kind == "number"]
    outcomes = [some_rows(labels, part["score_date"][0].as_py(), size, random) for part in parts]
    delays = [pc.add(made["arr_delay"], part[numbers[0]]) for made, part in zip(outcomes, parts, strict=True)]
    place = labels.schema.get_field_index("arr_delay")
    outcomes = [
        made.set_column(place, labels.schema.field(place), delay.cast(labels.schema.field(place).type))
        for made, delay in zip(outcomes, delays, strict=True)
    ]
    for spec, made in ((features, parts), (labels, outcomes)):
        publish(project.lake, spec, stage_arrow(project.lake, spec, pa.concat_tables(made), FIRST, last, {}))


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
    for metric in PROBABILITY.metrics.names:
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


def some_rows(spec: TableSpec, day: date, count: int, random: np.random.Generator) -> pa.Table:
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
