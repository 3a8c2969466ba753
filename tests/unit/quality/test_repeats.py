"""Files that are another date's, byte for byte, once more."""

from __future__ import annotations

from datetime import date

import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table, raw_table
from nightshift.quality.auditor import REMEMBERED_DATES
from nightshift.types import Check, Staged
from unit.conftest import Edit
from unit.quality.staged_machines import Machines, auditor, stage

PLAN = "available: {after: 1h}\n    key: [machine]\n    repeats: allow"


@pytest.fixture
def looking(edit: Edit) -> ModelDefinition:
    """The files of the plan may not be another date's."""
    return edit(PLAN, PLAN.removesuffix("\n    repeats: allow"))


def put(lake: Lake, definition: ModelDefinition, machines: Machines, **inputs: str) -> None:
    publish(lake, raw_table(definition, "plan"), stage(lake, definition, "plan", machines, **inputs))


def checked(lake: Lake, definition: ModelDefinition, staged: Staged) -> Check:
    [check] = auditor(lake, definition).file_checks(staged)
    assert (check.name, check.subject) == ("ExpectFileToBeNew", "file")
    return check


def test_a_file_that_no_date_had_passes(lake: Lake, looking: ModelDefinition) -> None:
    put(lake, looking, {1: "a", 2: "a"}, d1="one", d2="two")
    check = checked(lake, looking, stage(lake, looking, "plan", {3: "a"}, d3="three"))
    assert (check.passed, check.observed, check.detail) == (True, 0.0, "")


def test_yesterdays_file_under_todays_name_fails_and_names_both(lake: Lake, looking: ModelDefinition) -> None:
    put(lake, looking, {1: "a", 2: "a"}, d1="one", d2="two")
    check = checked(lake, looking, stage(lake, looking, "plan", {3: "a"}, d3="two"))
    assert (check.passed, check.observed, check.severity) == (False, 1.0, "fail")
    assert check.detail == "the file of 2024-01-03 is the same as that of 2024-01-02"


def test_a_file_of_a_later_date_is_another_dates_as_well(lake: Lake, looking: ModelDefinition) -> None:
    put(lake, looking, {5: "a"}, d5="five")
    assert not checked(lake, looking, stage(lake, looking, "plan", {3: "a"}, d3="five")).passed


@pytest.mark.parametrize(("digest", "passed"), [("file 1", True), ("file 2", False)])
def test_the_fourteen_newest_other_dates_are_remembered(
    lake: Lake, looking: ModelDefinition, digest: str, passed: bool
) -> None:
    assert REMEMBERED_DATES == 14
    dates = range(1, 16)
    put(lake, looking, dict.fromkeys(dates, "a"), **{f"d{number}": f"file {number}" for number in dates})
    assert checked(lake, looking, stage(lake, looking, "plan", {16: "a"}, d16=digest)).passed is passed


def test_of_two_files_in_one_set_the_later_is_the_earlier_ones(lake: Lake, looking: ModelDefinition) -> None:
    machines = dict.fromkeys((1, 2, 3, 4), "a")
    check = checked(lake, looking, stage(lake, looking, "plan", machines, d1="x", d2="y", d3="x", d4="z"))
    assert (check.observed, check.detail) == (1.0, "the file of 2024-01-03 is the same as that of 2024-01-01")


def test_many_repeated_files_are_counted_and_the_first_three_told(lake: Lake, looking: ModelDefinition) -> None:
    machines = dict.fromkeys(range(1, 6), "a")
    check = checked(lake, looking, stage(lake, looking, "plan", machines, **{f"d{number}": "x" for number in machines}))
    assert check.observed == 4
    assert check.detail.split("; ") == [
        f"the file of 2024-01-0{number} is the same as that of 2024-01-01" for number in (2, 3, 4)
    ]


