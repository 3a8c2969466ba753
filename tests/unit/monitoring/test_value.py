from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.definition.value import Value
from nightshift.errors import DefinitionError, TerminalError
from nightshift.monitoring.value import (
    naive_value,
    sum_values,
    value_columns,
    value_measurements,
    values_by_decision,
)
from unit.conftest import Edit
from unit.tables import day

MACHINES = ["a", "b", "c", "d"]
REPAIR = Value(
    decision="score >= 0.5",
    expression="case when decision then (case when failed then 10 else -2 end) when failed then -5 else 0 end",
    naive="observation.load > 0.6",
)


def valued(tiny: ModelDefinition, value: Value = REPAIR) -> ModelDefinition:
    return tiny.model_copy(update={"monitoring": tiny.monitoring.model_copy(update={"value": value})})


def table(**columns: Any) -> pa.Table:
    dates = pa.array([day(1)] * len(next(iter(columns.values()))), pa.date32())
    return pa.table({"score_date": dates, **columns})


def scored(*scores: float) -> pa.Table:
    return table(machine=MACHINES[: len(scores)], score=pa.array(scores, pa.float64()))


def labels(*failed: bool | None) -> pa.Table:
    outcomes = [(name, outcome) for name, outcome in zip(MACHINES, failed, strict=False) if outcome is not None]
    return table(
        machine=pa.array([name for name, _ in outcomes], pa.string()),
        label=pa.array([float(outcome) for _, outcome in outcomes], pa.float64()),
        failed=pa.array([outcome for _, outcome in outcomes], pa.bool_()),
    )


OBSERVED = table(machine=MACHINES, load=[0.9, 0.2, 0.7, 0.1]).rename_columns(["source_date", "machine", "load"])


def measured(definition: ModelDefinition, scored: dict[str, pa.Table], labels: pa.Table) -> dict[str, Any]:
    versions = {name: place for place, name in enumerate(scored, 1)}
    measurements = value_measurements(sum_values(definition, scored, labels, OBSERVED), versions)
    return {row.subject: row for row in measurements if row.statistic == "value"}


def test_the_value_of_a_small_night(tiny: ModelDefinition) -> None:
    """Repaired are a and b by the champion, only a by the challenger, a and c by the naive policy; a and c fail."""
    outcomes = labels(True, False, True, False)
    values = measured(
        valued(tiny), {"champion": scored(0.8, 0.6, 0.4, 0.1), "challenger 2": scored(0.8, 0.4, 0.4, 0.1)}, outcomes
    )
    assert {subject: row.value for subject, row in values.items()} == {
        "champion": 10 - 2 - 5 + 0, "challenger 2": 10 + 0 - 5 + 0, "naive": 10 + 0 + 10 + 0,
    }  # fmt: skip
    assert {subject: row.model_version for subject, row in values.items()} == {
        "champion": 1,
        "challenger 2": 2,
        "naive": None,
    }
    assert values["champion"].detail == "decided for 2 of 4 rows"
    totals = sum_values(valued(tiny), {"champion": scored(0.8, 0.6, 0.4, 0.1)}, outcomes, OBSERVED)
    each = value_measurements(totals, {"champion": 1})
    assert [(row.subject, row.value) for row in each if row.statistic == "value_per_row"] == [
        ("champion", 0.75), ("naive", 5.0),
    ]  # fmt: skip


def test_what_each_row_is_worth_with_the_decision_and_without_it(tiny: ModelDefinition) -> None:
    """Of any threshold, the sum of both is the value of the decisions that it makes."""
    outcomes, scores = labels(True, False, True, None), (0.8, 0.6, 0.4, 0.1)
    by_decision = values_by_decision(valued(tiny), scored(*scores), outcomes, OBSERVED)
    assert by_decision.to_pylist() == [
        {"score_date": day(1), "score": score, "decided": decided, "otherwise": otherwise}
        for score, decided, otherwise in ((0.4, 10, -5), (0.6, -2, 0), (0.8, 10, -5))
    ]
    for threshold in (0.0, 0.5, 0.7, 1.0):
        decision = {"decision": f"score >= {threshold}"}
        by_threshold = valued(tiny, Value(**REPAIR.model_dump(exclude={"decision"}), **decision))
        total = sum_values(by_threshold, {"champion": scored(*scores)}, outcomes, OBSERVED)["champion"]
        rows = by_decision.to_pylist()
        assert total.value == sum(row["decided" if row["score"] >= threshold else "otherwise"] for row in rows)
    assert naive_value(valued(tiny), scored(*scores), outcomes, OBSERVED) == 20


def test_a_versions_own_decisions_are_valued_and_those_of_a_version_without_a_threshold_are_not(
    tiny: ModelDefinition,
) -> None:
    definition = valued(tiny, Value(**REPAIR.model_dump(exclude={"decision"}), decision={"threshold": "best"}))
    assert definition.scored_columns == {"score": "number", "decision": "boolean"}
    decided = scored(0.8, 0.6, 0.4, 0.1).append_column("decision", pa.array([True, None, False, None], pa.bool_()))
    total = sum_values(definition, {"champion": decided}, labels(True, False, True, False), OBSERVED)
    assert (total["champion"].value, total["champion"].positive, total["champion"].unvalued) == (10 - 5, 1, 0)


