"""The contracts of features and scores: the declared checks, and scores that are spread as on the holdout."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.definition.checks import (
    ColumnChecks,
    CustomExpectation,
    Quality,
    ReferenceDistance,
    RowRule,
    ScoreChecks,
    TableChecks,
    UsualValues,
)
from nightshift.definition.model import ModelDefinition
from nightshift.lake.tables import features_table, scores_table
from nightshift.monitoring.profile import learn_bins, profile_rows
from nightshift.quality.audit import audit_table
from nightshift.quality.computed import computed_columns
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import features_contract, scores_contract
from nightshift.quality.distributions import ColumnDistribution
from nightshift.quality.expectation import MEAN, MIX, PRESENT, ComputedColumn, Contract
from nightshift.registry.bins import NumberBins
from nightshift.registry.reference import ReferenceColumn
from nightshift.types import Check
from unit.examples import examples

DAY = date(2024, 1, 1)


def with_quality(definition: ModelDefinition, **parts: Any) -> ModelDefinition:
    return definition.model_copy(update={"quality": Quality(**parts)})


def features(definition: ModelDefinition, *rows: dict[str, Any]) -> pa.Table:
    good = {"score_date": DAY, "machine": "a", "busy": 0.5, "kind": "x", "machine_failures_3d": 0.5}
    listed = [good | {"machine": f"m{number}"} | row for number, row in enumerate(rows)]
    return pa.Table.from_pylist(listed, schema=features_table(definition).schema)


def scores(definition: ModelDefinition, *values: float | None) -> pa.Table:
    fixed = {"score_date": DAY, "model_version": 1, "features_snapshot": 1, "scored_at": None}
    listed = [fixed | {"machine": f"m{number}", "score": value} for number, value in enumerate(values)]
    return pa.Table.from_pylist(listed, schema=scores_table(definition).schema)


def failed(contract: Contract, rows: pa.Table) -> list[Check]:
    return list(audit_table(contract, rows).verdict.failures)


# ---- declared checks


def test_declared_columns_rules_and_expectations_of_features_are_checked(tiny: ModelDefinition) -> None:
    median = {"column": "busy", "max_value": 0.6}
    checks = TableChecks(
        columns={"busy": ColumnChecks(min=0, max=1, severity="warn"), "kind": ColumnChecks(values=("x", "y"))},
        rules={"busy_or_new": RowRule(expression="busy > 0 or machine_failures_3d = 0.5", severity="warn")},
        expectations=(CustomExpectation(type="ExpectColumnMedianToBeBetween", arguments=median, severity="warn"),),
    )
    definition = with_quality(tiny, features=checks)
    rows = [{"busy": 1.5}, {"kind": "z", "busy": 0.9}, {"busy": 0.0, "machine_failures_3d": 0.1}]
    failures = failed(features_contract(definition, AuditContext(observations=3)), features(definition, *rows))
    assert [(check.subject, check.severity, check.detail) for check in failures] == [
        ("busy", "warn", "busy has 1 value outside 0 to 1, first 1.5"),
        ("kind", "fail", "kind has 1 value outside the 2 allowed, first 'z'"),
        (
            "busy_or_new",
            "warn",
            "busy_or_new does not hold in 1 row: busy > 0 or machine_failures_3d = 0.5, "
            "first busy 0.0, machine_failures_3d 0.1",
        ),
        ("busy", "warn", "ExpectColumnMedianToBeBetween of busy does not hold: observed 0.9"),
    ]


def test_a_feature_that_is_not_a_number_is_missing(tiny: ModelDefinition) -> None:
    definition = with_quality(tiny, features=TableChecks(columns={"busy": ColumnChecks(required=True)}))
    rows = features(definition, {"busy": float("nan")}, {})
    [check] = failed(features_contract(definition, AuditContext(observations=2)), rows)
    assert check.detail == "busy is missing in 1 row"


def test_only_features_of_a_single_date_are_compared_with_the_usual_range(tiny: ModelDefinition) -> None:
    definition = with_quality(
        tiny, features=TableChecks(columns={"busy": ColumnChecks(usual=UsualValues(of=("mean", "missing")))})
    )
    profiles = {"busy": [ColumnDistribution(100, 0, 0.5, 0.1)] * 3}
    kinds = [
        {
            spec.kind
            for spec in features_contract(definition, AuditContext(day=day, distributions=profiles)).expectations
        }
        for day in (DAY, None)
    ]
    assert kinds[0] - kinds[1] == {MEAN, PRESENT}


def test_declared_rules_of_scores_are_checked(tiny: ModelDefinition) -> None:
    rule = RowRule(expression="score < 0.9 or model_version > 1")
    definition = with_quality(tiny, scores=ScoreChecks(rules={"sure": rule}))
    [check] = failed(scores_contract(definition, AuditContext(observations=2)), scores(definition, 0.1, 0.95))
    assert check.detail.startswith("sure does not hold in 1 row")
    assert check.detail.endswith("first score 0.95, model_version 1")


# ---- scores compared with the holdout

EDGES = st.lists(st.floats(0, 1), max_size=9, unique=True).map(sorted)


@pytest.mark.slow
@examples(max_examples=60)
@given(EDGES, st.lists(st.none() | st.floats(0, 1), max_size=20))
def test_a_score_falls_where_numpy_would_place_it_also_on_an_edge(
    edges: list[float], values: list[float | None]
) -> None:
    values = [*values, *edges, *np.nextafter(edges, 2).tolist(), *np.nextafter(edges, -1).tolist()]
    expected = [None if value is None else str(np.searchsorted(edges, value, side="left")) for value in values]
    assert bins(edges, values) == expected


def bins(edges: Sequence[float], values: list[float | None]) -> list[str | None]:
    """The bin of each score as an audit computes it."""
    from nightshift.quality.contract import _bin

    rows = pa.table({"score": pa.array(values, pa.float64())})
    return list(computed_columns(rows, {"bin": ComputedColumn(_bin(edges), ("score",))})["bin"].to_pylist())


def test_the_bins_are_those_in_which_the_holdout_was_counted() -> None:
    values = pa.chunked_array([np.random.default_rng(3).beta(2, 5, 1000).round(2)])
    rows = pa.table({"score": values})
    reference = learn_bins(rows, {"score": "number"})["score"]
    assert isinstance(reference, NumberBins)
    placed = bins(reference.edges, values.to_pylist())
    counts = [placed.count(str(place)) for place in range(len(reference.edges) + 1)]
    assert [*counts, 0, 0] == profile_rows(rows, {"score": reference}).counts["score"].tolist()


def against_holdout(tiny: ModelDefinition, *values: float | None, **reference: Any) -> Check:
    """The check of scores against a holdout of which a quarter lies below 0.25, a quarter above 0.75."""
    definition = with_quality(tiny, scores=ScoreChecks(reference=ReferenceDistance(**reference)))
    holdout = ReferenceColumn(NumberBins((0.25, 0.75)), (25, 50, 25, 0))
    contract = scores_contract(definition, AuditContext(observations=len(values), scores=holdout))
    [check] = [
        check for check in audit_table(contract, scores(definition, *values)).verdict.checks if check.name == MIX
    ]
    return check


def test_scores_as_on_the_holdout_pass(tiny: ModelDefinition) -> None:
    check = against_holdout(tiny, 0.1, 0.5, 0.75, 0.9)
    assert (check.subject, check.passed, check.observed) == ("score", True, 0.0)


def test_scores_in_other_bins_are_reported_with_the_bin(tiny: ModelDefinition) -> None:
    check = against_holdout(tiny, 0.9, 0.9, 0.9, 0.9)
    assert (check.passed, check.observed, check.severity) == (False, 0.75, "warn")
    assert check.detail == (
        "75.0% of the values of score differ from the scores of the holdout, at most 50.0% may; "
        "the largest difference is '2': 100.0% instead of 25.0%"
    )


@pytest.mark.parametrize(("distance", "passed"), [(0.75, True), (0.74, False)])
def test_the_declared_share_of_scores_may_lie_in_other_bins(
    tiny: ModelDefinition, distance: float, passed: bool
) -> None:
    check = against_holdout(tiny, 0.9, 0.9, distance=distance, severity="fail")
    assert (check.passed, check.severity) == (passed, "fail")


def test_a_version_without_holdout_scores_is_not_compared_with_them(tiny: ModelDefinition) -> None:
    kinds = [spec.kind for spec in scores_contract(tiny, AuditContext(observations=1)).expectations]
    assert MIX not in kinds


def test_a_night_without_scores_is_like_any_holdout(tiny: ModelDefinition) -> None:
    assert against_holdout(tiny).passed
