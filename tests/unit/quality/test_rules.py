"""Rules between columns, references, freshness and rows like another source's, from a definition to a verdict."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.checks import Freshness, Quarantine, Reference, RowCount, RowRule, RowsLike
from nightshift.definition.source import Column, Source
from nightshift.errors import TerminalError
from nightshift.quality.audit import Audit, audit_table
from nightshift.quality.computed import computed_columns
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import source_contract
from nightshift.types import Check
from unit.examples import examples

DAY = date(2024, 1, 1)
MIDNIGHT = datetime.combine(DAY, time(), UTC)


def flights(**declared: Any) -> Source:
    columns = {
        "carrier": Column(type="string"),
        "flight": Column(type="integer"),
        "dep": Column(type="number"),
        "arr": Column(type="number"),
        "seen": Column(type="timestamp"),
    }
    return Source(description="", path="{date}.csv", available={"after": "1h"}, columns=columns, **declared)


def rows(*changes: dict[str, Any]) -> pa.Table:
    good = {"source_date": DAY, "carrier": "UA", "flight": 1, "dep": 5.0, "arr": 10.0, "seen": MIDNIGHT}
    types = [pa.date32(), pa.string(), pa.int64(), pa.float64(), pa.float64(), pa.timestamp("us", "UTC")]
    schema = pa.schema(zip(good, types, strict=True))
    return pa.Table.from_pylist([good | change for change in changes], schema=schema)


def audited(source: Source, data: pa.Table, **context: Any) -> Audit:
    return audit_table(source_contract("flights", source, AuditContext(**context)), data)


def checked(source: Source, data: pa.Table, subject: str, **context: Any) -> Check:
    [check] = [check for check in audited(source, data, **context).verdict.checks if check.subject == subject]
    return check


# ---- rules

LATE = RowRule(expression="arr >\n  dep", severity="warn")


def test_a_rule_tells_how_many_rows_break_it_and_the_first_as_far_as_it_looks_at_it() -> None:
    check = checked(flights(rules={"later": LATE}), rows({}, {"arr": 4.0}, {"arr": 5.0}), "later")
    assert (check.passed, check.observed, check.severity) == (False, 2.0, "warn")
    assert check.detail == "later does not hold in 2 rows: arr > dep, first arr 4.0, dep 5.0"


def test_a_rule_that_is_neither_true_nor_false_holds() -> None:
    check = checked(flights(rules={"later": LATE}), rows({"arr": None}, {"dep": None}, {"arr": float("nan")}), "later")
    assert (check.passed, check.observed) == (True, 0.0)


def test_the_rows_that_break_a_rule_of_the_quarantine_are_set_aside_and_no_others() -> None:
    rules = {"later": RowRule(expression="arr > dep", severity="quarantine")}
    source = flights(rules=rules, quarantine=Quarantine(share=0.5))
    audit_result = audited(source, rows({}, {"arr": 4.0, "flight": 7}, {}, {"arr": 1.0}))
    assert audit_result.broken_rows == (1, 3)
    [first, _] = audit_result.quarantined.to_pylist()
    assert (first["flight"], first["quarantine_rule"]) == (7, "ExpectColumnValuesToBeInSet")
    assert (first["quarantine_column"], first["quarantine_value"]) == ("later", None)
    assert first["quarantine_reason"] == "later does not hold: arr > dep (arr 4.0, dep 5.0)"


def test_a_rule_may_look_at_the_date_and_at_integers_that_are_missing() -> None:
    rule = RowRule(expression="cast(seen as date) = source_date and coalesce(flight, 1) > 0")
    data = rows({"flight": None}, {"seen": MIDNIGHT + timedelta(hours=24)}, {"flight": 0})
    assert checked(flights(rules={"it": rule}), data, "it").observed == 2


def test_a_rule_that_cannot_be_computed_stops_the_audit_with_its_name() -> None:
    source = flights(rules={"number": RowRule(expression="cast(carrier as integer) > 0", severity="warn")})
    with pytest.raises(TerminalError, match="the rule 'number' cannot be evaluated"):
        audited(source, rows({}))


# ---- references

FLIGHTS = pa.table({"carrier": ["UA", "DL"], "flight": [1, 2]})


def planned(**declared: Any) -> Source:
    return flights(references={"planned": Reference(source="plan", columns=("carrier", "flight"), **declared)})


def test_a_reference_tells_which_values_the_other_source_does_not_know() -> None:
    data = rows({}, {"carrier": "DL"}, {"flight": 2})
    check = checked(planned(), data, "planned", references={"planned": FLIGHTS})
    assert (check.observed, check.severity) == (2.0, "fail")
    assert check.detail == (
        "planned does not hold in 2 rows: carrier + flight known to plan, first carrier DL, flight 1"
    )


def test_rows_with_a_missing_value_are_not_looked_up() -> None:
    check = checked(planned(), rows({"carrier": None}, {"flight": None}), "planned", references={"planned": FLIGHTS})
    assert check.passed


def test_a_reference_of_which_nothing_is_known_yet_is_not_expected() -> None:
    assert [check.subject for check in audited(planned(), rows({"flight": 9})).verdict.checks] == ["rows"]


@pytest.mark.parametrize(("unknown", "passed"), [(29, True), (30, False)])
def test_a_reference_holds_where_just_the_share_is_known_of_those_that_are_looked_up(
    unknown: int, passed: bool
) -> None:
    data = rows(*[{"flight": 9}] * unknown, *[{}] * (100 - unknown), *[{"flight": None}] * 50)
    check = checked(planned(share=0.71, severity="warn"), data, "planned", references={"planned": FLIGHTS})
    assert (check.passed, check.observed) == (passed, unknown)
    assert passed or "does not hold in 30 rows, at most 29% of the rows may: carrier + flight known" in check.detail


def test_a_share_of_less_than_a_per_cent_is_told_as_it_is() -> None:
    data = rows(*[{"flight": 9}] * 2, *[{}] * 98)
    check = checked(planned(share=0.995), data, "planned", references={"planned": FLIGHTS})
    assert "at most 0.5% of the rows may" in check.detail


# ---- freshness


def fresh(minutes: int, newest: str = "seen") -> Source:
    return flights(freshness=Freshness(newest=newest, within=timedelta(minutes=minutes)))


@examples(max_examples=25)
@given(st.integers(0, 2 * 24 * 60))
def test_an_age_of_just_what_is_allowed_is_allowed(minutes: int) -> None:
    """As the column that is computed and its bound: whatever the number, no digit is lost."""
    contract = source_contract("flights", fresh(minutes))
    [bound] = [spec.bounds[0] for spec in contract.expectations if spec.subject == "freshness"]
    newest = MIDNIGHT + timedelta(days=1) - timedelta(minutes=minutes)
    data = rows({"seen": newest}, {"seen": newest - timedelta(microseconds=1)})
    just, older = computed_columns(data, contract.computed)["freshness"].to_pylist()
    assert just == bound > older


@pytest.mark.parametrize(("after", "passed"), [(timedelta(hours=22), True), (timedelta(hours=21, minutes=59), False)])
def test_the_newest_row_may_be_as_old_as_it_is_declared_and_no_older(after: timedelta, passed: bool) -> None:
    check = checked(fresh(120), rows({}, {"seen": MIDNIGHT + after}, {"seen": None}), "freshness")
    assert check.passed is passed


def test_rows_that_are_too_old_are_told_with_how_old_they_are() -> None:
    check = checked(fresh(120), rows({"seen": MIDNIGHT + timedelta(hours=12)}), "freshness")
    assert check.observed == -12
    assert check.detail == "the newest row is 12.0 h before the end of its date, at most 2.0 h allowed"


def test_a_clock_without_a_zone_and_an_instant_are_both_read_by_the_sources_clock() -> None:
    """Six in the evening in New York is one hour before midnight in UTC."""
    data = rows({"flight": 18, "seen": MIDNIGHT + timedelta(hours=23)})
    for newest in ("seen", "source_date + to_hours(flight)"):
        check = checked(fresh(60, newest), data, "freshness", zone="America/New_York")
        assert check.observed == -6


def test_where_nothing_tells_how_new_it_is_freshness_is_not_judged() -> None:
    assert checked(fresh(1), rows({"seen": None}), "freshness").passed


# ---- rows like another source's


@pytest.mark.parametrize(
    ("like", "alike", "count", "passed"),
    [
        pytest.param({}, 3, 3, True, id="as many"),
        pytest.param({}, 3, 4, False, id="one more"),
        pytest.param({"min": 0.28}, 100, 28, True, id="just as few, where floats are not sure"),
        pytest.param({"min": 0.28}, 100, 27, False, id="one too few"),
        pytest.param({"max": 1.15}, 100, 115, True, id="just as many, where floats are not sure"),
        pytest.param({"min": 0.5, "max": 0.5}, 3, 1, True, id="half of an odd number, below"),
        pytest.param({"min": 0.5, "max": 0.5}, 3, 2, True, id="half of an odd number, above"),
        pytest.param({}, 0, 0, True, id="none of either"),
    ],
)
def test_there_are_so_many_times_the_rows_of_another_source(
    like: dict[str, float], alike: int, count: int, passed: bool
) -> None:
    source = flights(rows=RowCount(min=0, like=RowsLike(source="plan", **like)))
    check = checked(source, rows(*[{}] * count), "rows like plan", like_rows=alike)
    assert check.passed is passed


def test_rows_unlike_another_sources_are_told_with_its_number() -> None:
    source = flights(rows=RowCount(like=RowsLike(source="plan", min=0.9, max=1.1, severity="warn")))
    check = checked(source, rows({}, {}), "rows like plan", like_rows=10)
    assert check.detail == "2 rows, expected 9 to 11 (0.9 to 1.1 times the 10 of plan)"
    assert check.severity == "warn"
