"""Audits staged rows against a contract: a check with an observed value for every expectation, and the broken rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from nightshift.errors import shown
from nightshift.lake.tables import QUARANTINE_COLUMNS
from nightshift.quality.expectation import NOT_NULL, Contract, ExpectationSpec
from nightshift.quality.messages import Row, failure_message, plain_value, row_reason
from nightshift.quality.staged_rows import InProcessRows, StagedRows
from nightshift.quality.suite import ExpectationResult, run_expectations
from nightshift.types import Check, Verdict


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit.

    Attributes:
        verdict: Every check with its observed value.
        results: The results of Great Expectations, in the same order.
        quarantined: The rows for the quarantine, each with the first rule it breaks, that column and its value, and
            all reasons.
        broken_rows: The numbers of these rows.
    """

    verdict: Verdict
    results: tuple[ExpectationResult, ...]
    quarantined: pa.Table
    broken_rows: tuple[int, ...]


def audit(
    contract: Contract, rows: StagedRows, dates: str = "", run_id: str = "", file_checks: Sequence[Check] = ()
) -> Audit:
    """Checks every expectation of a contract; it does not stop at the first that fails.

    Args:
        contract: The contract.
        rows: The staged rows.
        dates: Their dates, for people.
        run_id: The run, which is written into quarantined rows.
        file_checks: Checks of the landed files, which come first in the verdict.
    """
    results = run_expectations(contract, rows)
    broken_rows = tuple(sorted({number for result in results for number in result.broken_rows}))
    checks = [_check(contract, rows, result) for result in results]
    count = max([len(broken_rows), *(_unexpected_count(result) for result in results if _quarantines(result))])
    if count > contract.quarantine_limit(rows.rows):
        checks = _with_failed_quarantine(checks, count, rows.rows, contract.share)
    quarantined = _quarantined_rows(contract, rows.take(broken_rows), broken_rows, results, run_id)
    verdict = Verdict(contract.table, (*file_checks, *checks), rows.rows, dates, len(broken_rows))
    return Audit(verdict, tuple(results), quarantined, broken_rows)


def audit_table(contract: Contract, rows: pa.Table) -> Audit:
    """Audits rows in memory."""
    return audit(contract, InProcessRows(rows, contract.computed))


def _check(contract: Contract, rows: StagedRows, result: ExpectationResult) -> Check:
    expectation = result.expectation
    kind, subject, severity = expectation.kind, expectation.subject, expectation.severity
    if result.problem is not None:
        return Check(kind, subject, False, None, f"{subject} could not be checked: {shown(result.problem)}", "fail")
    values = result.validation.result or {}
    observed = plain_value(values.get("observed_value"))
    if observed is None and ("unexpected_count" in values or "observed_value" not in values):
        observed = _unexpected_count(result)
    number = float(observed) if isinstance(observed, int | float) else None
    detail = "" if result.passed else failure_message(expectation, values, _example(contract, rows, result))
    return Check(kind, subject, result.passed, number, detail, severity)


def _example(contract: Contract, rows: StagedRows, result: ExpectationResult) -> Row | None:
    """The first row that breaks a rule, with the columns of the rule."""
    if result.example_row is None:
        return None
    columns = contract.computed[_column(result.expectation)].columns
    return dict(rows.take([result.example_row]).select(columns).to_pylist()[0])


def _with_failed_quarantine(checks: Sequence[Check], count: int, rows: int, share: float) -> list[Check]:
    """The checks where more rows than allowed would be set aside: they fail the night; the first says why."""
    reason = f" ({count} of {rows} rows would be set aside, at most {share:.2%} may be)"
    escalated = []
    for check in checks:
        if not check.passed and check.severity == "quarantine":
            check = replace(check, severity="fail", detail=f"{check.detail}{reason}")
            reason = ""
        escalated.append(check)
    return escalated


def _quarantined_rows(
    contract: Contract,
    rows: pa.Table,
    numbers: Sequence[int],
    results: Sequence[ExpectationResult],
    run_id: str,
) -> pa.Table:
    """The broken rows with the columns of the quarantine."""
    violations: dict[int, list[tuple[ExpectationSpec, Row]]] = {number: [] for number in numbers}
    places = {number: place for place, number in enumerate(numbers)}
    for result in results:
        if not result.broken_rows:
            continue
        expectation = result.expectation
        columns = contract.computed[_column(expectation)].columns if expectation.computed else (expectation.subject,)
        broken = rows.select(list(columns)).take(pa.array([places[number] for number in result.broken_rows]))
        for number, values in zip(result.broken_rows, broken.to_pylist(), strict=True):
            violations[number].append((expectation, values))
    entries = [_quarantine_entry(row_violations, run_id) for row_violations in violations.values()]
    for place, name in enumerate(QUARANTINE_COLUMNS):
        rows = rows.append_column(name, pa.array([entry[place] for entry in entries], pa.string()))
    return rows


def _quarantine_entry(violations: Sequence[tuple[ExpectationSpec, Row]], run_id: str) -> tuple[str | None, ...]:
    """The values of a row's quarantine columns, in their order."""
    first, row = violations[0]
    value = None if first.computed or first.kind == NOT_NULL else str(row[first.subject])
    reasons = "; ".join(row_reason(expectation, values) for expectation, values in violations)
    return first.kind, first.subject, value, reasons, run_id


def _quarantines(result: ExpectationResult) -> bool:
    return result.expectation.severity == "quarantine" and not result.passed and result.problem is None


def _unexpected_count(result: ExpectationResult) -> int:
    return int((result.validation.result or {}).get("unexpected_count") or 0)


def _column(expectation: ExpectationSpec) -> str:
    return str(dict(expectation.arguments)["column"])
