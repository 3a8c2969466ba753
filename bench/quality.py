"""Measurements of the audit."""

from __future__ import annotations

import json
from functools import partial
from statistics import median

import numpy as np

from bench import wide
from bench.jobs import submit
from bench.measure import Run, alternate
from bench.registry import Bench, Figure, measurement
from nightshift.compute.job import Job
from nightshift.errors import DataError
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import stage_parts
from nightshift.settings import PROJECT, Settings

ROWS, FILES, ROUNDS = 3_000_000, 6, 3
WAYS = ("nightshift", "by-hand", "naive")


@measurement("quality.wide")
def wide_night(bench: Bench) -> list[Figure]:
    """The audit of a night of 3 million rows of 25 columns with 45 checks, on Spark.

    Against one aggregation written by hand that counts the same (and one more for the key), and against the same suite
    by one call of Great Expectations' own Spark engine with SUMMARY results (`bench/wide.py`). Each is a job of its
    own, in turn; time is from the end of its session's start-up.
    """
    settings = Settings(home=PROJECT, var=bench.var)
    size = round(ROWS * bench.scale / FILES)
    bench.say("generating rows")
    parts = (wide.rows(number * size, size) for number in range(FILES))
    staged = stage_parts(Lake(settings), wide.SPEC, parts, wide.DAY, wide.DAY, {})
    checks = len(wide.contract().expectations)
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}

    def measured(way: str, number: int) -> float:
        bench.say(f"{way}, {number + 1} of {ROUNDS}")
        job = Job("../bench/wide", ("--way", way, "--staged", staged.location))
        runs[way].append(submit(settings, job, bench.say))
        run = runs[way][-1]
        bench.note(f"{way}: {run.work:.1f} s after {run.seconds - run.work:.1f} s, {run.peak / 2**30:.1f} GiB")
        return run.work

    seconds = {
        way: median(times) for way, times in alternate({way: partial(measured, way) for way in WAYS}, ROUNDS).items()
    }
    _check(runs["nightshift"][-1], runs["by-hand"][-1])
    ours, hand, theirs = (seconds[way] for way in WAYS)
    detail = f"{ours:.1f} s, {checks} checks on {staged.rows:,} rows of {len(wide.SPEC.columns)} columns"
    return [
        Figure(
            "A wide night's audit",
            "at most 2 times an aggregation by hand",
            f"{detail}; by hand {hand:.1f} s",
            f"{ours / hand:.2f} times",
            ours <= 2 * hand,
        ),
        Figure(
            "The same against Great Expectations in one call",
            "at least 2 times as fast",
            f"{ours:.1f} s; in one call {theirs:.1f} s",
            f"{theirs / ours:.2f} times",
            theirs >= 2 * ours,
        ),
    ]


def _check(ours: Run, theirs: Run) -> None:
    """Compares what was counted.

    Raises:
        DataError: If any number differs by more than rounding.
    """
    counted, by_hand = (json.loads(run.lines[-1]) for run in (ours, theirs))
    if len(counted) != len(by_hand) or not np.allclose(counted, by_hand):
        raise DataError("counts differ", received=str(counted), allowed=str(by_hand))
