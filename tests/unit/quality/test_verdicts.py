"""The verdict of a set of checks: every check runs, in the contract's order, with its own severity."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.checks import Severity
from nightshift.quality.audit import Audit, audit
from nightshift.quality.expectation import (
    BETWEEN,
    DISTINCT,
    IN_SET,
    MATCHES,
    MEAN,
    MIX,
    NEW_FILE,
    NOT_NULL,
    PRESENT,
    ROW_COUNT,
    UNIQUE,
    UNIQUE_TOGETHER,
    ComputedColumn,
    Contract,
    ExpectationSpec,
)
from nightshift.quality.staged_rows import InProcessRows
from nightshift.types import Check
from unit.examples import examples

ROWS = pa.table({"n": [1, 2, None, 2], "s": ["a", "b", None, "b"]})


def expect(kind: str, column: str = "n", severity: Severity = "fail", **arguments: Any) -> ExpectationSpec:
    return ExpectationSpec(kind, column, (("column", column), *arguments.items()), severity)


def rule(name: str, severity: Severity = "fail") -> ExpectationSpec:
    arguments = (("column", name), ("value_set", [True]))
    return ExpectationSpec(IN_SET, name, arguments, severity, "n < 2", computed=True)


def audited(*expectations: ExpectationSpec, rows: pa.Table = ROWS, share: float = 0.0, **more: Any) -> Audit:
    computed = {spec.subject: ComputedColumn("(n < 2)::boolean", ("n",)) for spec in expectations if spec.computed}
    return audit(Contract("raw.x", expectations, share, computed), InProcessRows(rows, computed), **more)


def test_checks_come_in_the_order_of_the_contract_whatever_their_kinds() -> None:
    """Some are computed over all rows at once, some over computed columns, some in a pass that measures."""
    expectations = [
        expect(MEAN, min_value=0),
        rule("first"),
        expect(NOT_NULL),
        expect(UNIQUE, "s"),
        expect(PRESENT, "s", min_value=0.9),
        rule("second"),
        ExpectationSpec(ROW_COUNT, "rows", (("min_value", 1), ("max_value", 4))),
        expect(IN_SET, "s", value_set=["a", "b"]),
        ExpectationSpec(UNIQUE_TOGETHER, "n + s", (("column_list", ["n", "s"]),)),
        expect(DISTINCT, "s", min_value=1, max_value=2),
        expect(BETWEEN, min_value=0, max_value=1),
        expect(MATCHES, "s", regex="^[ab]$"),
        expect(MIX, "s", shares={"a": 0.5, "b": 0.5}, max_distance=0.5),
    ]
    audit_result = audited(*expectations)
    assert [(check.name, check.subject) for check in audit_result.verdict.checks] == [
        (spec.kind, spec.subject) for spec in expectations
    ]
    assert [check.passed for check in audit_result.verdict.checks] == [
        *(True, False, False, False, False, False, True, True, False, True, False, True, True)
    ]
    assert [result.expectation for result in audit_result.results] == expectations


def test_the_same_expectation_twice_is_two_checks_with_a_severity_each() -> None:
    checks = audited(expect(NOT_NULL), expect(NOT_NULL, severity="warn")).verdict.checks
    assert [(check.passed, check.outcome) for check in checks] == [(False, "fail"), (False, "warn")]


@pytest.mark.parametrize(
    ("severities", "outcome", "broken"),
    [
        (["warn"], "warn", ()),
        (["quarantine"], "warn", (2,)),
        (["quarantine", "warn"], "warn", (2,)),
        (["fail", "warn"], "fail", ()),
        (["fail", "quarantine"], "fail", (2,)),
    ],
)
def test_the_most_severe_violation_decides(severities: list[Severity], outcome: str, broken: tuple[int, ...]) -> None:
    audit_result = audited(*[expect(NOT_NULL, severity=severity) for severity in severities], share=0.25)
    assert (audit_result.verdict.outcome, audit_result.broken_rows) == (outcome, broken)


def test_file_checks_come_first() -> None:
    file_check = Check(NEW_FILE, "file", False, 1.0, "the file of today is the same as that of yesterday", "warn")
    verdict = audited(expect(NOT_NULL, severity="warn"), file_checks=[file_check]).verdict
    assert [check.name for check in verdict.checks] == [NEW_FILE, NOT_NULL]
    assert verdict.outcome == "warn"


def test_a_row_that_breaks_several_rules_is_set_aside_once_with_the_first_and_every_reason() -> None:
    expectations = [
        expect(NOT_NULL, severity="quarantine"),
        expect(IN_SET, "s", "quarantine", value_set=["a"]),
        rule("small", "quarantine"),
    ]
    audit_result = audited(*expectations, share=1.0, run_id="run 7")
    assert audit_result.broken_rows == (1, 2, 3)
    entries = [
        (row["quarantine_rule"], row["quarantine_value"], row["quarantine_reason"])
        for row in audit_result.quarantined.to_pylist()
    ]
    rule_reason = "; small does not hold: n < 2 (n 2)"
    assert entries == [
        (IN_SET, "b", f"s is 'b', outside the 1 allowed{rule_reason}"),
        (NOT_NULL, None, "n is missing"),
        (IN_SET, "b", f"s is 'b', outside the 1 allowed{rule_reason}"),
    ]
    assert set(audit_result.quarantined["quarantine_run"].to_pylist()) == {"run 7"}


# ---- the quarantine limit


def nulls(broken: int, rows: int) -> pa.Table:
    return pa.table({"n": pa.array([None] * broken + [1] * (rows - broken), pa.int64())})


@pytest.mark.parametrize(("broken", "outcome"), [(29, "warn"), (30, "fail")])
def test_exactly_the_share_may_be_set_aside_also_where_floats_are_inexact(broken: int, outcome: str) -> None:
    assert 0.29 * 100 < 29
    audit_result = audited(expect(NOT_NULL, severity="quarantine"), rows=nulls(broken, 100), share=0.29)
    assert (audit_result.verdict.outcome, audit_result.verdict.quarantined) == (outcome, 29 if outcome == "warn" else 0)


@examples(max_examples=200)
@given(st.integers(0, 10_000), st.integers(0, 500))
def test_the_quarantine_limit_is_the_largest_number_of_rows_within_the_share(tenths_of_a_mille: int, rows: int) -> None:
    most = Contract("raw.x", (), tenths_of_a_mille / 10_000).quarantine_limit(rows)
    assert most * 10_000 <= tenths_of_a_mille * rows < (most + 1) * 10_000


def test_rules_that_together_set_too_many_rows_aside_fail_the_night_and_say_so_once() -> None:
    rows = pa.table({"a": [None, 1, 1, 1], "b": [1, None, 1, 1]})
    expectations = [expect(NOT_NULL, column, "quarantine") for column in "ab"]
    verdict = audited(*expectations, rows=rows, share=0.25).verdict
    assert [check.outcome for check in verdict.checks] == ["fail", "fail"]
    assert [check.detail for check in verdict.checks] == [
        "a is missing in 1 row (2 of 4 rows would be set aside, at most 25.00% may be)",
        "b is missing in 1 row",
    ]


def test_a_warning_stays_a_warning_where_too_many_rows_would_be_set_aside() -> None:
    checks = audited(expect(NOT_NULL, severity="quarantine"), expect(NOT_NULL, severity="warn")).verdict.checks
    assert [check.outcome for check in checks] == ["fail", "warn"]


# ---- sets of values, for which Great Expectations has no observed value


@pytest.mark.parametrize(
    ("kind", "allowed", "passed", "says"),
    [
        ("ExpectColumnDistinctValuesToBeInSet", ["a", "b", "c"], True, ""),
        ("ExpectColumnDistinctValuesToBeInSet", ["a"], False, "unexpected 1, first b"),
        ("ExpectColumnDistinctValuesToContainSet", ["a"], True, ""),
        ("ExpectColumnDistinctValuesToContainSet", ["a", "z"], False, "lacking [z]"),
        ("ExpectColumnDistinctValuesToEqualSet", ["a", "b"], True, ""),
        ("ExpectColumnDistinctValuesToEqualSet", ["a", "z"], False, "unexpected 1, first b, lacking [z]"),
    ],
)
def test_the_set_of_a_columns_values_is_checked(kind: str, allowed: list[str], passed: bool, says: str) -> None:
    [check] = audited(expect(kind, "s", value_set=allowed)).verdict.checks
    assert (check.passed, check.detail) == (passed, "" if passed else f"{kind} of s does not hold: {says}")


@pytest.mark.parametrize("kind", ["Min", "Max", "Mean", "Median", "Stdev"])
@pytest.mark.parametrize("rows", [0, 3])
def test_an_expectation_with_nothing_to_measure_passes(kind: str, rows: int) -> None:
    missing = pa.table({"n": pa.array([None] * rows, pa.float64())})
    [check] = audited(expect(f"ExpectColumn{kind}ToBeBetween", min_value=1), rows=missing).verdict.checks
    assert (check.passed, check.observed) == (True, None)


def test_a_bound_may_be_a_date() -> None:
    rows = pa.table({"d": [date(2024, 1, 1), date(2024, 1, 3), None]})
    for bound in (date(2024, 1, 2), "2024-01-02"):
        [check] = audited(expect(BETWEEN, "d", min_value=bound), rows=rows).verdict.checks
        assert check.detail == "d has 1 value below 2024-01-02, first '2024-01-01'"
