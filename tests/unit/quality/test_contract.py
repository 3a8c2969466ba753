from __future__ import annotations

from nightshift.definition.model import ModelDefinition, Source
from nightshift.quality.contract import Contract, features_contract, scores_contract, source_contract


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
    found = listed(source_contract("schedule", flight_delay.sources["schedule"]))
    assert ("ColumnValuesToBeInSet", "origin", {"value_set": ["EWR", "JFK", "LGA"]}) in found
    assert ("ColumnValuesToBeBetween", "distance", {"min_value": 1.0, "max_value": None}) in found
    assert ("CompoundColumnsToBeUnique", "source_date + carrier + flight + origin + dest", {}) in found


def test_the_rows_of_several_days_are_counted_together(flight_delay: ModelDefinition) -> None:
    found = listed(source_contract("schedule", flight_delay.sources["schedule"], days=7))
    assert found[-1] == ("TableRowCountToBeBetween", "rows", {"min_value": 700, "max_value": 35000})


def test_a_source_without_a_key_is_not_expected_to_be_unique(flight_delay: ModelDefinition) -> None:
    weather: Source = flight_delay.sources["weather"]
    assert not [kind for kind, _, _ in listed(source_contract("weather", weather)) if "Unique" in kind]


def test_features_are_one_row_an_observation_and_rates_are_shares(tiny: ModelDefinition) -> None:
    contract = features_contract(tiny, 60)
    assert contract.table == "features.tiny"
    assert listed(contract) == [
        ("ColumnValuesToNotBeNull", "score_date", {}),
        ("ColumnValuesToNotBeNull", "machine", {}),
        ("ColumnValuesToBeBetween", "machine_failures_3d", {"min_value": 0, "max_value": 1}),
        ("CompoundColumnsToBeUnique", "score_date + machine", {}),
        ("TableRowCountToBeBetween", "rows", {"min_value": 60, "max_value": 60}),
    ]


def test_scores_are_one_probability_an_observation_with_its_version(tiny: ModelDefinition) -> None:
    contract = scores_contract(tiny, 60)
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
