from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from nightshift.definition.checks import UsualValues
from nightshift.profiling.alarms import alarms, propose_usual, propose_usual_rows, row_ratios
from nightshift.quality.distributions import ColumnDistribution

FIRST = date(2024, 1, 1)
DAYS = 70


def days(distributions: list[ColumnDistribution]) -> dict[date, ColumnDistribution]:
    return {FIRST + timedelta(days=n): distribution for n, distribution in enumerate(distributions)}


def numbers(*odd: float, missing: int = 0) -> dict[date, ColumnDistribution]:
    """A column with a mean near 10 on each date, and the odd means on the last ones."""
    luck = random.Random(1)
    means = [luck.gauss(10, 0.1) for _ in range(DAYS - len(odd))]
    return days([ColumnDistribution(100, missing, mean, 1.0) for mean in [*means, *odd]])


def test_the_fewest_deviations_without_alarms_are_proposed() -> None:
    assert propose_usual("x", "number", numbers(), ["mean", "spread"]).value == "warn"  # type: ignore[union-attr]
    proposed = propose_usual("x", "number", numbers(11.8), ["mean", "spread"])
    assert proposed is not None
    assert proposed.value == {"deviations": 10}
    assert proposed.evidence == "0 of 49 dates outside the range of the same weekdays before"


def test_a_statistic_that_alarms_often_is_left_out() -> None:
    proposed = propose_usual("x", "number", numbers(90.0, missing=5), ["missing", "mean", "spread"])
    assert proposed is not None and proposed.value == {"of": ["missing", "spread"]}
    assert propose_usual("x", "number", numbers(90.0), ["mean"]) is None


def test_nothing_is_usual_after_less_than_five_weeks() -> None:
    few = dict(list(numbers().items())[:34])
    assert propose_usual("x", "number", few, ["mean"]) is None
    assert propose_usual("x", "number", dict(list(numbers().items())[:35]), ["mean"]) is not None
    assert propose_usual("x", "number", numbers(), []) is None


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        ("number", ColumnDistribution(100, 0, 90.0, 1.0)),
        ("number", ColumnDistribution(100, 0, 10.0, 50.0)),
        ("number", ColumnDistribution(100, 60, 10.0, 1.0)),
        ("string", ColumnDistribution(100, 0, distinct=40, counts={"a": 50, "b": 50})),
        ("string", ColumnDistribution(100, 0, distinct=2, counts={"a": 2, "c": 98})),
    ],
)
def test_a_date_that_is_not_as_usual_is_counted(kind: str, odd: ColumnDistribution) -> None:
    usual = (
        ColumnDistribution(100, 0, 10.0, 1.0)
        if kind == "number"
        else ColumnDistribution(100, 0, distinct=2, counts={"a": 50, "b": 50})
    )
    history = days([*[usual] * 40, odd, *[usual] * 3])
    outside, measured = alarms("x", kind, UsualValues(), history)
    assert (outside, measured) == ([FIRST + timedelta(days=40)], 23)


def test_rows_are_compared_with_the_same_weekday() -> None:
    rows = {FIRST + timedelta(days=n): 150 if n % 7 > 4 else 100 for n in range(DAYS)}
    rows[FIRST + timedelta(days=60)] = 60
    assert row_ratios(rows, 8)[FIRST + timedelta(days=60)] == 0.6
    proposed = propose_usual_rows(rows)
    assert proposed is not None
    assert proposed.value == {"min": 0.3, "max": 1.3}
    assert proposed.evidence == "0.60 to 1.00 times the median of the same weekday on 49 dates"
    assert propose_usual_rows(dict(list(rows.items())[:34])) is None