def test_a_date_that_lands_again_is_compared_with_the_others_but_not_with_itself(
    lake: Lake, looking: ModelDefinition
) -> None:
    put(lake, looking, {1: "a", 2: "a", 3: "a"}, d1="one", d2="two", d3="three")
    assert checked(lake, looking, stage(lake, looking, "plan", {2: "a"}, d2="two")).passed
    check = checked(lake, looking, stage(lake, looking, "plan", {2: "a"}, d2="three"))
    assert check.detail == "the file of 2024-01-02 is the same as that of 2024-01-03"


def test_dates_that_are_replaced_together_are_not_compared_with_what_they_were(
    lake: Lake, looking: ModelDefinition
) -> None:
    put(lake, looking, {1: "a", 2: "a"}, d1="x", d2="y")
    assert checked(lake, looking, stage(lake, looking, "plan", {1: "a", 2: "a"}, d1="y", d2="x")).passed


def test_a_date_is_remembered_by_the_file_it_was_published_from_last(lake: Lake, looking: ModelDefinition) -> None:
    put(lake, looking, {1: "a"}, d1="one")
    put(lake, looking, {1: "ab"}, d1="corrected")
    assert checked(lake, looking, stage(lake, looking, "plan", {2: "a"}, d2="one")).passed
    assert not checked(lake, looking, stage(lake, looking, "plan", {2: "a"}, d2="corrected")).passed


def test_files_without_a_row_are_alike_and_may_be(lake: Lake, looking: ModelDefinition) -> None:
    put(lake, looking, {1: "", 2: "a"}, d1="empty", d2="two")
    assert checked(lake, looking, stage(lake, looking, "plan", {3: ""}, d3="empty")).passed
    assert checked(lake, looking, stage(lake, looking, "plan", {3: "", 4: "", 5: "a"}, d3="e", d4="e", d5="x")).passed


def test_a_repeated_file_may_only_be_worth_a_warning(lake: Lake, edit: Edit) -> None:
    definition = edit(PLAN, PLAN.replace("allow", "warn"))
    put(lake, definition, {1: "a"}, d1="one")
    check = checked(lake, definition, stage(lake, definition, "plan", {2: "a"}, d2="one"))
    assert (check.passed, check.outcome) == (False, "warn")


def test_a_source_that_may_repeat_itself_is_not_looked_at(lake: Lake, tiny: ModelDefinition) -> None:
    put(lake, tiny, {1: "a"}, d1="one")
    assert auditor(lake, tiny).file_checks(stage(lake, tiny, "plan", {2: "a"}, d2="one")) == []


def test_an_irregular_source_is_not_looked_at(lake: Lake, looking: ModelDefinition) -> None:
    plan = looking.sources["plan"].model_copy(update={"cadence": "irregular"})
    irregular = looking.model_copy(update={"sources": {**looking.sources, "plan": plan}})
    put(lake, irregular, {1: "a"}, d1="one")
    assert auditor(lake, irregular).file_checks(stage(lake, irregular, "plan", {2: "a"}, d2="one")) == []


def test_what_was_made_from_no_file_is_not_looked_at(lake: Lake, looking: ModelDefinition) -> None:
    spec, day = features_table(looking), date(2024, 1, 1)
    staged = stage_arrow(lake, spec, spec.schema.empty_table(), day, day, {"raw.plan": "7"})
    assert auditor(lake, looking).file_checks(staged) == []


def test_of_two_sets_of_one_night_the_later_is_the_earlier_ones(lake: Lake, looking: ModelDefinition) -> None:
    """A night after some days without one stages a set a date."""
    files = {1: "x", 2: "y", 3: "x"}
    sets = [stage(lake, looking, "plan", {day: "a"}, **{f"d{day}": digest}) for day, digest in files.items()]
    checks = [check for staged in sets for check in auditor(lake, looking).file_checks(staged, sets)]
    assert [check.detail for check in checks] == ["", "", "the file of 2024-01-03 is the same as that of 2024-01-01"]