def test_rows_without_a_label_have_no_value_and_are_not_counted(tiny: ModelDefinition) -> None:
    values = measured(valued(tiny), {"champion": scored(0.8, 0.6, 0.4, 0.1)}, labels(True, None, None, False))
    assert (values["champion"].value, values["champion"].sample_size) == (10, 2)


@pytest.mark.parametrize("rows", [scored(), scored(0.8, 0.6)])
def test_a_night_without_labels_has_an_unknown_value(tiny: ModelDefinition, rows: pa.Table) -> None:
    values = measured(valued(tiny), {"champion": rows}, labels())
    assert [(subject, row.value, row.verdict, row.sample_size) for subject, row in values.items()] == [
        ("champion", None, "unknown", 0), ("naive", None, "unknown", 0),
    ]  # fmt: skip


def test_a_row_may_have_no_value(tiny: ModelDefinition) -> None:
    value = REPAIR.model_copy(update={"expression": "case when label then 3 end"})
    values = measured(valued(tiny, value), {"champion": scored(0.8, 0.6, 0.4)}, labels(True, False, True))
    assert (values["champion"].value, values["champion"].sample_size) == (6, 2)
    assert values["champion"].detail == "decided for 2 of 3 rows; 1 have no value"


def test_a_decision_may_be_a_number(tiny: ModelDefinition) -> None:
    value = Value(decision="round(10 * score)", expression="decision - observation.load", naive="5")
    values = measured(valued(tiny, value), {"champion": scored(0.8, 0.6)}, labels(True, False))
    assert values["champion"].value == pytest.approx(8 + 6 - 0.9 - 0.2)
    assert values["naive"].value == pytest.approx(5 + 5 - 0.9 - 0.2)
    assert values["champion"].detail == ""


def test_what_fails_only_when_it_is_computed_names_the_definition(tiny: ModelDefinition) -> None:
    value = REPAIR.model_copy(update={"expression": "cast(machine as integer)"})
    with pytest.raises(TerminalError, match=r"model\.yaml: monitoring\.value: the value cannot be computed"):
        measured(valued(tiny, value), {"champion": scored(0.8)}, labels(True))


def test_only_the_columns_that_the_value_looks_at_are_read(flight_delay: ModelDefinition) -> None:
    value = Value(decision="true", expression="ARR_delay + observation.distance", naive="false")
    assert value_columns(valued(flight_delay, value)) == ("arr_delay",)
    assert value_columns(flight_delay.model_copy(update={"monitoring": valued(flight_delay).monitoring})) == ()


GOOD = "value: {decision: score >= 0.5, expression: case when decision and failed then 1 else 0 end, naive: 'false'}"


def test_a_value_is_declared(edit: Edit) -> None:
    value = edit("monitoring:\n", f"monitoring:\n  {GOOD}\n").monitoring.value
    assert value is not None and value.decision.expression == "score >= 0.5"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("score >= 0.5", "scor >= 0.5", r"monitoring\.value\.decision: no such column in >>>scor<<<.*write 'score'"),
        ("score >= 0.5", "label", r"monitoring\.value\.decision: no such column in >>>label<<<"),
        ("score >= 0.5", "failed", r"monitoring\.value\.decision: no such column"),
        ("'false'", "score > 1", r"monitoring\.value\.naive: no such column in >>>score<<<"),
        ("and failed", "and load > 1", r"monitoring\.value\.expression: no such column in .*>>>load<<<"),
        ("and failed", "and observation.lod > 1", r"no such field in .*>>>lod<<<.*write 'load'"),
        ("and failed", "and random() > 1", r"monitoring\.value\.expression: "),
        ("then 1", "then sum(1)", r"monitoring\.value\.expression: "),
        ("score >= 0.5", "score >=", r"monitoring\.value\.decision: not valid SQL"),
        (", naive: 'false'", "", r"monitoring\.value\.naive: missing key"),
        (
            "score >= 0.5",
            "{threshold: high}",
            r"monitoring\.value\.decision\.threshold: no threshold.*'high'.*best, or a number",
        ),
        ("score >= 0.5", "{threshold: true}", r"monitoring\.value\.decision\.threshold: no threshold"),
        ("score >= 0.5", "{threshold: 0.5, expression: score > 0}", r"monitoring\.value\.decision: not one way"),
        ("score >= 0.5", "{}", r"monitoring\.value\.decision: not one way to decide.*{threshold: best}"),
        ("score >= 0.5", "5", r"monitoring\.value\.decision: "),
        ("decision:", "decison:", r"monitoring\.value\.decison: unknown key.*write 'decision'"),
    ],
)
def test_an_invalid_value_is_refused_when_it_is_read(edit: Edit, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(DefinitionError, match=says):
        edit("monitoring:\n", f"monitoring:\n  {GOOD.replace(old, new)}\n")


def test_a_column_of_the_label_source_must_not_have_a_reserved_name(edit: Edit) -> None:
    edit("failed: {type: boolean}", "failed: {type: boolean}\n      score: {type: number}")
    with pytest.raises(DefinitionError, match=r"monitoring\.value: 'failures' has a column of this name.*'score'"):
        edit("monitoring:\n", f"monitoring:\n  {GOOD}\n")
