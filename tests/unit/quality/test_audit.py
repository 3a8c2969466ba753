from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from nightshift.definition.checks import RowCount
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Column, Source
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import read_staged, stage_arrow
from nightshift.lake.tables import TableSpec, features_table, raw_table, scores_table
from nightshift.quality.audit import audit_table
from nightshift.quality.compile import great_expectations
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import features_contract, scores_contract, source_contract
from nightshift.quality.expectation import Contract
from nightshift.types import Check, Verdict

DAY = date(2013, 7, 4)


def table(spec: TableSpec, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{spec.date_column: DAY, **row} for row in rows], schema=spec.schema)


def judged(contract: Contract, rows: pa.Table) -> Verdict:
    return audit_table(contract, rows).verdict


def failed(verdict: Verdict) -> list[Check]:
    assert verdict.outcome == ("fail" if verdict.failures else "pass")
    return list(verdict.failures)


@pytest.fixture
def small(flight_delay: ModelDefinition) -> Source:
    """The example's plan, in days of two to four flights, with a bound on one side."""
    schedule = flight_delay.sources["schedule"]
    columns = {**schedule.columns, "distance": Column(type="integer", required=True, min=1)}
    return schedule.model_copy(update={"rows": RowCount(min=2, max=4), "columns": columns, "rules": {}})


def flights(definition: ModelDefinition, *changes: dict[str, Any]) -> pa.Table:
    good = {
        "carrier": "UA",
        "flight": 1,
        "tailnum": None,
        "origin": "EWR",
        "dest": "ORD",
        "sched_dep_time": 600,
        "sched_arr_time": 800,
        "distance": 700,
    }
    return table(raw_table(definition, "schedule"), [{**good, "flight": n + 1, **c} for n, c in enumerate(changes)])


def test_good_rows_pass_every_check(flight_delay: ModelDefinition, small: Source) -> None:
    contract = source_contract("schedule", small)
    verdict = judged(contract, flights(flight_delay, {}, {"tailnum": "N101"}, {"origin": "JFK"}))
    assert failed(verdict) == []
    assert len(verdict.checks) == len(contract.expectations)
    assert verdict.rows == 3
    assert verdict.checks[-1].observed == 3.0


