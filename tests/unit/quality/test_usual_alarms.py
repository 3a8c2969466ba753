"""What is usual, from rows to verdict: each statistic alarms on what it is for, and on no ordinary day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightshift.definition.checks import UsualValues
from nightshift.definition.source import Column, Source
from nightshift.lake.tables import Layer, TableSpec
from nightshift.quality.audit import audit_table
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import source_contract
from nightshift.quality.distributions import ColumnDistribution, column_distributions
from nightshift.quality.expectation import DISTINCT, MEAN, MIX, PRESENT, SPREAD
from nightshift.types import Check

DAY = date(2024, 1, 29)
USUAL = UsualValues()
SOURCE = Source(
    description="",
    path="{date}.csv",
    available={"after": "1h"},
    columns={
        "delay": Column(type="number", usual=USUAL),
        "stops": Column(type="integer", usual=USUAL),
        "rate": Column(type="number", usual=USUAL),
        "carrier": Column(type="string", usual=USUAL),
        "gate": Column(type="string", usual=USUAL),
        "flag": Column(type="boolean", usual=USUAL),
    },
)
TYPES = {name: str(column.type) for name, column in SOURCE.columns.items()}
SPEC = TableSpec(Layer.RAW, "x", {"source_date": "date"} | TYPES, "source_date", ())


def ordinary(seed: int, day: date = DAY, rows: int = 500) -> pa.Table:
    """A day of flights: delays in minutes of which some are missing, a rate that is always the same."""
    random = np.random.default_rng(seed)
    delay = pa.array(random.normal(12, 30, rows), mask=random.random(rows) < 0.05)
    columns = {
        "source_date": [day] * rows,
        "delay": delay,
        "stops": random.integers(0, 3, rows),
        "rate": [0.1] * rows,
        "carrier": random.choice(["UA", "AA", "DL", "B6"], rows, p=[0.4, 0.3, 0.2, 0.1]),
        "gate": [f"G{number}" for number in random.integers(0, 60, rows)],
        "flag": random.random(rows) < 0.3,
    }
    return pa.table(columns).cast(SPEC.schema)


@cache
def history() -> list[dict[str, ColumnDistribution]]:
    before = [DAY - timedelta(weeks=week) for week in range(1, 7)]
    return [column_distributions(ordinary(99 + n, day), SPEC, list(TYPES))[day] for n, day in enumerate(before)]


def alarms(rows: pa.Table, weeks: int = 6) -> list[Check]:
    """What does not hold of a day after some weeks of ordinary ones."""
    profiles = {name: [week[name] for week in history()[:weeks]] for name in TYPES}
    context = AuditContext(day=DAY, distributions=profiles)
    verdict = audit_table(source_contract("x", SOURCE, context), rows).verdict
    assert len(verdict.checks) == (18 if weeks >= 3 else 1)
    return list(verdict.failures)


@pytest.mark.parametrize("seed", range(4))
def test_an_ordinary_day_raises_no_alarm(seed: int) -> None:
    assert alarms(ordinary(seed)) == []


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_day_of_few_rows_without_variation_breaks_no_tool(rows: int) -> None:
    assert all("could not be checked" not in check.detail for check in alarms(ordinary(0, rows=rows)))


def test_whatever_a_day_is_like_nothing_is_expected_of_it_after_two_weeks() -> None:
    assert alarms(with_column("delay", lambda delay: pc.multiply(delay, 60.0))(ordinary(0)), weeks=2) == []


def with_column(name: str, change: Callable[[pa.Array], object]) -> Callable[[pa.Table], pa.Table]:
    def changed(rows: pa.Table) -> pa.Table:
        place, field = rows.column_names.index(name), SPEC.schema.field(name)
        return rows.set_column(place, field, [pa.array(change(rows[name].combine_chunks()), field.type)])

    return changed


def every(values: pa.Array, step: int, value: object) -> list[object]:
    """The values with every n-th one replaced."""
    return [value if number % step == 0 else original for number, original in enumerate(values.to_pylist())]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            with_column("delay", lambda delay: pc.divide(delay, 60.0)),
            [("delay", MEAN), ("delay", SPREAD)],
            id="hours instead of minutes",
        ),
        pytest.param(
            with_column("delay", lambda delay: pc.multiply(delay, 60.0)),
            [("delay", MEAN), ("delay", SPREAD)],
            id="seconds instead of minutes",
        ),
        pytest.param(
            with_column("delay", lambda delay: pc.add(delay, 40.0)),
            [("delay", MEAN)],
            id="an hour's zone",
        ),
        pytest.param(with_column("stops", lambda stops: [1] * len(stops)), [("stops", SPREAD)], id="a constant column"),
        pytest.param(
            with_column("stops", lambda stops: every(stops, 9, None)), [("stops", PRESENT)], id="a null flood"
        ),
        pytest.param(
            with_column("carrier", lambda carrier: every(carrier, 4, None)),
            [("carrier", PRESENT)],
            id="a null flood in a text, which leaves the mix of the others as it is",
        ),
        pytest.param(
            with_column("carrier", lambda carrier: every(carrier, 3, "XX")), [("carrier", MIX)], id="a new category"
        ),
        pytest.param(
            with_column("carrier", lambda carrier: [f"{value}{n % 5}" for n, value in enumerate(carrier.to_pylist())]),
            [("carrier", DISTINCT), ("carrier", MIX)],
            id="codes with a digit more",
        ),
        pytest.param(with_column("flag", pc.invert), [("flag", MIX)], id="a flag the other way round"),
        pytest.param(
            with_column("rate", lambda rate: [10.0] * len(rate)), [("rate", MEAN)], id="a constant that is another"
        ),
        pytest.param(
            with_column("gate", lambda gate: [value[:2] for value in gate.to_pylist()]),
            [("gate", DISTINCT), ("gate", MIX)],
            id="texts cut off",
        ),
    ],
)
def test_each_statistic_alarms_on_what_it_is_for_and_no_other_does(
    change: Callable[[pa.Table], pa.Table], expected: list[tuple[str, str]]
) -> None:
    checks = alarms(change(ordinary(7)))
    assert [(check.subject, check.name) for check in checks] == expected
    assert {check.severity for check in checks} == {"warn"}
