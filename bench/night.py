"""Measurements of large nights from the landed file to their outcomes."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import Run, run
from bench.night_stage import LOADED, STAGES
from bench.readings import NIGHT, PART, generate_readings, readings_project, register_champion
from bench.registry import Bench, Figure, measurement
from nightshift.project import Project

SMALL, LARGE = 1_000_000, 50_000_000
GIB, MOST = 2**30, 3  # GiB of a process


@measurement("night.scale")
def scale(bench: Bench) -> list[Figure]:
    """A night of 1 and of 50 million rows of 25 columns, from the landed Parquet files to its outcomes and its page.

    Each stage is a process of its own, as a task is, from the end of its imports, with the jobs that it submits:
    reading, audit and publication of the readings and of the labels, of the features, and of the scores; drift,
    estimate, outcomes, decision, page.
    """
    figures, per_row = [], 0.0
    for rows in (SMALL, LARGE):
        rows, folder = round(rows * bench.scale), bench.var / str(rows)
        project = readings_project(folder)
        bench.say(f"landing {rows:,} readings")
        land(project, rows)
        register_champion(project)
        runs = {}
        for stage in STAGES:
            bench.say(f"{rows:,} rows: {stage}")
            runs[stage] = run([sys.executable, "-m", "bench.night_stage", str(folder), stage], marker=LOADED)
            bench.note(f"{rows:,} rows, {stage}: {_result(runs[stage])}")
        seconds = sum(measured.work for measured in runs.values())
        slowest, largest = max(runs, key=lambda s: runs[s].work), max(runs, key=lambda s: runs[s].largest)
        peak = runs[largest].largest / GIB
        result = f"{seconds:.0f} s, most of them {slowest} ({runs[slowest].work:.0f} s); {peak:.2f} GiB in {largest}"
        grows = "" if not per_row else f"{seconds / rows / per_row:.2f} times the time of a row; "
        met = peak <= MOST and (not per_row or seconds / rows <= per_row)
        bar = f"at most {MOST} GiB a process; time grows no faster than rows"
        figures.append(Figure(f"A night of {rows:,} rows", bar, result, f"{grows}{peak:.2f} GiB", met))
        per_row = seconds / rows
    return figures


def _result(measured: Run) -> str:
    return f"{measured.work:.1f} s, {measured.largest / GIB:.2f} GiB"


def land(project: Project, rows: int, night: date = NIGHT) -> None:
    """Lands a night of readings and its labels, of which a fifth are failures."""
    names = {f"reading_{place:02}": f"sensor_{place:02}" for place in range(24)}
    readings, failures = (_landed(project, f"{name}/{night}.parquet") for name in ("readings", "failures"))
    writers: list[pq.ParquetWriter] = []
    for number, first in enumerate(range(0, rows, PART)):
        part = generate_readings(project, min(PART, rows - first), number).drop_columns("score_date")
        part = part.rename_columns([names.get(name, name) for name in part.column_names])
        failed = np.random.default_rng(number).random(part.num_rows) < 0.2
        tables = part, pa.table({"machine": part["machine"], "failed": failed})
        if not writers:
            paths = readings, failures
            writers = [pq.ParquetWriter(path, table.schema) for path, table in zip(paths, tables, strict=True)]
        for writer, table in zip(writers, tables, strict=True):
            writer.write_table(table)
    for writer in writers:
        writer.close()


def _landed(project: Project, path: str) -> Path:
    file = Path(project.settings.landing_uri) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