def test_great_expectations_computes_a_configuration_a_few_times_and_is_left_as_it_was(
    flight_delay: ModelDefinition, small: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = source_contract("schedule", small)
    great_expectations()
    from great_expectations.expectations.expectation import Expectation as Base

    computed: list[str] = []

    def compute(expectation: Any, real: Callable[[Any], Any] = Base.configuration.fget) -> Any:
        computed.append(expectation.expectation_type)
        return real(expectation)

    monkeypatch.setattr(Base, "configuration", property(compute))
    judged(contract, flights(flight_delay, {}, {"carrier": None}))
    assert len(contract.expectations) <= len(computed) <= 15 * len(contract.expectations)  # 45 times by itself
    assert Base.configuration.fget is compute


@pytest.mark.parametrize(
    ("changes", "subject", "observed", "detail"),
    [
        pytest.param([{}, {"carrier": None}], "carrier", 1, "carrier is missing in 1 row", id="a missing text"),
        pytest.param(
            [{"distance": None}, {"distance": None}],
            "distance",
            2,
            "distance is missing in 2 rows",
            id="missing integers",
        ),
        pytest.param(
            [{}, {"flight": 10_000}, {"flight": 0}],
            "flight",
            2,
            "flight has 2 values outside 1 to 9999, first 10000",
            id="integers out of bounds",
        ),
        pytest.param(
            [{}, {"distance": 0}],
            "distance",
            1,
            "distance has 1 value below 1, first 0",
            id="an integer below the only bound",
        ),
        pytest.param(
            [{"origin": "LAX"}, {"origin": "SFO"}, {}],
            "origin",
            2,
            "origin has 2 values outside the 3 allowed, first 'LAX'",
            id="values that are not allowed",
        ),
        pytest.param([{}], "rows", 1, "1 rows, expected 2 to 4", id="too few rows"),
        pytest.param([{}] * 5, "rows", 5, "5 rows, expected 2 to 4", id="too many rows"),
    ],
)
def test_bad_rows_fail_with_what_how_many_and_the_first(
    flight_delay: ModelDefinition,
    small: Source,
    changes: list[dict[str, Any]],
    subject: str,
    observed: float,
    detail: str,
) -> None:
    verdict = judged(source_contract("schedule", small), flights(flight_delay, *changes))
    [check] = failed(verdict)
    assert (check.subject, check.observed, check.detail) == (subject, observed, detail)
    assert verdict.summary() == (f"raw.schedule: 1 of {len(verdict.checks)} checks failed: {detail}")


def test_rows_with_the_same_key_fail_with_the_key_and_the_first(flight_delay: ModelDefinition, small: Source) -> None:
    verdict = judged(source_contract("schedule", small), flights(flight_delay, {"flight": 7}, {"flight": 7}, {}))
    [check] = failed(verdict)
    assert check.subject == "source_date + carrier + flight + origin + dest"
    assert check.observed == 2
    assert check.detail == (
        "source_date + carrier + flight + origin + dest is the same in 2 rows, "
        "first source_date 2013-07-04, carrier UA, flight 7, origin EWR, dest ORD"
    )


def test_every_check_is_made_even_if_the_first_one_fails(flight_delay: ModelDefinition, small: Source) -> None:
    rows = flights(flight_delay, {"carrier": None, "origin": "LAX", "distance": 0})
    verdict = judged(source_contract("schedule", small), rows)
    assert [check.subject for check in failed(verdict)] == ["carrier", "origin", "distance", "rows"]
    assert verdict.outcome == "fail"


def test_missing_values_break_no_bound(tiny: ModelDefinition, flight_delay: ModelDefinition) -> None:
    spec = raw_table(flight_delay, "planes")
    rows = table(spec, [{"tailnum": "N1", "year": None}, {"tailnum": "N2", "year": 2000}])
    planes = flight_delay.sources["planes"].model_copy(update={"rows": RowCount()})
    assert failed(judged(source_contract("planes", planes), rows)) == []


def test_a_number_that_is_not_a_number_is_missing(tiny: ModelDefinition) -> None:
    rows = table(raw_table(tiny, "plan"), [{"machine": "a", "load": float("nan")}, {"machine": "b", "load": 0.5}])
    [check] = failed(judged(source_contract("plan", tiny.sources["plan"]), rows))
    assert (check.subject, check.observed) == ("load", 1.0)


def test_an_infinite_number_is_out_of_bounds(tiny: ModelDefinition) -> None:
    rows = table(raw_table(tiny, "plan"), [{"machine": "a", "load": float("inf")}, {"machine": "b", "load": 0.5}])
    [check] = failed(judged(source_contract("plan", tiny.sources["plan"]), rows))
    assert check.detail == "load has 1 value outside 0 to 1, first inf"


def test_the_same_key_on_different_days_is_no_duplicate(tiny: ModelDefinition) -> None:
    spec = raw_table(tiny, "plan")
    rows = [{"source_date": date(2024, 1, n), "machine": "a", "load": 0.5} for n in (1, 2)]
    data = pa.Table.from_pylist(rows, schema=spec.schema)
    assert failed(judged(source_contract("plan", tiny.sources["plan"], AuditContext(days=2)), data)) == []


def test_no_rows_at_all_fail_only_because_rows_were_expected(tiny: ModelDefinition) -> None:
    empty = raw_table(tiny, "plan").schema.empty_table()
    [check] = failed(judged(source_contract("plan", tiny.sources["plan"]), empty))
    assert (check.subject, check.detail) == ("rows", "0 rows, expected at least 1")


def test_no_rows_pass_where_the_definition_allows_none(flight_delay: ModelDefinition) -> None:
    empty = raw_table(flight_delay, "weather").schema.empty_table()
    assert failed(judged(source_contract("weather", flight_delay.sources["weather"]), empty)) == []


def test_a_day_without_rows_passes_as_it_comes_out_of_staging(lake: Lake, flight_delay: ModelDefinition) -> None:
    spec = raw_table(flight_delay, "weather")
    staged = stage_arrow(lake, spec, spec.schema.empty_table(), DAY, DAY, {})
    assert failed(judged(source_contract("weather", flight_delay.sources["weather"]), read_staged(staged, spec))) == []


def test_a_column_may_be_called_rows(tiny: ModelDefinition) -> None:
    plan = tiny.sources["plan"]
    renamed = plan.model_copy(update={"columns": {"machine": plan.columns["machine"], "rows": plan.columns["load"]}})
    data = pa.table({"source_date": [DAY, DAY], "machine": ["a", "b"], "rows": [0.5, 7.0]})
    [check] = failed(judged(source_contract("plan", renamed), data))
    assert check.detail == "rows has 1 value outside 0 to 1, first 7.0"


def test_a_rate_beyond_one_and_a_lost_observation_fail(tiny: ModelDefinition) -> None:
    rows = [{"machine": "a", "machine_failures_3d": 0.0}, {"machine": "b", "machine_failures_3d": 1.5}]
    verdict = judged(features_contract(tiny, AuditContext(observations=3)), table(features_table(tiny), rows))
    assert [(check.subject, check.detail) for check in failed(verdict)] == [
        ("machine_failures_3d", "machine_failures_3d has 1 value outside 0 to 1, first 1.5"),
        ("rows", "2 rows, expected 3"),
    ]


def test_predicted_numbers_may_be_any_but_have_to_be_finite(of_number: Callable[..., ModelDefinition]) -> None:
    definition, good = of_number(), {"model_version": 1, "features_snapshot": 7}
    scores = {"a": -40.5, "b": 1e12, "c": float("inf"), "d": float("-inf"), "e": float("nan")}
    rows = [{"machine": name, "score": score, **good} for name, score in scores.items()]
    contract = scores_contract(definition, AuditContext(observations=5))
    verdict = judged(contract, table(scores_table(definition), rows))
    assert [check.detail for check in failed(verdict)] == [
        "score is missing in 1 row",
        "score has 2 values that are no finite number, first inf",
    ]
    two = scores_contract(definition, AuditContext(observations=2))
    assert judged(two, table(scores_table(definition), rows[:2])).outcome == "pass"


def test_scores_that_are_no_probabilities_or_come_twice_fail(tiny: ModelDefinition) -> None:
    good = {"model_version": 1, "features_snapshot": 7}
    rows = [
        {"machine": "a", "score": 0.0, **good},
        {"machine": "b", "score": -0.1, **good},
        {"machine": "c", "score": None, **good},
        {"machine": "d", "score": 1.0, "features_snapshot": 7},
        {"machine": "d", "score": 1.0, **good},
    ]
    verdict = judged(scores_contract(tiny, AuditContext(observations=5)), table(scores_table(tiny), rows))
    assert [(check.subject, check.observed) for check in failed(verdict)] == [
        ("score", 1.0),
        ("model_version", 1.0),
        ("score", 1.0),
        ("score_date + machine", 2.0),
    ]
