from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nightshift.definition.gate import AgainstChampion, Gate, Slices
from nightshift.training.bootstrap import Sample
from nightshift.training.gate import judge
from nightshift.training.results import MISSING, Baseline, GateReport, Holdout, RuleResult
from unit.training.test_gate import STORED, holdout_of, result
from unit.training.worlds import World, scored

ROWS = 14 * 300


def gate(**changes: Any) -> Gate:
    slices = Slices(**{"columns": ("airport",), "regression": 0.05} | changes)
    return Gate(against_champion=AgainstChampion(metric="roc_auc", margin=0.05), slices=slices)


def judged(gate: Gate, challenger: Sample, champion: Sample, columns: dict[str, np.ndarray]) -> GateReport:
    return judge(gate, holdout_of(challenger, champion, columns=columns), STORED, 1)


def slices_of(report: GateReport) -> list[RuleResult]:
    return [outcome for outcome in report.results if outcome.kind == "slices"]


@pytest.fixture(scope="module")
def alike() -> tuple[Sample, Sample]:
    return scored(World(0.3, 0.3), 14, 300, 1)


@pytest.fixture(scope="module")
def airports() -> np.ndarray:
    return np.random.default_rng(1).choice(["EWR", "JFK", "LGA"], ROWS)


def test_models_that_are_alike_hold_in_every_slice(alike: tuple[Sample, Sample], airports: np.ndarray) -> None:
    report = judged(gate(), *alike, {"airport": airports})
    assert report.passed
    assert [outcome.rule for outcome in slices_of(report)] == [
        f"slices.airport={name}" for name in ("EWR", "JFK", "LGA")
    ]
    assert sum(outcome.rows for outcome in slices_of(report)) == ROWS
    assert "slices: 3 hold" in report.summary()


def test_a_model_that_is_worse_in_one_slice_is_refused_though_it_is_better_on_the_whole(airports: np.ndarray) -> None:
    challenger, champion = scored(World(0.1, 1.0), 14, 300, 1)
    reversed_ = np.where(airports == "JFK", 0.5 * champion.scores[::-1], challenger.scores)
    challenger = Sample(challenger.labels, reversed_, challenger.days)
    one_slice = judged(gate(columns=("none",)), challenger, champion, {"none": np.full(ROWS, "x")})
    report = judged(gate(), challenger, champion, {"airport": airports})
    assert result(one_slice, "against_champion.roc_auc").passed
    assert [outcome.rule for outcome in report.results if outcome.passed is False] == ["slices.airport=JFK"]
    assert report.summary().startswith("airport=JFK: roc_auc 0.")
    assert report.summary().endswith(", must be above -0.0500")


def test_the_lower_end_of_each_slice_decides(alike: tuple[Sample, Sample], airports: np.ndarray) -> None:
    lows = [
        outcome.low for outcome in slices_of(judged(gate(), *alike, {"airport": airports})) if outcome.low is not None
    ]
    worst = -min(lows)
    assert judged(gate(regression=worst + 1e-6), *alike, {"airport": airports}).passed
    refused = judged(gate(regression=worst), *alike, {"airport": airports})
    assert [outcome.passed for outcome in slices_of(refused)].count(False) == 1


def test_slices_that_are_too_small_are_listed_and_do_not_count(alike: tuple[Sample, Sample]) -> None:
    labels, days = alike[0].labels, alike[0].days
    kinds = np.full(ROWS, "many", dtype="<U20")
    kinds[:199] = "few"
    kinds[200:900][labels[200:900] == 0] = "one class"
    kinds[(days == 13) | (days == 12)] = "two days"
    report = judged(gate(), *alike, {"airport": kinds})
    by_airport = {outcome.rule.removeprefix("slices.airport="): outcome for outcome in slices_of(report)}
    assert {name: outcome.passed for name, outcome in by_airport.items()} == {
        "few": None,
        "many": True,
        "one class": None,
        "two days": None,
    }
    assert by_airport["few"].sentence == "airport=few is not judged: 199 rows, fewer than 200"
    assert by_airport["one class"].sentence.endswith("not judged: fewer than 10 rows of a class")
    assert by_airport["two days"].sentence.endswith("not judged: 2 nights, fewer than 5")
    assert by_airport["few"].verdict == "not judged" and by_airport["few"].rows == 199
    assert report.passed and "slices: 1 hold, 3 not judged" in report.summary()


def test_each_column_makes_slices_of_its_own(alike: tuple[Sample, Sample], airports: np.ndarray) -> None:
    halves = np.where(np.arange(ROWS) % 2, "odd", "even")
    report = judged(gate(columns=("airport", "half")), *alike, {"airport": airports, "half": halves})
    assert [outcome.rule for outcome in slices_of(report)][3:] == ["slices.half=even", "slices.half=odd"]


def test_without_a_champion_there_are_no_slices(alike: tuple[Sample, Sample], airports: np.ndarray) -> None:
    holdout = holdout_of(alike[0], None, columns={"airport": airports})
    assert slices_of(judge(gate(), holdout, STORED, 1)) == []


def test_the_holdout_takes_its_slices_from_the_rows() -> None:
    rows = pa.table(
        {
            "score_date": pa.array([date(2024, 1, 2), date(2024, 1, 1), date(2024, 1, 2)], pa.date32()),
            "label": [1.0, 0.0, 0.0],
            "airport": ["JFK", None, "EWR"],
            "gate": [3, 4, None],
        }
    )
    holdout = Holdout.of(rows, np.array([0.1, 0.2, 0.3]), None, Baseline(0.4, 0.0), ("airport", "gate"))
    assert holdout.dates == (date(2024, 1, 1), date(2024, 1, 2))
    assert holdout.days.tolist() == [1, 0, 1]
    assert holdout.columns["airport"].tolist() == ["JFK", MISSING, "EWR"]
    assert holdout.columns["gate"].tolist() == ["3", "4", MISSING]
