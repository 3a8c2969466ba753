"""The loop's vocabulary: the small frozen values that pass between its stages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

Outcome = Literal["pass", "warn", "fail"]

# Among the inputs of a staged set that could not be computed: the reason.
PROBLEM = "problem"


@dataclass(frozen=True)
class Staged:
    """Files that a job wrote for one table; no reader sees them until they are published.

    Attributes:
        table: The table's identifier, such as `scores.flight_delay`.
        attempt: The attempt that wrote them; publishing the same attempt twice changes nothing.
        location: The folder, local or URI.
        files: The Parquet files, as URIs.
        rows: How many rows they hold.
        first: The first date they cover.
        last: The last date they cover.
        split: The values of the table's other partition columns, the same in every row.
        inputs: The version of each input by its name: a table, a source file, a model.
        without_rows: The dates whose source files were there and have no rows.
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
    without_rows: tuple[date, ...] = ()

    @property
    def dates(self) -> str:
        """The dates they cover, for people."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, for XCom and for the manifest beside the files."""
        dates = {"first": str(self.first), "last": str(self.last), "without_rows": list(map(str, self.without_rows))}
        return asdict(self) | {"files": list(self.files)} | dates

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Staged:
        """The inverse of `to_json`."""
        dates = {name: date.fromisoformat(data[name]) for name in ("first", "last")}
        without_rows = tuple(map(date.fromisoformat, data.get("without_rows", ())))
        return cls(**data | dates | {"files": tuple(data["files"]), "without_rows": without_rows})


@dataclass(frozen=True)
class Check:
    """An expectation and its observed value.

    Attributes:
        name: The expectation.
        subject: The column or columns, or `rows`.
        passed: Whether it holds.
        observed: The number of values or rows that break it, or the measured value: a count, a mean, a distance. None
            if it could not be checked, or there was nothing to measure.
        detail: The values that broke it, as a sentence; empty if it holds.
        severity: The consequence where it does not hold: `fail`, `quarantine` or `warn`.
    """

    name: str
    subject: str
    passed: bool
    observed: float | None
    detail: str = ""
    severity: str = "fail"

    @property
    def outcome(self) -> Outcome:
        if self.passed:
            return "pass"
        return "fail" if self.severity == "fail" else "warn"


@dataclass(frozen=True)
class Measurement:
    """One monitored value, recorded every night whether or not it is remarkable.

    Attributes:
        subject: The table, feature, night or model version that was measured.
        statistic: What was measured: an expectation's name, `psi`, `roc_auc`, `decision`, …
        value: The number, if it is one.
        threshold: The bound it was compared with, if there is one.
        sample_size: The number of rows it was measured on.
        verdict: `pass`, `warn` or `fail`; for decisions, the action.
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
    """The judgement of a set of checks over one staged table.

    Attributes:
        table: The table.
        checks: Every check with what was observed.
        rows: How many rows were checked.
        dates: The dates of the rows, for people.
        quarantined: How many of the rows were set aside.
    """

    table: str
    checks: tuple[Check, ...]
    rows: int
    dates: str = ""
    quarantined: int = 0

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    @property
    def outcome(self) -> Outcome:
        outcomes = {check.outcome for check in self.checks}
        return "fail" if "fail" in outcomes else "warn" if "warn" in outcomes else "pass"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        return cls(**data | {"checks": tuple(Check(**check) for check in data["checks"])})

    def summary(self) -> str:
        """The verdict as one line for people: failed checks first, then warnings."""
        subject = f"{self.table} {self.dates}".rstrip()
        if not self.failures:
            return f"{subject}: {len(self.checks)} checks passed on {self.rows} rows"
        stopping = [check for check in self.failures if check.outcome == "fail"]
        warnings = [check for check in self.failures if check.outcome == "warn"]
        details = [check.detail for check in (*stopping, *warnings)]
        omitted = f"; and {len(details) - 5} more" if len(details) > 5 else ""
        removed = f"; {self.quarantined} rows set aside" if not stopping and self.quarantined else ""
        warned = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}"
        if stopping:
            count = f"{len(stopping)} of {len(self.checks)} checks failed" + (f", {warned}" if warnings else "")
        else:
            count = f"{warned} in {len(self.checks)} checks"
        return f"{subject}: {count}: {'; '.join(details[:5])}{omitted}{removed}"

    def measurements(self, *, dated: bool = False) -> list[Measurement]:
        """Every check's observed value, whether or not it passed, as it is recorded.

        Args:
            dated: Name the dates too: there is another verdict on the same table.
        """
        table = f"{self.table} of {self.dates}" if dated else self.table
        return [
            Measurement(
                f"{table}: {check.subject}",
                check.name,
                check.observed,
                None,
                self.rows,
                check.outcome,
                check.detail,
            )
            for check in self.checks
        ]
