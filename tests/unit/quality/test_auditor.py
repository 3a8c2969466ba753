"""What a contract is told of what was published before and is staged beside, from a real lake."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table
from nightshift.quality.expectation import MEAN, ROW_COUNT, Contract
from nightshift.types import Staged
from unit.conftest import Edit
from unit.quality.machines import Machines, auditor, day, stage

PLAN = "key: [machine]\n    repeats: allow\n    columns:\n      machine: {type: string, required: true}\n      load"


@pytest.fixture
def put(lake: Lake, tiny: ModelDefinition) -> Callable[..., None]:
    """Publishes a set."""

    def published(source: str, machines: Machines, **inputs: str) -> None:
        publish(lake, raw_table(tiny, source), stage(lake, tiny, source, machines, **inputs))

    return published


Put = Callable[..., None]


def each(first: int, last: int) -> Machines:
    """On every date the machine of its number, twice."""
    return {number: [f"m{number}", f"m{number}"] for number in range(first, last + 1)}


# ---- references


def known(contract: Contract) -> list[str] | None:
    """The machines that the reference of the plan knows; None if nothing is expected."""
    one = contract.computed.get("told")
    assert (one is not None) == any(e.subject == "told" for e in contract.expectations)
    return sorted(one.reference["machine"].to_pylist()) if one is not None and one.reference is not None else None


@pytest.fixture
def referring(edit: Edit) -> ModelDefinition:
    """The plan's machines are to be among those of the two newest dates of the failures."""
    return edit(
        PLAN,
        PLAN.replace("columns:", "references: {told: {source: failures, columns: [machine], days: 2}}\n    columns:"),
    )


