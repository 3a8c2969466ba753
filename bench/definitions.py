"""Measurements of what many models cost before any night begins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.registry import Bench, Figure, measurement
from nightshift.settings import PROJECT

MODELS, FEW, ROUNDS, EXAMPLE = 100, 10, 5, "flight_delay"


@measurement("definitions.parse")
def parse(bench: Bench) -> list[Figure]:
    """The DAGs of 100 and of 10 definitions of the example's size, built by a fork of the process with their bundle.

    Time is CPU seconds of the fork (`bench/parse_models.py`): without anything remembered, as after an upgrade of
    Nightshift, and then again with nothing changed. Airflow's DAG processor has a fork for each file, which costs more
    than the parsing: that is told beside it, without the processor's own work.
    """
    many = round(MODELS * bench.scale)
    first, again, forks = _parse(bench, many)
    few_first, few_again, few_forks = _parse(bench, min(FEW, many))
    per_model, per_few = median(again) / many, median(few_again) / min(FEW, many)
    for count, start, rounds, each in ((many, first, again, forks), (min(FEW, many), few_first, few_again, few_forks)):
        times = ", ".join(f"{seconds:.2f}" for seconds in rounds)
        bench.note(f"{count} models: first {start:.2f} s, then {times} s; with a fork each {each:.2f} s")
    return [
        Figure(
            f"Parsing {many} unchanged definitions",
            "at most 2 CPU s",
            f"{median(again):.2f} CPU s; the first time {first:.1f} CPU s; with a fork for each {forks:.1f} CPU s",
            f"{median(again):.2f} s",
            median(again) <= 2,
        ),
        Figure(
            "The same, for a model of many and of few",
            "at most 1.2 times",
            f"{1000 * per_model:.1f} ms of {many}, {1000 * per_few:.1f} ms of {min(FEW, many)}",
            f"{per_model / per_few:.2f} times",
            per_model <= 1.2 * per_few,
        ),
    ]


def _parse(bench: Bench, count: int) -> tuple[float, list[float], float]:
    """CPU seconds of so many models for the first time, of each round afterwards, and of one with a fork for each."""
    folder = bench.var / str(count)
    names = _copies(folder / "models", count)
    shutil.copytree(PROJECT / "include" / "sources", folder / "sources")
    bench.say(f"parsing {count} models, {ROUNDS + 1} times")
    environment = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONFIG": str(PROJECT / "airflow.cfg"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "NIGHTSHIFT_HOME": str(PROJECT),
        "NIGHTSHIFT_VAR": str(folder / "var"),
        "NIGHTSHIFT_MODELS_FOLDER": str(folder / "models"),
        "NIGHTSHIFT_SOURCES_FOLDER": str(folder / "sources"),
    }
    command = [sys.executable, "-m", "bench.parse_models", str(ROUNDS + 1), *names]
    ended = subprocess.run(
        command, env=os.environ | environment, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True
    )
    first, *again, forks = json.loads(ended.stdout.splitlines()[-1])
    return first, again, forks


def _copies(models: Path, count: int) -> Sequence[str]:
    """So many copies of the example, each under a name of its own."""
    names = [f"{EXAMPLE}_{number}" for number in range(count)]
    for name in names:
        shutil.copytree(PROJECT / "include" / "models" / EXAMPLE, models / name)
        file = models / name / "model.yaml"
        file.write_text(file.read_text().replace(f"name: {EXAMPLE}\n", f"name: {name}\n", 1))
    return names
