"""Labelled rows of the tiny model."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

FIRST = date(2024, 1, 1)


def machines(count: int = 200, seed: int = 1) -> pa.Table:
    """Rows without dates: the busier a machine, the likelier it failed."""
    random = np.random.default_rng(seed)
    busy = random.uniform(size=count)
    return pa.table(
        {
            "busy": busy,
            "kind": random.choice(["a", "b", "c"], count),
            "machine_failures_3d": random.uniform(size=count),
            "label": (random.uniform(size=count) < busy).astype(float),
        }
    )


def dated_machines(days: int = 20, rows_a_day: int = 40, failing: float | None = None) -> pa.Table:
    """Rows of days from the first of January 2024 on.

    Args:
        days: How many days.
        rows_a_day: How many rows each day has.
        failing: The share of the busiest machines, which all failed; if None, busier machines are likelier to fail.
    """
    random = np.random.default_rng(3)
    count = days * rows_a_day
    busy = random.uniform(size=count)
    columns = {
        "score_date": pa.array([FIRST + timedelta(days=day) for day in range(days) for _ in range(rows_a_day)]),
        "busy": busy,
        "kind": random.choice(["a", "b"], count),
        "machine_failures_3d": random.uniform(size=count),
    }
    failed = busy > 1 - failing if failing is not None else random.uniform(size=count) < busy
    return pa.table({**columns, "label": failed.astype(float)})
