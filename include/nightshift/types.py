"""The loop's vocabulary on one screen: the small frozen values that pass between its stages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

Outcome = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Staged:
    """Files a job wrote for one table, not visible to anybody until they are published.

    Attributes:
        table: The table's identifier, such as `scores.flight_delay`.
        attempt: Names the attempt that wrote them; publishing the same attempt twice changes nothing.
        location: The folder, local or URI.
        files: The Parquet files, as URIs.
        rows: How many rows they hold.
        first: The first date they cover.
        last: The last date they cover.
        split: The values of the table's other partition columns, the same in every row.
        inputs: What they were made from: a name (table, source file, model) and its version.
    """

    table: str
    attempt: str
    location: str
    files: tuple[str, ...]
    rows: int
    first: date
    last: date
    inputs: dict[str, str] = field(default_factory=dict)
    split: dict[str, str | int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, for XCom and for the manifest beside the files."""
        return asdict(self) | {"files": list(self.files), "first": str(self.first), "last": str(self.last)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Staged:
        """The inverse of `to_json`."""
        dates = {name: date.fromisoformat(data[name]) for name in ("first", "last")}
        return cls(**data | dates | {"files": tuple(data["files"])})


@dataclass(frozen=True)
class Check:
    """One expectation and what was observed."""

    name: str
    subject: str
    passed: bool
    observed: float | None
    detail: str = ""


@dataclass(frozen=True)
class Measurement:
    """One monitored value, kept every night whether or not it is remarkable.

    Attributes:
        subject: What it is about: a table, a feature, `night`, a model version.
        statistic: What was measured: an expectation's name, `psi`, `roc_auc`, `decision`, …
        value: The number, if it is one.
        threshold: The bound it was held against, if there is one.
        sample_size: How many rows it rests on.
        verdict: `pass`, `warn` or `fail`; for decisions, what was decided.
        detail: A sentence for people.
        model_version: The registry version it concerns, if any.
    """

    subject: str
    statistic: str
    value: float | None = None
    threshold: float | None = None
    sample_size: int | None = None
    verdict: str = "pass"
    detail: str = ""
    model_version: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The judgement of a set of checks over one staged table."""

    table: str
    checks: tuple[Check, ...]
    rows: int

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    @property
    def outcome(self) -> Outcome:
        return "fail" if self.failures else "pass"

    def summary(self) -> str:
        """The verdict as a sentence for people."""
        if not self.failures:
            return f"{self.table}: {len(self.checks)} checks passed on {self.rows} rows"
        listed = "; ".join(f"{check.subject}: {check.detail}" for check in self.failures[:5])
        return f"{self.table}: {len(self.failures)} of {len(self.checks)} checks failed: {listed}"

    def measurements(self) -> list[Measurement]:
        """Every check's observed value, whether or not it passed, as it is kept."""
        return [
            Measurement(
                f"{self.table}: {check.subject}",
                check.name,
                check.observed,
                None,
                self.rows,
                "pass" if check.passed else "fail",
                check.detail,
            )
            for check in self.checks
        ]
