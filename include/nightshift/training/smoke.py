"""The smoke test of a stored model: it is loaded, and scores rows, in a process that saw nothing of its training."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from pyarrow import feather

from nightshift.errors import first_line, shown
from nightshift.processes import kill_group, start_group
from nightshift.registry.package import load_package
from nightshift.training.bootstrap import Vector
from nightshift.training.results import Stored

ROWS, ROUNDS = 10_000, 3
LIMIT = 600.0  # seconds
# A sum may be taken in another order where another number of rows is scored at once.
SAME = 1e-9
PACKAGE, GIVEN, SCORES, SECONDS = "package", "rows.arrow", "scores.npy", "seconds.npy"
MIB = 2**20


def try_stored(files: Mapping[str, bytes], digest: str, rows: pa.Table, scores: Vector, limit: float = LIMIT) -> Stored:
    """Loads a stored package in a clean process, scores some rows there and compares.

    Args:
        files: The package as it is stored.
        digest: What it was registered with.
        rows: Features of the holdout.
        scores: The scores of these rows that the gate judges.
        limit: The seconds it is given.
    """
    chosen = np.unique(np.linspace(0, rows.num_rows - 1, min(ROWS, rows.num_rows)).astype(np.int64))
    size = sum(map(len, files.values())) / MIB
    with tempfile.TemporaryDirectory(prefix="nightshift-smoke-") as made:
        folder = Path(made)
        (folder / PACKAGE).mkdir()
        for name, content in files.items():
            (folder / PACKAGE / name).write_bytes(content)
        feather.write_feather(rows.take(chosen), folder / GIVEN)
        if problem := _run(folder, digest, limit):
            return Stored(size, len(chosen), None, problem)
        found, seconds = np.load(folder / SCORES), float(np.load(folder / SECONDS))
    different = int((~np.isclose(found, scores[chosen], rtol=SAME, atol=SAME, equal_nan=True)).sum())
    problem = f"in a process of its own it scored {different} of {len(chosen)} rows otherwise" if different else ""
    return Stored(size, len(chosen), len(chosen) / seconds, problem)


def _run(folder: Path, digest: str, limit: float) -> str:
    """Runs this module's `main`; what went wrong, if anything did."""
    library = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", __name__, str(folder), digest]
    process = start_group(command, os.environ | {"PYTHONPATH": path})
    try:
        said, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return f"in a process of its own it had not scored after {limit:g} s"
    finally:
        kill_group(process)
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return f"in a process of its own it could not score: {shown(last)}" if process.returncode else ""


def main(folder: Path, digest: str) -> None:
    """What the clean process does: load, score, and leave the scores and the seconds a round took."""
    package = load_package({file.name: file.read_bytes() for file in (folder / PACKAGE).iterdir()}, digest)
    rows = feather.read_table(folder / GIVEN)
    np.save(folder / SCORES, package.score(rows))
    seconds = []
    for _ in range(ROUNDS):
        started = perf_counter()
        package.score(rows)
        seconds.append(perf_counter() - started)
    np.save(folder / SECONDS, min(seconds))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {first_line(error)}")
