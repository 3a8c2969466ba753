from __future__ import annotations

import dataclasses

import pytest

from nightshift.definition.features import RowFeature
from nightshift.definition.model import ModelDefinition
from nightshift.features.dictionary import FeatureEntry, data_dictionary, dictionary_page
from unit.conftest import Edit

ROWS = "rows:\n    busy:"
WHERE = "where: failed\n"


def entry(definition: ModelDefinition, feature: str) -> FeatureEntry:
    [entry_of_feature] = [listed for listed in data_dictionary(definition) if listed.feature == feature]
    return entry_of_feature


def test_every_feature_is_listed_once_with_its_type_in_the_order_of_the_table(flight_delay: ModelDefinition) -> None:
    types = [(listed.feature, listed.type) for listed in data_dictionary(flight_delay)]
    assert types == list(flight_delay.feature_types.items())
    assert all(listed.sources and listed.computation and listed.description for listed in data_dictionary(flight_delay))
    assert all(
        isinstance(value, str) for listed in data_dictionary(flight_delay) for value in dataclasses.astuple(listed)
    )


def test_an_aggregate_lists_its_source_key_window_and_default(
    flight_delay: ModelDefinition, tiny: ModelDefinition
) -> None:
    late_rate = entry(flight_delay, "hour_late_rate_28d")
    assert (late_rate.sources, late_rate.computation, late_rate.by, late_rate.window) == (
        "arrivals",
        "rate of arr_delay >= 15",
        "origin, dep_hour",
        "28d",
    )
    assert (late_rate.default, late_rate.description) == ("null", "The same of the departures planned in the same hour")
    assert entry(tiny, "machine_failures_3d").default == "0.5"
    assert entry(flight_delay, "dest_departures_1d").computation == "count of rows"
    assert entry(flight_delay, "origin_rain_7d").computation == "sum of precip"


def test_a_default_of_zero_is_a_default(edit: Edit) -> None:
    assert float(entry(edit("default: 0.5", "default: 0"), "machine_failures_3d").default) == 0


def test_the_condition_of_an_aggregate_is_listed(edit: Edit) -> None:
    changed = edit("agg: rate\n      where: failed", "agg: mean\n      value: cast(failed as int)\n      where: failed")
    failures = entry(changed, "machine_failures_3d")
    assert failures.computation == "mean of cast(failed as int) where failed"


@pytest.mark.parametrize(
    ("feature", "sources"),
    [
        ("airline", "schedule"),
        ("weekday", "schedule"),  # of the score date alone
        ("plane_age", "schedule, planes"),
        ("plane_seats", "planes"),
    ],
)
def test_a_row_feature_lists_the_sources_it_reads(flight_delay: ModelDefinition, feature: str, sources: str) -> None:
    assert entry(flight_delay, feature).sources == sources


@pytest.mark.parametrize(
    ("expression", "sources"),
    [
        ("1", "schedule"),
        ("PLANE.year", "planes"),
        ("plane['year']", "planes"),
        ("`plane`.`year`", "planes"),
        ("coalesce(plane.year, plane.seats)", "planes"),
        ("case when plane is null then 0 else distance end", "schedule, planes"),
        ("year(score_date) - plane.year", "schedule, planes"),
        ("filter(array(plane.year, plane.seats), one -> one > 0)[0]", "planes"),
    ],
)
def test_sources_are_resolved_in_any_spelling_of_a_name(
    flight_delay: ModelDefinition, expression: str, sources: str
) -> None:
    row = RowFeature(expression=expression, type="number", description="d")
    features = flight_delay.features.model_copy(update={"rows": {"made": row}})
    assert entry(flight_delay.model_copy(update={"features": features}), "made").sources == sources


def test_a_source_that_is_read_twice_is_listed_once(edit: Edit) -> None:
    lookups = "lookups:\n    one: {source: failures, key: [machine]}\n    two: {source: failures, key: [machine]}\n  "
    both = edit(
        ROWS,
        f"{lookups}rows:\n    worse: {{expression: one.failed or two.failed, type: number, description: d}}\n    busy:",
    )
    assert entry(both, "worse").sources == "failures"


def test_a_computed_feature_lists_its_declared_sources(edit: Edit, tiny: ModelDefinition) -> None:
    computed = {"mood": {"type": "category", "description": "How it feels", "sources": ["plan", "failures"]}}
    features = type(tiny.features).model_validate({**tiny.features.model_dump(), "computed": computed})
    mood = entry(tiny.model_copy(update={"features": features}), "mood")
    assert (mood.type, mood.sources, mood.computation, mood.description) == (
        "category",
        "plan, failures",
        "features.py",
        "How it feels",
    )
    assert (mood.by, mood.window, mood.default) == ("", "", "")


def cells(definition: ModelDefinition) -> list[list[str]]:
    """The rows of the page's table, below its head, by cells."""
    lines = dictionary_page(definition).split("\n")
    return [line.replace("\\|", "¦").strip("|").split("|") for line in lines[2:]]


def test_the_page_is_a_table_of_a_line_a_feature(flight_delay: ModelDefinition) -> None:
    rows = cells(flight_delay)
    assert [row[0].strip(" `") for row in rows] == list(flight_delay.feature_types)
    assert {len(row) for row in rows} == {5}


def test_a_bar_in_an_expression_does_not_break_the_page(edit: Edit) -> None:
    changed = edit(WHERE, "where: \"concat('|', machine || '|') = '||'\"\n")
    assert {len(row) for row in cells(changed)} == {5}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(WHERE, "where: |\n        failed\n        and machine <> 'x'\n", id="a condition"),
        pytest.param(
            "description: How often it failed lately",
            "description: |\n        Lately,\n        it failed",
            id="a description",
        ),
        pytest.param("expression: load,", 'expression: "load\\n+ 1",', id="a row expression"),
    ],
)
def test_a_multi_line_expression_is_listed_on_one_line(edit: Edit, old: str, new: str) -> None:
    changed = edit(old, new)
    assert len(cells(changed)) == len(changed.feature_types)
    assert not any("\n" in listed.sentence for listed in data_dictionary(changed))
