from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from nightshift.definition.features import Aggregate, feature_name
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Source
from nightshift.errors import DefinitionError
from unit.conftest import Edit

VALUED = ["sum", "mean", "min", "max", "stddev", "approx_distinct", "last"]


def aggregate(agg: str, **changes: Any) -> Aggregate:
    base: dict[str, Any] = {"source": "s", "by": ["a"], "agg": agg, "windows": ["7d"], "description": "d"}
    return Aggregate.model_validate(base | changes)


def refusal(agg: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    with pytest.raises(ValidationError) as caught:
        aggregate(agg, **changes)
    [error] = caught.value.errors()
    return error["msg"], dict(error.get("ctx", {}))


@pytest.mark.parametrize("agg", VALUED)
def test_aggregations_of_a_value_need_a_value(agg: str) -> None:
    msg, context = refusal(agg)
    assert msg == "aggregation without operand"
    assert context == {"allowed": f"agg: {agg} with `value: …`", "fix": "add `value:`"}
    assert refusal(agg, where="x")[0] == "aggregation without operand"
    assert aggregate(agg, value="x").value == "x"
    assert aggregate(agg, value="x", where="y").where == "y"


def test_a_rate_needs_a_condition_and_no_value() -> None:
    msg, context = refusal("rate")
    assert (msg, context["fix"]) == ("aggregation without operand", "add `where:`")
    assert refusal("rate", where="x", value="y")[1]["fix"] == "remove `value:`"
    assert aggregate("rate", where="x").where == "x"


def test_a_count_takes_no_value() -> None:
    assert aggregate("count").where is None
    assert aggregate("count", where="x").where == "x"
    assert refusal("count", value="y")[1]["fix"] == "remove `value:`"


@pytest.mark.parametrize("agg", [name for name in [*VALUED, "count", "rate"] if name != "last"])
def test_only_the_last_value_can_be_a_category(agg: str) -> None:
    changes = {"where": "x"} if agg == "rate" else {} if agg == "count" else {"value": "x"}
    msg, context = refusal(agg, type="category", **changes)
    assert msg == "an aggregation that is a number"
    assert context == {"allowed": "type: category with agg: last", "fix": "remove `type:`"}


def test_the_last_value_is_a_number_unless_declared_a_category() -> None:
    assert aggregate("last", value="x").type == "number"
    assert aggregate("last", value="x", type="category").type == "category"


@pytest.mark.parametrize(
    ("kind", "default", "good"),
    [
        ("number", 0, True),
        ("number", -0.5, True),
        ("number", "0", False),
        ("number", "", False),
        ("category", "none", True),
        ("category", "", True),
        ("category", "0", True),
        ("category", 0, False),
        ("category", 0.5, False),
    ],
)
def test_a_default_is_of_the_features_type(kind: str, default: object, good: bool) -> None:
    if good:
        assert aggregate("last", value="x", type=kind, default=default).default == default
    else:
        msg, context = refusal("last", value="x", type=kind, default=default)
        assert msg == f"a default that is not a {kind}"
        assert context == {"allowed": f"a {kind}", "fix": "change `default:`"}


def test_without_a_default_an_empty_window_is_null() -> None:
    assert aggregate("count").default is None
    assert aggregate("count", default=None).default is None


@pytest.mark.parametrize("default", ["[1]", "{a: 1}", ".nan", "-.inf", "2024-01-01", "true"])
def test_a_default_that_is_neither_a_number_nor_a_text_is_one_line_that_names_its_key(edit: Edit, default: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        edit("default: 0.5", f"default: {default}")
    [line] = str(caught.value).split("\n")
    assert ": features.aggregates.machine_failures.default: " in line


@pytest.mark.parametrize("windows", [[], ["0d"], ["36h"], ["-7d"], ["7"], "7d"])
def test_windows_are_whole_days_and_at_least_one(windows: object) -> None:
    with pytest.raises(ValidationError):
        aggregate("count", windows=windows)
    assert aggregate("count", windows=["24h", "90d"]).windows == (timedelta(days=1), timedelta(days=90))


@pytest.mark.parametrize("changes", [{"agg": "median"}, {"type": "integer"}, {"filter": "x"}, {"by": "a"}])
def test_unknown_keys_and_values_of_an_aggregate_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Aggregate.model_validate(aggregate("count").model_dump() | changes)


# ---- sources


def source(**changes: Any) -> Source:
    base: dict[str, Any] = {"description": "d", "path": "{date}.csv", "available": {"after": "1h"}}
    return Source.model_validate(base | {"columns": {"machine": {"type": "string"}}} | changes)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "+01:00", "../../etc/passwd", "America"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="unknown time zone"):
        source(timezone=zone)
    assert source(timezone="Asia/Tokyo").timezone == "Asia/Tokyo"
    assert source().timezone is None


@pytest.mark.parametrize("restates", ["36h", "0d", "-1d", "often"])
def test_a_file_may_land_again_for_whole_days_only(restates: str) -> None:
    with pytest.raises(ValidationError):
        source(restates=restates)
    assert source(restates="3d").restates == timedelta(days=3)


@pytest.mark.parametrize("name", ["Kind", "_kind", "2kind", "kind-of", ""])
def test_a_derived_column_is_named_as_a_column_is(name: str) -> None:
    with pytest.raises(ValidationError):
        source(derived={name: {"expression": "machine", "type": "string"}})


@pytest.mark.parametrize(
    "changes", [{"expression": "machine"}, {"type": "string"}, {"expression": "machine", "type": "text"}]
)
def test_a_derived_column_has_an_expression_and_a_type(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        source(derived={"kind": changes})


# ---- features


def test_features_are_in_the_order_of_their_kinds_and_windows(flight_delay: ModelDefinition) -> None:
    names = list(flight_delay.feature_types)
    assert names[: len(flight_delay.features.rows)] == list(flight_delay.features.rows)
    late = [name for name in names if name.startswith("late_rate")]
    assert late == [feature_name("late_rate", days) for days in (1, 7, 28)]