def test_a_reference_looks_at_the_newest_dates_up_to_the_rows_own_and_at_no_later_one(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    put("failures", each(1, 5))
    staged = stage(lake, referring, "plan", {3: ["m1"]})
    assert known(auditor(lake, referring).contract(staged, [staged])) == ["m2", "m3"]


def test_a_reference_looks_past_dates_that_the_other_source_lacks(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    put("failures", {1: ["m1"], 2: ["m2"], 6: ["m6"], 9: ["m9"]})
    staged = stage(lake, referring, "plan", {7: ["m1"]})
    assert known(auditor(lake, referring).contract(staged, [])) == ["m2", "m6"]


def test_nothing_is_expected_while_the_other_source_lacks_the_date_that_is_due(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    """The night of the 7th, at 06:00, can have the failures of the 6th: an earlier night has not run yet."""
    put("failures", each(1, 5))
    staged = stage(lake, referring, "plan", {7: ["m1"]})
    assert known(auditor(lake, referring).contract(staged, [])) is None
    put("failures", each(6, 6))
    assert known(auditor(lake, referring).contract(staged, [])) == ["m5", "m6"]


def test_what_is_staged_beside_counts_as_if_it_were_published_unless_it_is_later(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    put("failures", each(1, 2))
    staged = stage(lake, referring, "plan", {3: ["m1"]})
    for sets in ([each(3, 3), each(4, 4)], [each(3, 4)]):
        beside = [stage(lake, referring, "failures", machines) for machines in sets]
        assert known(auditor(lake, referring).contract(staged, [staged, *beside])) == ["m2", "m3"]


def test_what_is_staged_beside_is_enough_where_nothing_was_published(lake: Lake, referring: ModelDefinition) -> None:
    beside = stage(lake, referring, "failures", each(1, 2))
    staged = stage(lake, referring, "plan", {2: ["m1"]})
    assert known(auditor(lake, referring).contract(staged, [beside, staged])) == ["m1", "m2"]


@pytest.mark.parametrize("machines", [{}, {3: ["m3"]}, {3: ["m3"], 4: ["m4"]}])
def test_nothing_is_expected_before_the_other_source_has_so_many_dates(
    lake: Lake, referring: ModelDefinition, put: Put, machines: Machines
) -> None:
    if machines:
        put("failures", machines)
    staged = stage(lake, referring, "plan", {3: ["m1"]})
    assert known(auditor(lake, referring).contract(staged, [])) is None


def test_the_dates_of_a_set_look_at_what_any_of_them_may(lake: Lake, referring: ModelDefinition, put: Put) -> None:
    put("failures", each(1, 6))
    staged = stage(lake, referring, "plan", {3: ["m1"], 5: ["m1"]})
    assert known(auditor(lake, referring).contract(staged, [])) == ["m2", "m3", "m4", "m5"]


# ---- rows like another source's


@pytest.fixture
def alike(lake: Lake, edit: Edit) -> Callable[..., int | None]:
    """The rows that a set of the plan is to have, as many as the failures; None if that is not expected."""
    definition = edit(PLAN, PLAN.replace("columns:", "rows: {min: 0, like: {source: failures}}\n    columns:"))

    def expected(machines: Machines, *beside: Staged) -> int | None:
        staged = stage(lake, definition, "plan", machines)
        found = auditor(lake, definition).contract(staged, [staged, *beside]).expectations
        bounds = [one.bounds for one in found if one.kind == ROW_COUNT and "like" in one.subject]
        assert all(least == most for least, most in bounds)
        return cast(int, bounds[0][0]) if bounds else None

    return expected


Alike = Callable[..., int | None]


def test_rows_are_compared_with_those_published_of_the_same_date(alike: Alike, put: Put) -> None:
    put("failures", {1: "a", 2: "abc"})
    assert alike({2: "a"}) == 3


def test_rows_are_compared_with_those_staged_beside(lake: Lake, tiny: ModelDefinition, alike: Alike) -> None:
    assert alike({2: "a"}, stage(lake, tiny, "failures", {2: "abcd"})) == 4


def test_what_is_staged_beside_replaces_what_is_published(
    lake: Lake, tiny: ModelDefinition, alike: Alike, put: Put
) -> None:
    put("failures", {2: "a"})
    assert alike({2: "a"}, stage(lake, tiny, "failures", {2: "abcd"})) == 4


def test_nothing_is_expected_where_the_other_source_lacks_the_date(
    lake: Lake, tiny: ModelDefinition, alike: Alike, put: Put
) -> None:
    put("failures", {1: "a", 3: "abc"})
    assert alike({2: "a"}, stage(lake, tiny, "failures", {4: "abcd"})) is None


def test_a_set_of_several_dates_is_compared_with_all_of_them_or_with_none(alike: Alike, put: Put) -> None:
    put("failures", {1: "a", 2: "abc", 3: "ab"})
    assert (alike({2: "a", 3: "a"}), alike({3: "a", 4: "a"})) == (5, None)


def test_a_set_without_rows_is_compared_all_the_same(alike: Alike, put: Put) -> None:
    put("failures", {2: "abc"})
    assert alike({2: ""}) == 3


# ---- what is usual


def test_what_is_usual_is_read_from_the_same_weekdays_of_the_raw_table_for_each_column_its_weeks(
    lake: Lake, edit: Edit, put: Put
) -> None:
    definition = edit("min: 0, max: 1}", "min: 0, max: 1, usual: {of: [mean], weeks: 4}}")
    put("plan", {1 + 7 * week + more: "abc" for week in range(6) for more in (0, 1)})
    profiles = auditor(lake, definition)._profiles(
        raw_table(definition, "plan"), definition.sources["plan"].columns, stage(lake, definition, "plan", {36: "a"})
    )
    assert [one.rows for one in profiles["load"]] == [3] * 4


@pytest.mark.parametrize(("machines", "judged"), [({22: "a"}, True), ({22: "a", 23: "a"}, False), ({15: "a"}, False)])
def test_a_single_date_is_held_against_what_is_usual_from_the_third_week_on(
    lake: Lake, edit: Edit, machines: Machines, judged: bool
) -> None:
    definition = edit("min: 0, max: 1}", "min: 0, max: 1, usual: {of: [mean]}}")
    spec = raw_table(definition, "plan")
    for number in (1, 8, 15):
        rows = {"source_date": [day(number)] * 2, "machine": ["a", "b"], "load": [0.4, 0.6]}
        data = pa.table(rows).cast(spec.schema)
        publish(lake, spec, stage_arrow(lake, spec, data, day(number), day(number), {}))
    contract = auditor(lake, definition).contract(stage(lake, definition, "plan", machines), [])
    assert any(one.kind == MEAN for one in contract.expectations) is judged


def test_as_many_features_are_expected_as_there_are_observations_of_their_dates(
    lake: Lake, tiny: ModelDefinition, put: Put
) -> None:
    put("plan", {1: "ab", 2: "abc", 3: "abcd", 4: "a"})
    spec = features_table(tiny)
    staged = stage_arrow(lake, spec, spec.schema.empty_table(), day(2), day(3), {})
    [rows] = [one for one in auditor(lake, tiny).contract(staged, []).expectations if one.kind == ROW_COUNT]
    assert rows.bounds == (7, 7)
