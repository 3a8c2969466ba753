from __future__ import annotations

from collections.abc import Callable

import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.features.partials import LIMBS
from nightshift.lake.groups import OVERALL, aggregate_groups
from nightshift.lake.tables import tiles_table


def test_aggregates_that_share_a_key_are_one_group(flight_delay: ModelDefinition) -> None:
    [group] = aggregate_groups(flight_delay, "weather")
    assert (group.by, group.keys, group.name) == (("origin",), ["key_origin"], "origin")
    assert list(group.aggregates) == ["origin_rain", "origin_visibility", "origin_wind", "origin_temperature"]
    assert {group.by for group in aggregate_groups(flight_delay, "schedule")} == {
        ("origin", "dep_hour"),
        ("dest",),
        ("tailnum",),
    }
    assert aggregate_groups(flight_delay, "planes") == ()


def test_every_group_of_a_source_has_a_name_of_its_own(flight_delay: ModelDefinition) -> None:
    groups = aggregate_groups(flight_delay, "arrivals")
    assert len({group.name for group in groups}) == len(groups)
    [overall] = [group for group in groups if not group.by]
    assert (overall.name, overall.keys) == (OVERALL, [])


def test_aggregates_over_the_same_values_share_columns_within_a_group_and_across_groups(
    with_aggregates: Callable[[str], ModelDefinition],
) -> None:
    definition = with_aggregates("""
        share: by: [machine], agg: rate, where: failed
        total: by: [machine], agg: sum, value: cast(failed as int)
        mean: by: [machine], agg: mean, value: cast(failed as int)
        share_of_all: by: [], agg: rate, where: failed
        sum_of_all: by: [], agg: sum, value: cast(failed as int)
    """)
    machine, overall = aggregate_groups(definition, "failures")
    assert machine.holders == {"share": "share", "mean": "mean", "total": "mean"}
    assert overall.holders == {"share_of_all": "share", "sum_of_all": "mean"}
    assert list(machine.stored_aggregates) == list(overall.stored_aggregates) == ["share", "mean"]
    partials = ["share__n", "share__hits", "mean__n", *(f"mean__sum{n}" for n in range(len(LIMBS)))]
    assert machine.partial_columns == overall.partial_columns == partials
    columns = list(tiles_table(definition, "failures").columns)
    assert columns == ["model", "days", "source_date", "made_from", "by", "key_machine", *partials]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("agg: mean, value: cast(failed as int) + 1", id="another value"),
        pytest.param("agg: mean, value: cast(failed as int), where: failed", id="a condition"),
        pytest.param("agg: stddev, value: cast(failed as int)", id="more to keep"),
        pytest.param("agg: min, value: cast(failed as int)", id="something else to keep"),
        pytest.param("agg: count, where: failed", id="rows instead of values"),
    ],
)
def test_an_aggregate_with_other_values_or_partials_has_separate_columns(
    with_aggregates: Callable[[str], ModelDefinition], second: str
) -> None:
    definition = with_aggregates(f"""
        first: by: [], agg: mean, value: cast(failed as int)
        second: by: [], {second}
    """)
    [group] = aggregate_groups(definition, "failures")
    assert group.holders == {"first": "first", "second": "second"}
    assert len(group.partial_columns) == len(set(group.partial_columns))
    assert {column.split("__")[0] for column in group.partial_columns} == {"first", "second"}


def test_a_text_and_a_number_of_the_same_value_have_columns_of_their_own(
    with_aggregates: Callable[[str], ModelDefinition],
) -> None:
    """The last value as a text, the last as a number, and how many there are, are three things to keep."""
    definition = with_aggregates("""
        number: by: [], agg: approx_distinct, value: machine
        text: by: [], agg: max, value: machine
    """)
    aggregates = definition.features.aggregates
    last = {"agg": "last", "value": "machine"}
    changed = {
        "number": aggregates["number"].model_copy(update=last),
        "text": aggregates["text"].model_copy(update=last | {"type": "category"}),
    }
    features = definition.features.model_copy(update={"aggregates": changed})
    [group] = aggregate_groups(definition.model_copy(update={"features": features}), "failures")
    assert group.partial_columns == ["number__at", "number__last", "text__at", "text__last_text"]


def test_the_tiles_table_has_identity_columns_and_every_key_and_partial_once(flight_delay: ModelDefinition) -> None:
    spec = tiles_table(flight_delay, "weather")
    assert spec.name == "tiles.weather"
    assert spec.partition_columns == ("model", "days", "source_date")
    sums = [f"sum{n}" for n in range(len(LIMBS))]
    partials = {
        "origin_rain": ["n", *sums],
        "origin_visibility": ["min"],
        "origin_wind": ["max"],
        "origin_temperature": ["n", *sums],
    }
    listed = [f"{name}__{part}" for name, parts in partials.items() for part in parts]
    identity = ["model", "days", "source_date", "made_from", "by"]
    assert list(spec.columns) == [*identity, "key_origin", *listed]
    assert {spec.columns[name] for name in listed if name.endswith("__n")} == {"integer"}


def test_a_derived_column_is_a_key_of_its_declared_type(flight_delay: ModelDefinition) -> None:
    assert tiles_table(flight_delay, "arrivals").columns["key_dep_hour"] == "integer"
