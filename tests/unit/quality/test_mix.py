"""The expectation of a mix, and the measured values in Data Docs."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.quality.audit import audit_table
from nightshift.quality.docs import render_docs
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, NEWEST, PRESENT, SPREAD, Contract, ExpectationSpec
from nightshift.quality.suite import ExpectationResult, suite_result
from nightshift.quality.usual import mix_distance
from unit.examples import examples


def mix_result(values: list[Any], kind: pa.DataType, shares: dict[str, float], most: float = 0.5) -> ExpectationResult:
    arguments = (("column", "x"), ("shares", shares), ("max_distance", most))
    contract = Contract("raw.x", (ExpectationSpec(MIX, "x", arguments),))
    [result] = audit_table(contract, pa.table({"x": pa.array(values, kind)})).results
    assert result.problem is None
    return result


@examples(max_examples=15)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=20).filter(any))
def test_the_distance_to_the_expected_mix_is_observed_without_missing_values(values: list[str | None]) -> None:
    shares = {"a": 0.5, "b": 0.5}
    present = [value for value in values if value is not None]
    mix = {value: present.count(value) / len(present) for value in present}
    assert mix_result(values, pa.string(), shares).validation.result["observed_value"] == pytest.approx(
        mix_distance(mix, shares)
    )


@pytest.mark.parametrize(("most", "passed"), [(0.25, True), (0.2499, False)])
def test_a_mix_may_be_exactly_at_the_largest_distance(most: float, passed: bool) -> None:
    assert mix_result(["a", "a", "a", "b"], pa.string(), {"a": 0.5, "b": 0.5}, most).passed is passed


def test_a_boolean_is_written_as_in_sql() -> None:
    result = mix_result([True, True, False, None], pa.bool_(), {"true": 2 / 3, "false": 1 / 3})
    assert result.validation.result["observed_value"] == pytest.approx(0)


def test_the_value_that_differs_most_is_reported_and_of_two_the_first_by_name() -> None:
    details = mix_result(["b", "b", "c", "c"], pa.string(), {"a": 1.0}).validation.result["details"]
    assert details == {"value": "a", "share": 0.0, "expected": 1.0}
    details = mix_result(["c", "b"], pa.string(), {"d": 0.5, "e": 0.5}).validation.result["details"]
    assert details == {"value": "b", "share": 0.5, "expected": 0.0}


@pytest.mark.parametrize("values", [[], [None, None]])
def test_without_a_value_any_mix_is_near(values: list[None]) -> None:
    result = mix_result(values, pa.string(), {"a": 1.0}, 0.01)
    assert (result.passed, result.validation.result["observed_value"]) == (True, None)


def test_measured_values_are_on_the_page() -> None:
    def spec(kind: str, column: str, **arguments: Any) -> ExpectationSpec:
        return ExpectationSpec(kind, column, (("column", column), *arguments.items()))

    contract = Contract(
        "raw.x",
        (
            spec(MEAN, "f", min_value=1.25),
            spec(SPREAD, "f", min_value=0.25),
            spec(NEWEST, "f", min_value=3),
            spec(PRESENT, "f", min_value=0.9),
            spec(DISTINCT, "s", min_value=5),
            spec(MIX, "s", shares={"x": 1.0}, max_distance=0.1),
        ),
    )
    rows = pa.table({"f": [0.5, 1.5, None, 0.5], "s": ["x", "y", "y", "y"]})
    page = render_docs("raw.x", suite_result(contract, audit_table(contract, rows).results), "", "fail")
    cells = re.findall(r"\S+", re.sub(r"<[^>]+>", " ", page.split("</style>")[-1]))
    assert "--" not in cells
    for observed in ("≈0.8333333333", "≈0.5773502692", "1.5", "0.75", "2"):
        assert observed in cells
    assert "at most 10.0% of the values may differ from the expected mix." in " ".join(cells)
    assert "batch_id" not in page
