"""The lineage of a model: all that is needed to reproduce it."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from threadpoolctl import threadpool_info

from nightshift.training.dataset import Split
from nightshift.training.results import Baseline

# A model's bits depend on these libraries as well as on its rows and its declaration.
LIBRARIES = ("numpy", "pyarrow", "scikit-learn", "scipy", "skops")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Lineage:
    """What a model was trained from.

    Attributes:
        as_of: The date it was trained as of.
        first: The first date of the training period.
        holdout: The first date of the holdout.
        last: The last date of the holdout.
        reason: Why it was trained.
        definition: The hash of the definition's folder.
        snapshots: The snapshot of each table that was read.
        data: The digest of the training rows.
        rows: The number of training rows.
        positives: How many of them are positive; None of another label than a condition.
        seed: The seed.
        revision: The commit of the project's code; `unknown` outside of a repository.
        changed: Whether the code differs from that commit; `unknown` outside of a repository.
        lock: The hash of the locked requirements.
        libraries: The versions of the libraries that compute.
        python: The version of Python.
        machine: The processor's architecture.
        mean: The mean of the training rows' labels where these are numbers.
        median: Their median.
        without: The features that had no value in any training row, which the model does not use.
        rows_from: The first date of the training period that has labelled observations; empty if that is not known.
        labelled: The number of labelled observations of the period, of which `rows` are a sample if there are many.
        unlabelled: The number of observations of the period without a label.
        unmatched: The number of labels of these dates without an observation.
        threads: The number of threads by kind: sums that are computed in parallel depend on it.
        recipes: The digest of each feature's recipe; empty if it was trained before they were recorded.
        label: The digest of the label's recipe.
        labels: The digest of the labels of training rows and holdout; empty if it was trained before it was recorded.
        fitted: The last date of the training period; empty if that is the day before the holdout.
        classes: The number of training rows of each class, by its name; none of another label.
        params: The parameters that the search chose; none without a search.
        refit_of: The MLflow run of the model that the gate judged, if this model was fitted again with its holdout.
    """

    as_of: str
    first: str
    holdout: str
    last: str
    reason: str
    definition: str
    snapshots: Mapping[str, int]
    data: str
    rows: int
    positives: int | None
    seed: int
    revision: str
    changed: str
    lock: str
    libraries: Mapping[str, str]
    python: str
    machine: str
    mean: float | None = None
    median: float | None = None
    without: Sequence[str] = ()
    threads: str = ""
    rows_from: str = ""
    labelled: int = 0
    unlabelled: int = 0
    unmatched: int = 0
    recipes: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    labels: str = ""
    fitted: str = ""
    classes: Mapping[str, int] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    refit_of: str = ""

    @property
    def split(self) -> Split:
        """The dates of the training and of its holdout."""
        first, holdout, last = map(date.fromisoformat, (self.first, self.holdout, self.last))
        fitted = date.fromisoformat(self.fitted) if self.fitted else holdout - timedelta(days=1)
        return Split(first, fitted, holdout, last)

    @property
    def baseline(self) -> Baseline:
        """The constant scores of a model without features."""
        if self.classes:
            return Baseline(shares=tuple(rows / self.rows for rows in self.classes.values()))
        if self.positives is not None:
            return Baseline(self.positives / self.rows, float(2 * self.positives > self.rows))
        assert self.mean is not None and self.median is not None
        return Baseline(self.mean, self.median)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def tags(self) -> dict[str, str]:
        """The values that runs are searched by, as MLflow tags."""
        tags = {
            name: str(getattr(self, name)) for name in ("definition", "data", "revision", "changed", "lock", "seed")
        }
        tags |= {
            "trained_from": self.rows_from or self.first,
            "trained_before": str(self.split.fitted + timedelta(days=1)),
        }
        tags |= {"without": ", ".join(self.without)} if self.without else {}
        return tags | {f"snapshot.{table}": str(snapshot) for table, snapshot in self.snapshots.items()}

    def differences(self, reproduced: Lineage) -> Iterator[str]:
        """The differences between this training and its reproduction, as sentences."""
        original, repeated = self.to_json(), reproduced.to_json()
        for name in (
            "definition",
            "data",
            "rows",
            "positives",
            "seed",
            "revision",
            "changed",
            "lock",
            "python",
            "machine",
        ):
            if original[name] != repeated[name]:
                yield f"{_TITLES.get(name, name)}: {original[name]} then, {repeated[name]} now"
        for name in ("label", "labels"):
            if original[name] and original[name] != repeated[name]:
                yield f"{_TITLES[name]}: {original[name]} then, {repeated[name]} now"
        for name in sorted({*self.libraries, *reproduced.libraries}):
            then, now = self.libraries.get(name), reproduced.libraries.get(name)
            if then != now:
                yield f"{name}: {then} then, {now} now"
        if self.threads and self.threads != reproduced.threads:
            yield f"threads: {self.threads} then, {reproduced.threads} now"
        if UNKNOWN in (self.revision, reproduced.revision):
            yield "the code's revision is not known"
        elif "yes" in (self.changed, reproduced.changed):
            yield "the code was changed without a commit"


_TITLES = {
    "data": "the rows",
    "label": "the label's definition",
    "labels": "the labels",
    "rows": "the number of rows",
    "revision": "the code",
    "changed": "uncommitted changes",
    "lock": "the locked requirements",
}


def rows_digest(rows: pa.Table) -> str:
    """The SHA-256 of rows, by their values and order."""
    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: bytes) -> int:
            digest.update(data)
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    with pa.ipc.new_stream(pa.PythonFile(Sink(), mode="w"), rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return digest.hexdigest()


def labels_digest(rows: pa.Table, holdout: pa.Table, key: tuple[str, ...]) -> str:
    """The SHA-256 of the labels of training rows and of a holdout, with the observations that have them."""
    return rows_digest(pa.concat_tables(table.select(["score_date", *key, "label"]) for table in (rows, holdout)))


def environment(home: Path, libraries: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The code's revision, the locked requirements, and the versions of the libraries that compute.

    Args:
        home: The project's folder.
        libraries: The versions of the libraries that fitted the estimator.
    """
    lock = home / "requirements.txt"
    revision = _git(home, "rev-parse", "HEAD") or UNKNOWN
    changes = _git(home, "status", "--porcelain", "--untracked-files=no")
    return {
        "revision": revision,
        "changed": UNKNOWN if revision == UNKNOWN else "yes" if changes else "no",
        "lock": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else UNKNOWN,
        "libraries": dict(libraries) | {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": ", ".join(sorted(f"{name} {count}" for name, count in _threads().items())),
    }


def _threads() -> dict[str, int]:
    """How many threads the libraries that compute may use, by kind."""
    most: dict[str, int] = {}
    for pool in threadpool_info():
        most[pool["user_api"]] = max(pool["num_threads"], most.get(pool["user_api"], 0))
    return most


def _git(home: Path, *arguments: str) -> str:
    """The output of git in the project's folder; empty without git, or outside of a repository."""
    try:
        process = subprocess.run(
            ["git", "-C", str(home), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return process.stdout.strip()
