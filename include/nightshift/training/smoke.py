"""The smoke test of a stored model: it is loaded and scores rows in a new process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from pyarrow import feather

from nightshift.errors import DataError, TransientError, first_line, shown
from nightshift.processes import kill_group, start_group
from nightshift.registry.package import load_package
from nightshift.training.bootstrap import Vector
from nightshift.training.results import SmokeResult

ROWS, ROUNDS = 10_000, 3
KILLED = (signal.SIGKILL, signal.SIGTERM)
LIMIT = 600.0  # seconds
# The order of a sum may depend on the number of rows that are scored at once.
TOLERANCE = 1e-9
PACKAGE, ROWS_FILE, UNMET_FILE = "package", "rows.arrow", "unmet.arrow"
SCORES, SECONDS = "scores.npy", "seconds.npy"
TREE_SUMS = "tree_sums"
MIB = 2**20


def smoke_test(
    files: Mapping[str, bytes],
    digest: str,
    rows: pa.Table,
    scores: Vector,
    unmet: pa.Table | None = None,
    tree_sums: bool = True,
    limit: float = LIMIT,
) -> SmokeResult:
    """Loads a stored package in a new process, scores rows there and compares the scores.

    Rows with values that the model has not met have to get a score, whatever it is; and the sums of `TreeSums` have to
    be those of the estimator.

    Args:
        files: The files of the stored package.
        digest: The digest of the package.
        rows: The features of the holdout.
        scores: The scores of these rows that the gate judges.
        unmet: Rows with missing values and categories that the training rows do not have.
        tree_sums: Whether nights are scored by `TreeSums`.
        limit: The time limit in seconds.

    Raises:
        TransientError: If the process was killed.
    """
    chosen = np.unique(np.linspace(0, rows.num_rows - 1, min(ROWS, rows.num_rows)).astype(np.int64))
    size = sum(map(len, files.values())) / MIB
    with tempfile.TemporaryDirectory(prefix="nightshift-smoke-") as path:
        folder = Path(path)
        (folder / PACKAGE).mkdir()
        for name, content in files.items():
            (folder / PACKAGE / name).write_bytes(content)
        feather.write_feather(rows.take(chosen), folder / ROWS_FILE)
        if unmet is not None:
            feather.write_feather(unmet, folder / UNMET_FILE)
        if problem := _run(folder, digest, tree_sums, limit):
            return SmokeResult(size, len(chosen), None, problem)
        reproduced, seconds = np.load(folder / SCORES), float(np.load(folder / SECONDS))
    close = np.isclose(reproduced, scores[chosen], rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    different = int((~np.reshape(close, (len(chosen), -1)).all(axis=1)).sum())
    problem = f"in a process of its own it scored {different} of {len(chosen)} rows differently" if different else ""
    return SmokeResult(size, len(chosen), len(chosen) / seconds, problem)


def _run(folder: Path, digest: str, tree_sums: bool, limit: float) -> str:
    """Runs this module's `main`; returns the problem in words, empty if there is none."""
    library = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", __name__, str(folder), digest, *([TREE_SUMS] if tree_sums else [])]
    process = start_group(command, os.environ | {"PYTHONPATH": path})
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return f"in a process of its own it had not finished scoring after {limit:g} s"
    finally:
        kill_group(process)
    if (
        -process.returncode in KILLED
    ):  # from outside, as by the kernel for want of memory: that says nothing of the model
        raise TransientError(
            "the process that tries out the stored model was killed",
            fix="look in the system's log whether memory ran out, then run this again",
        )
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
    return f"in a process of its own it could not score: {shown(last)}" if process.returncode else ""


def main(folder: Path, digest: str, tree_sums: bool) -> None:
    """Loads the package, scores the rows, and saves the scores and the seconds of the fastest round."""
    files = {file.name: file.read_bytes() for file in (folder / PACKAGE).iterdir()}
    package = load_package(files, digest, tree_sums)
    rows = feather.read_table(folder / ROWS_FILE)
    scores = package.score(rows)
    np.save(folder / SCORES, scores)
    if tree_sums and scores.tobytes() != load_package(files, digest, tree_sums=False).score(rows).tobytes():
        raise DataError("the trees' sums are not those of scikit-learn", fix="set NIGHTSHIFT_TREE_SUMS=false")
    if (folder / UNMET_FILE).exists():
        unmet = package.score(feather.read_table(folder / UNMET_FILE))
        if np.isfinite(scores).all() and not np.isfinite(unmet).all():
            raise DataError("missing values and categories it has not met have no finite score", received=unmet)
    seconds = []
    for _ in range(ROUNDS):
        started = perf_counter()
        package.score(rows)
        seconds.append(perf_counter() - started)
    np.save(folder / SECONDS, min(seconds))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], TREE_SUMS in sys.argv[3:])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {first_line(error)}")
