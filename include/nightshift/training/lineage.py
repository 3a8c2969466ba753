"""What a model was made from: everything that is needed to make it again."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
from threadpoolctl import threadpool_info

from nightshift.training.results import Baseline

# What decides the bits of a model beside its rows and its declaration.
LIBRARIES = ("numpy", "pyarrow", "scikit-learn", "scipy", "skops")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Lineage:
    """What a model was made from.

    Attributes:
        as_of: The date it was trained as of.
        first: The first date it learned from.
        holdout: The first date it was judged on; it learned from those before.
        last: The last date it was judged on.
        reason: Why it was trained.
        definition: The hash of the definition's folder.
        snapshots: The snapshot of each table that was read.
        data: The digest of the rows it learned from.
        rows: Their number.
        positives: How many of them are positive; None where the label is a number.
        seed: The seed.
        revision: The commit of the project's code; `unknown` outside of a repository.
        changed: Whether the code differs from that commit; `unknown` outside of a repository.
        lock: The hash of the locked requirements.
        libraries: The versions of what computes.
        python: The version of Python.
        machine: The processor's architecture.
        mean: The mean of their labels where these are numbers.
        median: The median of the same.
        without: The features that had no value in any of them, which the model does not know.
        threads: How many threads computed, by what they are for: sums that are made in parallel depend on it.
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

    @property
    def baseline(self) -> Baseline:
        """The constant scores of a model without features."""
        if self.positives is not None:
            return Baseline(self.positives / self.rows, float(2 * self.positives > self.rows))
        assert self.mean is not None and self.median is not None
        return Baseline(self.mean, self.median)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def tags(self) -> dict[str, str]:
        """What of it is worth a search: MLflow's tags."""
        told = {
            name: str(getattr(self, name)) for name in ("definition", "data", "revision", "changed", "lock", "seed")
        }
        told |= {"trained_from": self.first, "trained_before": self.holdout}
        told |= {"without": ", ".join(self.without)} if self.without else {}
        return told | {f"snapshot.{table}": str(snapshot) for table, snapshot in self.snapshots.items()}

    def differences(self, other: Lineage) -> Iterator[str]:
        """What differs between this and another making of the same model, as sentences."""
        mine, theirs = self.to_json(), other.to_json()
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
            if mine[name] != theirs[name]:
                yield f"{_WORDS.get(name, name)}: {mine[name]} then, {theirs[name]} now"
        for name in sorted({*self.libraries, *other.libraries}):
            then, now = self.libraries.get(name), other.libraries.get(name)
            if then != now:
                yield f"{name}: {then} then, {now} now"
        if self.threads and self.threads != other.threads:
            yield f"threads: {self.threads} then, {other.threads} now"
        if UNKNOWN in (self.revision, other.revision):
            yield "the code's revision is not known"
        elif "yes" in (self.changed, other.changed):
            yield "the code was changed without a commit"


_WORDS = {
    "data": "the rows",
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


def environment(home: Path) -> dict[str, Any]:
    """The code's revision, the locked requirements, and the versions of what computes."""
    lock = home / "requirements.txt"
    revision = _git(home, "rev-parse", "HEAD") or UNKNOWN
    changes = _git(home, "status", "--porcelain", "--untracked-files=no")
    return {
        "revision": revision,
        "changed": UNKNOWN if revision == UNKNOWN else "yes" if changes else "no",
        "lock": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else UNKNOWN,
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": ", ".join(sorted(f"{name} {count}" for name, count in _threads().items())),
    }


def _threads() -> dict[str, int]:
    """How many threads the libraries that compute may use, by what they are for."""
    most: dict[str, int] = {}
    for one in threadpool_info():
        most[one["user_api"]] = max(one["num_threads"], most.get(one["user_api"], 0))
    return most


def _git(home: Path, *arguments: str) -> str:
    """What git says of the project's folder; nothing without git, or outside of a repository."""
    try:
        told = subprocess.run(
            ["git", "-C", str(home), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
