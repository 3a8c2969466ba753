"""Simulated nights: twenty features whose populations are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.definition.false_alarms import FalseAlarms
from nightshift.monitoring.drift import ScoredNight, measure_drift
from nightshift.monitoring.night_profile import Profiler
from nightshift.monitoring.reference import DriftBaseline, drift_baseline, make_reference, with_thresholds
from nightshift.registry.reference import SCORES, ModelReference
from nightshift.types import Measurement

NUMBERS = [f"number_{number}" for number in range(16)]
CATEGORIES = [f"category_{number}" for number in range(4)]
FEATURES = [*NUMBERS, *CATEGORIES]
TYPES = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(CATEGORIES, "category")
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
ONCE_IN_90 = FalseAlarms(1, 90)
FIRST = date(2024, 1, 1)


def rows_of(
    random: np.random.Generator, size: int, *, shift: float = 0.0, moved: float = 0.0, correlation: float = 0.0
) -> pa.Table:
    """A night's features and scores: the first number shifted, a share of the first category moved, two correlated."""
    values = random.normal(size=(len(NUMBERS), size))
    values[0] += shift
    values[2] = correlation * values[1] + np.sqrt(1 - correlation**2) * values[2]
    columns: dict[str, Any] = dict(zip(NUMBERS, values, strict=True))
    for place, name in enumerate(CATEGORIES):
        shares = SHARES + np.array([-moved, moved, 0, 0]) * (place == 0)
        columns[name] = np.array(list("abcd"))[np.searchsorted(np.cumsum(shares)[:-1], random.random(size))]
    return pa.table({**columns, SCORES: random.beta(2, 5, size)})


def dated(parts: Sequence[pa.Table]) -> pa.Table:
    """Parts as days, one after the other."""
    days = [
        part.append_column("score_date", pa.repeat(pa.scalar(day_of(n), pa.date32()), part.num_rows))
        for n, part in enumerate(parts)
    ]
    return pa.concat_tables(days)


def day_of(number: int) -> date:
    return FIRST + timedelta(days=number)


@cache
def population_of(days: int, size: int, seed: int = 1) -> ModelReference:
    """The reference of a stationary population, without thresholds."""
    random = np.random.default_rng(seed)
    rows = dated([rows_of(random, size) for _ in range(days)])
    return make_reference(rows.drop_columns([SCORES]), TYPES, rows.select([SCORES, "score_date"]))


@cache
def reference_of(days: int, size: int) -> ModelReference:
    """The reference of a stationary population."""
    return with_thresholds(population_of(days, size), FEATURES, ONCE_IN_90)


def baseline_of(reference: ModelReference) -> DriftBaseline:
    baseline = drift_baseline(reference, FEATURES, ONCE_IN_90)
    assert baseline is not None
    return baseline


def night_of(reference: ModelReference, rows: pa.Table, number: int = 100) -> ScoredNight:
    profiler = Profiler.of(reference)
    assert profiler is not None
    return ScoredNight(
        day_of(number),
        profiler(rows, rows.select([SCORES]).rename_columns(["score"])),
        FEATURES,
        3,
        {"number_0": 0.3, "category_0": 0.1, "number_5": -0.01},
    )


def measured(reference: ModelReference, rows: pa.Table, number: int = 100) -> list[Measurement]:
    return measure_drift(night_of(reference, rows, number), baseline_of(reference))


def of_night(measurements: list[Measurement]) -> dict[str, Measurement]:
    """The measurements of the night as a whole, by statistic."""
    return {row.statistic: row for row in measurements if row.subject == "night"}
