from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.checks import RowCount, UsualRowCount
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Column, Source
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import features_contract, scores_contract, source_contract
from nightshift.quality.expectation import Contract


def listed(contract: Contract) -> list[tuple[str, str, dict[str, object]]]:
    """Every expectation: what is expected, of what, with which bounds."""
    return [
        (
            item.kind.removeprefix("Expect"),
            item.subject,
            {key: value for key, value in item.arguments if not key.startswith("column")},
        )
        for item in contract.expectations
    ]


def test_a_source_is_held_to_everything_its_definition_declares(tiny: ModelDefinition) -> None:
    contract = source_contract("plan", tiny.sources["plan"])
    assert contract.table == "raw.plan"
    assert listed(contract) == [
        ("ColumnValuesToNotBeNull", "machine", {}),
        ("ColumnValuesToNotBeNull", "load", {}),
        ("ColumnValuesToBeBetween", "load", {"min_value": 0.0, "max_value": 1.0}),
        ("CompoundColumnsToBeUnique", "source_date + machine", {}),
        ("TableRowCountToBeBetween", "rows", {"min_value": 1, "max_value": None}),
    ]


def test_the_examples_values_and_one_sided_bounds_are_checked(flight_delay: ModelDefinition) -> None:
    schedule = flight_delay.sources["schedule"]
    columns = {**schedule.columns, "distance": Column(type="integer", min=1)}
    expectations = listed(source_contract("schedule", schedule.model_copy(update={"columns": columns})))
    assert ("ColumnValuesToBeInSet", "origin", {"value_set": ["EWR", "JFK", "LGA"]}) in expectations
    assert ("ColumnValuesToBeBetween", "distance", {"min_value": 1.0, "max_value": None}) in expectations
    assert ("CompoundColumnsToBeUnique", "source_date + carrier + flight + origin + dest", {}) in expectations


def test_the_rows_of_several_days_are_counted_together(flight_delay: ModelDefinition) -> None:
    expectations = listed(source_contract("schedule", flight_delay.sources["schedule"], AuditContext(days=7)))
    assert expectations[-1] == ("TableRowCountToBeBetween", "rows", {"min_value": 2100, "max_value": 14000})


def test_a_source_without_a_key_is_not_expected_to_be_unique(flight_delay: ModelDefinition) -> None:
    weather: Source = flight_delay.sources["weather"].model_copy(update={"expectations": ()})
    assert not [kind for kind, _, _ in listed(source_contract("weather", weather)) if "Unique" in kind]


def test_features_are_one_row_an_observation_and_rates_are_shares(tiny: ModelDefinition) -> None:
    contract = features_contract(tiny, AuditContext(observations=60))
    assert contract.table == "features.tiny"
    assert listed(contract) == [
        ("ColumnValuesToNotBeNull", "score_date", {}),
        ("ColumnValuesToNotBeNull", "machine", {}),
        ("ColumnValuesToBeBetween", "machine_failures_3d", {"min_value": 0, "max_value": 1}),
        ("CompoundColumnsToBeUnique", "score_date + machine", {}),
        ("TableRowCountToBeBetween", "rows", {"min_value": 60, "max_value": 60}),
    ]


def test_scores_are_one_probability_an_observation_with_its_version(tiny: ModelDefinition) -> None:
    contract = scores_contract(tiny, AuditContext(observations=60))
    assert contract.table == "scores.tiny"
    assert listed(contract) == [
        ("ColumnValuesToNotBeNull", "score_date", {}),
        ("ColumnValuesToNotBeNull", "machine", {}),
        ("ColumnValuesToNotBeNull", "score", {}),
        ("ColumnValuesToNotBeNull", "model_version", {}),
        ("ColumnValuesToBeBetween", "score", {"min_value": 0, "max_value": 1}),
        ("CompoundColumnsToBeUnique", "score_date + machine", {}),
        ("TableRowCountToBeBetween", "rows", {"min_value": 60, "max_value": 60}),
    ]


