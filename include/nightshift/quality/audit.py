"""Audits staged rows against a contract: every check with what was observed, and the rows to set aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa

from nightshift.errors import shown
from nightshift.lake.tables import QUARANTINE_COLUMNS
from nightshift.quality.expectation import NOT_NULL, Contract, ExpectationSpec
from nightshift.quality.messages import Row, plain, reason, sentence
from nightshift.quality.staged_rows import InProcessRows
from nightshift.quality.suite import Batches, ExpectationResult, validate
from nightshift.types import Check, Verdict


class Rows(Batches, Protocol):
    """A staged set that can be checked and split."""

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The rows with these numbers, in their order."""

    def without(self, numbers: Sequence[int]) -> Iterable[pa.Table]:
        """The other rows, in parts."""


@dataclass(frozen=True)
class Audit:
    """What an audit came to.

    Attributes:
        verdict: Every check with what was observed.
        findings: The same as Great Expectations tells it.
        aside: The rows to set aside, each with the first rule it breaks, that column and its value, and every reason.
        broken: The numbers of those rows.
    """

    verdict: Verdict
    findings: tuple[ExpectationResult, ...]
    aside: pa.Table
    broken: tuple[int, ...]


def audit(contract: Contract, rows: Rows, dates: str = "", run_id: str = "", before: Sequence[Check] = ()) -> Audit:
    """Checks every expectation of a contract; all of them, not only up to the first that fails.

    Args:
        contract: What must hold.
        rows: The staged rows.
        dates: The dates they are of, for people.
        run_id: The run, which rows that are set aside name.
        before: What was checked without looking at rows.
    """
    findings = validate(contract, rows)
    checks = [*before, *(_check(contract, rows, finding) for finding in findings)]
    broken = tuple(sorted({number for finding in findings for number in finding.broken}))
    too_many = max([len(broken), *(_count(one) for one in findings if _sets_aside(one))])
    if too_many > contract.quarantine_limit(rows.rows):
        why = f"{too_many} of {rows.rows} rows would be set aside, at most {contract.share:.2%} may be"
        checks = [_too_many(check, why) for check in checks]
    aside = _told(contract, rows.take(broken), broken, findings, run_id)
    verdict = Verdict(contract.table, tuple(checks), rows.rows, dates, len(broken))
    return Audit(verdict, tuple(findings), aside, broken)


def audit_table(contract: Contract, rows: pa.Table) -> Audit:
    """Audits rows that are at hand."""
    return audit(contract, InProcessRows(rows, contract.computed))


def _check(contract: Contract, rows: Rows, finding: ExpectationResult) -> Check:
    expectation = finding.expectation
    kind, subject, severity = expectation.kind, expectation.subject, expectation.severity
    if finding.problem is not None:
        return Check(kind, subject, False, None, f"{subject} could not be checked: {shown(finding.problem)}", "fail")
    found = finding.result.result or {}
    observed = plain(found.get("observed_value"))
    if observed is None and ("unexpected_count" in found or "observed_value" not in found):
        observed = _count(finding)
    number = float(observed) if isinstance(observed, int | float) else None
    detail = "" if finding.passed else sentence(expectation, found, _example(contract, rows, finding))
    return Check(kind, subject, finding.passed, number, detail, severity)


def _example(contract: Contract, rows: Rows, finding: ExpectationResult) -> Row | None:
    """Of a rule the first row that breaks it, as far as the rule looks at it."""
    if finding.example is None:
        return None
    columns = contract.computed[_column(finding.expectation)].columns
    return dict(rows.take([finding.example]).select(columns).to_pylist()[0])


def _too_many(check: Check, why: str) -> Check:
    """A check whose rows are too many to be set aside: the night fails."""
    if check.passed or check.severity != "quarantine":
        return check
    return replace(check, severity="fail", detail=f"{check.detail} ({why})")


def _told(
    contract: Contract, taken: pa.Table, numbers: Sequence[int], findings: Sequence[ExpectationResult], run_id: str
) -> pa.Table:
    """The rows that are set aside, as rows of the quarantine."""
    reasons: dict[int, list[tuple[ExpectationSpec, Row]]] = {number: [] for number in numbers}
    rows = dict(zip(numbers, taken.to_pylist(), strict=True))
    for finding in findings:
        expectation = finding.expectation
        columns = contract.computed[_column(expectation)].columns if expectation.computed else (expectation.subject,)
        for number in finding.broken:
            reasons[number].append((expectation, {name: rows[number][name] for name in columns}))
    told = []
    for broken in reasons.values():
        first, row = broken[0]
        value = None if first.computed or first.kind == NOT_NULL else str(row[first.subject])
        why = "; ".join(reason(expectation, seen) for expectation, seen in broken)
        told.append((first.kind, first.subject, value, why, run_id))
    for place, name in enumerate(QUARANTINE_COLUMNS):
        taken = taken.append_column(name, pa.array([one[place] for one in told], pa.string()))
    return taken


def _sets_aside(finding: ExpectationResult) -> bool:
    return finding.expectation.severity == "quarantine" and not finding.passed and finding.problem is None


def _count(finding: ExpectationResult) -> int:
    return int((finding.result.result or {}).get("unexpected_count") or 0)


def _column(expectation: ExpectationSpec) -> Any:
    return dict(expectation.arguments)["column"]
