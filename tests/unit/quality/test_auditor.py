"""The context of an audit, from a real lake: published partitions, and sets that the same run stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.definition.schedule import Schedule
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table
from nightshift.quality.expectation import MEAN, ROW_COUNT, Contract
from nightshift.types import Staged
from unit.conftest import Edit
from unit.quality.staged_machines import Machines, auditor, day, stage

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


def reference_values(contract: Contract) -> list[str] | None:
    """The machines of the plan's reference; None if the reference is not checked."""
    column = contract.computed.get("listed")
    assert (column is not None) == any(spec.subject == "listed" for spec in contract.expectations)
    return (
        sorted(column.reference["machine"].to_pylist()) if column is not None and column.reference is not None else None
    )


@pytest.fixture
def referring(edit: Edit) -> ModelDefinition:
    """The plan's machines must be among those of the two newest dates of the failures."""
    return edit(
        PLAN,
        PLAN.replace("columns:", "references: {listed: {source: failures, columns: [machine], days: 2}}\n    columns:"),
    )


def test_a_reference_reads_the_newest_dates_up_to_that_of_the_rows(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    put("failures", each(1, 5))
    staged = stage(lake, referring, "plan", {3: ["m1"]})
    assert reference_values(auditor(lake, referring).contract(staged, [staged])) == ["m2", "m3"]


def test_a_reference_skips_dates_that_the_other_source_lacks(lake: Lake, referring: ModelDefinition, put: Put) -> None:
    put("failures", {1: ["m1"], 2: ["m2"], 6: ["m6"], 9: ["m9"]})
    staged = stage(lake, referring, "plan", {7: ["m1"]})
    assert reference_values(auditor(lake, referring).contract(staged, [])) == ["m2", "m6"]


def test_a_reference_is_not_checked_while_the_other_source_lacks_the_date_that_is_due(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    """The night of the 7th, at 06:00, can have the failures of the 6th: an earlier night has not run yet."""
    put("failures", each(1, 5))
    staged = stage(lake, referring, "plan", {7: ["m1"]})
    assert reference_values(auditor(lake, referring).contract(staged, [])) is None
    put("failures", each(6, 6))
    assert reference_values(auditor(lake, referring).contract(staged, [])) == ["m5", "m6"]


def test_sibling_sets_count_as_published_unless_they_are_later(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    put("failures", each(1, 2))
    staged = stage(lake, referring, "plan", {3: ["m1"]})
    for sets in ([each(3, 3), each(4, 4)], [each(3, 4)]):
        siblings = [stage(lake, referring, "failures", machines) for machines in sets]
        assert reference_values(auditor(lake, referring).contract(staged, [staged, *siblings])) == ["m2", "m3"]


def test_sibling_sets_suffice_where_nothing_was_published(lake: Lake, referring: ModelDefinition) -> None:
    siblings = stage(lake, referring, "failures", each(1, 2))
    staged = stage(lake, referring, "plan", {2: ["m1"]})
    assert reference_values(auditor(lake, referring).contract(staged, [siblings, staged])) == ["m1", "m2"]


@pytest.mark.parametrize("machines", [{}, {3: ["m3"]}, {3: ["m3"], 4: ["m4"]}])
def test_a_reference_is_not_checked_before_the_other_source_has_enough_dates(
    lake: Lake, referring: ModelDefinition, put: Put, machines: Machines
) -> None:
    if machines:
        put("failures", machines)
    staged = stage(lake, referring, "plan", {3: ["m1"]})
    assert reference_values(auditor(lake, referring).contract(staged, [])) is None


def test_the_dates_of_a_set_share_the_reference_values_of_all_of_them(
    lake: Lake, referring: ModelDefinition, put: Put
) -> None:
    put("failures", each(1, 6))
    staged = stage(lake, referring, "plan", {3: ["m1"], 5: ["m1"]})
    assert reference_values(auditor(lake, referring).contract(staged, [])) == ["m2", "m3", "m4", "m5"]


# ---- rows like another source's


@pytest.fixture
def like_rows(lake: Lake, edit: Edit) -> Callable[..., int | None]:
    """The number of rows that a set of the plan must have, as many as the failures; None if it is not checked."""
    definition = edit(PLAN, PLAN.replace("columns:", "rows: {min: 0, like: {source: failures}}\n    columns:"))

    def expected(machines: Machines, *siblings: Staged) -> int | None:
        staged = stage(lake, definition, "plan", machines)
        expectations = auditor(lake, definition).contract(staged, [staged, *siblings]).expectations
        bounds = [spec.bounds for spec in expectations if spec.kind == ROW_COUNT and "like" in spec.subject]
        assert all(least == most for least, most in bounds)
        return cast(int, bounds[0][0]) if bounds else None

    return expected


LikeRows = Callable[..., int | None]


def test_rows_are_compared_with_those_published_of_the_same_date(like_rows: LikeRows, put: Put) -> None:
    put("failures", {1: "a", 2: "abc"})
    assert like_rows({2: "a"}) == 3


def test_rows_are_compared_with_those_of_a_sibling_set(lake: Lake, tiny: ModelDefinition, like_rows: LikeRows) -> None:
    assert like_rows({2: "a"}, stage(lake, tiny, "failures", {2: "abcd"})) == 4


def test_a_sibling_set_replaces_the_published_date(
    lake: Lake, tiny: ModelDefinition, like_rows: LikeRows, put: Put
) -> None:
    put("failures", {2: "a"})
    assert like_rows({2: "a"}, stage(lake, tiny, "failures", {2: "abcd"})) == 4


def test_row_counts_are_not_compared_where_the_other_source_lacks_the_date(
    lake: Lake, tiny: ModelDefinition, like_rows: LikeRows, put: Put
) -> None:
    put("failures", {1: "a", 3: "abc"})
    assert like_rows({2: "a"}, stage(lake, tiny, "failures", {4: "abcd"})) is None


def test_a_set_of_several_dates_is_compared_with_all_of_them_or_with_none(like_rows: LikeRows, put: Put) -> None:
    put("failures", {1: "a", 2: "abc", 3: "ab"})
    assert (like_rows({2: "a", 3: "a"}), like_rows({3: "a", 4: "a"})) == (5, None)


def test_a_set_without_rows_is_compared_all_the_same(like_rows: LikeRows, put: Put) -> None:
    put("failures", {2: "abc"})
    assert like_rows({2: ""}) == 3


# ---- usual ranges


def test_the_history_is_read_from_the_same_weekdays_of_the_raw_table_with_the_weeks_of_each_column(
    lake: Lake, edit: Edit, put: Put
) -> None:
    definition = edit("min: 0, max: 1}", "min: 0, max: 1, usual: {of: [mean], weeks: 4}}")
    put("plan", {1 + 7 * week + offset: "abc" for week in range(6) for offset in (0, 1)})
    history = auditor(lake, definition)._history(
        raw_table(definition, "plan"), definition.sources["plan"].columns, stage(lake, definition, "plan", {36: "a"})
    )
    assert [distribution.rows for distribution in history["load"]] == [3] * 4


@pytest.mark.parametrize(("machines", "judged"), [({22: "a"}, True), ({22: "a", 23: "a"}, False), ({15: "a"}, False)])
def test_a_single_date_is_compared_with_its_usual_range_from_the_third_week_on(
    lake: Lake, edit: Edit, machines: Machines, judged: bool
) -> None:
    definition = edit("min: 0, max: 1}", "min: 0, max: 1, usual: {of: [mean]}}")
    spec = raw_table(definition, "plan")
    for number in (1, 8, 15):
        rows = {"source_date": [day(number)] * 2, "machine": ["a", "b"], "load": [0.4, 0.6]}
        data = pa.table(rows).cast(spec.schema)
        publish(lake, spec, stage_arrow(lake, spec, data, day(number), day(number), {}))
    contract = auditor(lake, definition).contract(stage(lake, definition, "plan", machines), [])
    assert any(spec.kind == MEAN for spec in contract.expectations) is judged


def test_as_many_features_are_expected_as_there_are_observations_of_their_dates(
    lake: Lake, tiny: ModelDefinition, put: Put
) -> None:
    put("plan", {1: "ab", 2: "abc", 3: "abcd", 4: "a"})
    spec = features_table(tiny)
    staged = stage_arrow(lake, spec, spec.schema.empty_table(), day(2), day(3), {})
    [rows] = [spec for spec in auditor(lake, tiny).contract(staged, []).expectations if spec.kind == ROW_COUNT]
    assert rows.bounds == (7, 7)


@pytest.mark.parametrize(
    ("published", "compared"),
    [((1, 6, 11, 16, 21), [6, 11, 16, 21]), ((1, 6, 11, 16, 19, 21), []), ((5, 6, 11, 12, 19), [5, 12, 19])],
)
def test_nights_that_no_week_repeats_are_compared_with_those_before_them_where_only_nights_land(
    lake: Lake, edit: Edit, put: Put, published: tuple[int, ...], compared: list[int]
) -> None:
    """Every fifth date is a night; a source that lands on other dates as well is compared with its weekdays."""
    changed = edit("min: 0, max: 1}", "min: 0, max: 1, usual: {of: [mean], weeks: 4}}")
    schedule = Schedule(timezone="UTC", cron="0 6 1-31/5 * *", start=day(1))
    definition, spec = changed.model_copy(update={"schedule": schedule}), raw_table(changed, "plan")
    put("plan", {number: ["a"] * number for number in published})
    history = auditor(lake, definition)._history(
        spec, definition.sources["plan"].columns, stage(lake, definition, "plan", {26: "a"})
    )
    assert [distribution.rows for distribution in history["load"]] == compared