THURSDAY = date(2013, 7, 4)


def usual_of(
    source: Source, history: dict[date, int], usual: UsualRowCount, day: date = THURSDAY
) -> list[tuple[object, ...]]:
    """The expectations of the usual number of rows: their bounds, severities and notes."""
    declared = source.model_copy(update={"rows": RowCount(usual=usual)})
    expectations = source_contract("schedule", declared, AuditContext(day=day, row_counts=history)).expectations
    return [
        (*(value for _, value in spec.arguments), spec.severity, spec.note)
        for spec in expectations
        if "usual" in spec.subject
    ]


def weeks(*counts: int) -> dict[date, int]:
    """The last Thursdays' rows, newest first, among other days that hold a thousand times as many."""
    days = {THURSDAY - timedelta(days=n): 1_000_000 for n in range(1, 100)}
    return days | {THURSDAY - timedelta(weeks=n + 1): count for n, count in enumerate(counts)}


def test_the_usual_number_of_rows_is_the_median_of_the_same_weekday(flight_delay: ModelDefinition) -> None:
    schedule = flight_delay.sources["schedule"]
    [expectation] = usual_of(schedule, weeks(900, 1000, 100, 950, 980), UsualRowCount(min=0.5, max=2, weeks=5))
    assert expectation == (475, 1900, "fail", "0.5 to 2 times 950, the median of the last 5 Thursdays")


def test_only_the_newest_weeks_before_the_day_count(
    flight_delay: ModelDefinition,
) -> None:
    history = weeks(10, 10, 10, 9999, 9999, 9999) | {THURSDAY: 5000, THURSDAY + timedelta(weeks=1): 5000}
    [expectation] = usual_of(flight_delay.sources["schedule"], history, UsualRowCount(weeks=3, severity="warn"))
    assert expectation == (5, 20, "warn", "0.5 to 2 times 10, the median of the last 3 Thursdays")


@pytest.mark.parametrize("weeks_of_history", [0, 1, 2])
def test_nothing_is_usual_in_the_first_weeks(flight_delay: ModelDefinition, weeks_of_history: int) -> None:
    history = {THURSDAY - timedelta(weeks=n + 1): 900 for n in range(weeks_of_history)}
    assert usual_of(flight_delay.sources["schedule"], history, UsualRowCount()) == []


def test_several_dates_at_once_are_not_compared_with_a_weekday(flight_delay: ModelDefinition) -> None:
    declared = flight_delay.sources["schedule"].model_copy(update={"rows": RowCount(usual=UsualRowCount())})
    contract = source_contract("schedule", declared, AuditContext(days=7, row_counts=weeks(900, 900, 900)))
    assert [spec.subject for spec in contract.expectations].count("rows") == 1
    assert not any("usual" in spec.subject for spec in contract.expectations)


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=8))
def test_a_weekday_like_the_median_is_always_usual(counts: list[int]) -> None:
    source = Source(description="", path="{date}.csv", available={"after": "1h"}, columns={"a": Column(type="string")})
    [(least, most, *_)] = usual_of(source, weeks(*counts), UsualRowCount(min=1, max=1, weeks=len(counts)))
    middle = sorted(counts)[len(counts) // 2] if len(counts) % 2 else None
    assert middle is None or least == most == middle


def test_every_rule_of_a_column_has_its_severity(tiny: ModelDefinition) -> None:
    plan = tiny.sources["plan"]
    machine = Column(type="string", required=True, pattern="[a-z]+", severity="warn")
    changed = plan.model_copy(update={"columns": {**plan.columns, "machine": machine}})
    severities = {(spec.kind, spec.subject): spec.severity for spec in source_contract("plan", changed).expectations}
    assert {kind: severity for (kind, subject), severity in severities.items() if subject == "machine"} == {
        "ExpectColumnValuesToNotBeNull": "warn",
        "ExpectColumnValuesToMatchRegex": "warn",
    }
    assert {severity for (_, subject), severity in severities.items() if subject != "machine"} == {"fail"}
