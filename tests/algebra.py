"""A model with every aggregation over every kind of window, and its features computed in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from nightshift.definition.features import Aggregate, feature_name
from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features import plan
from nightshift.features.plan import Tile, VisibleTile, plan_features
from nightshift.features.tiles import TilePlan, plan_tiles
from nightshift.features.windows import WindowInputs
from nightshift.lake.groups import aggregate_groups
from nightshift.lake.tables import tiles_table

FIRST = date(2024, 1, 1)
DAYS = 80

# The source has a clock of its own, without daylight saving time: a day ends at half past six in the evening of UTC.
MODEL = """
name: algebra
description: Every aggregation over every kind of window.
owner: tests
schedule: {timezone: UTC, start: 2024-01-01}
wait: {timeout: 1s, poll: 1s}
sources:
  events:
    description: What is aggregated.
    path: events/{date}.parquet
    available: {after: 24h}
    event_time: timestampadd(MINUTE, cast(minute as int), cast(source_date as timestamp_ntz))
    timezone: Asia/Kolkata
    key: [number]
    columns:
      number: {type: integer}
      k: {type: string}
      v: {type: number}
      text: {type: string}
      minute: {type: integer}
    derived:
      j: {expression: number % 2, type: integer}
  due:
    description: What is scored.
    path: due/{date}.parquet
    available: {after: 0h}
    key: [k, j]
    columns: {k: {type: string}, j: {type: integer}}
  outcomes:
    description: What became of it.
    path: outcomes/{date}.parquet
    available: {after: 24h}
    key: [k, j]
    columns: {k: {type: string}, j: {type: integer}}
observations: {source: due, key: [k, j]}
label: {source: outcomes, expression: "true"}
features:
  aggregates:
AGGREGATES
training:
  estimator: {class: sklearn.linear_model.LogisticRegression}
  period: 20d
  holdout: 5d
  cadence: "0 7 * * 1"
gate: {minimum: {roc_auc: 0.5}}
monitoring: {retrain: {cooldown: 7d}}
"""
DAY_ENDS = timedelta(hours=5, minutes=30)  # before midnight UTC

DECLARED = {
    "n": "agg: count",
    "positive": "agg: count, where: v > 0, default: -1",
    "share": "agg: rate, where: v > 0",
    "total": "agg: sum, value: v, default: 0.5",
    "average": "agg: mean, value: v, where: minute < 1000",
    "least": "agg: min, value: v",
    "most": "agg: max, value: v",
    "spread": "agg: stddev, value: v",
    "kinds": "agg: approx_distinct, value: text",
    "latest": "agg: last, value: v",
    "latest_text": "agg: last, value: text, type: category, default: none yet",
}
# For the aggregates of each key: how their names begin, and their windows in days.
GROUPS = {("", "k"): (1, 3, 10, 70, 365), ("all_", ""): (1, 10, 365), ("pair_", "j, k"): (3, 70)}


@dataclass(frozen=True)
class Event:
    day: int
    k: str | None
    j: int
    v: float | None
    text: str | None
    minute: int | None

    @property
    def date(self) -> date:
        return FIRST + timedelta(days=self.day)

    @property
    def at(self) -> datetime | None:
        """The instant, from the local minute."""
        if self.minute is None:
            return None
        return datetime.combine(self.date, time(), UTC) - DAY_ENDS + timedelta(minutes=self.minute)

    @property
    def visible(self) -> bool:
        """Whether its instant is before its own partition was available."""
        return self.minute is None or self.minute < 1440


@dataclass(frozen=True)
class Observed:
    """An observation of a night."""

    night: date
    k: str | None
    j: int | None


numbers = st.one_of(
    st.floats(-1e12, 1e12),
    st.integers(-3, 3).map(float),
    st.integers(-1000, 1000).map(lambda cents: cents / 100),
    st.none(),
)
# A minute beyond the last of the day is an instant at which the partition was available already.
minutes = st.one_of(st.integers(0, 1439), st.integers(1380, 1500), st.none())


def some_events(days: int = DAYS, least: int = 0, most: int = 60) -> st.SearchStrategy[list[Event]]:
    """Events of the first days, many of them in the last dozen of them."""
    event = st.builds(
        Event,
        day=st.one_of(st.integers(0, days - 1), st.integers(days - 12, days - 1)),
        k=st.sampled_from(("a", "b", None)),
        j=st.integers(0, 1),
        v=numbers,
        text=st.sampled_from(("x", "y", "z", None)),
        minute=minutes,
    )
    listed = st.lists(event, min_size=least, max_size=most)
    # The second key is derived from the number of the row.
    return listed.map(lambda events: [replace(event, j=number % 2) for number, event in enumerate(events)])


def define(folder: Path) -> ModelDefinition:
    """Writes the model into a new folder and loads it."""
    lines = [
        f"    {prefix}{name}: {{source: events, by: [{by}], {how}, windows: {[f'{days}d' for days in windows]}, "
        f"description: {name}}}"
        for (prefix, by), windows in GROUPS.items()
        for name, how in DECLARED.items()
    ]
    (folder / "algebra").mkdir(parents=True)
    (folder / "algebra" / "model.yaml").write_text(MODEL.replace("AGGREGATES", "\n".join(lines)))
    return load_definition(folder / "algebra")


# ---- the plan, shared by all builders of tiles


def tile_plan_for(definition: ModelDefinition, events: Iterable[Event], nights: Iterable[date]) -> TilePlan:
    """The tiles to build for some nights if none is published."""
    needed = {visible.tile for night in nights for visible in _windows(definition, night)}
    return plan_tiles(needed, {event.date: f"{event.date}" for event in events}, "recipe", lambda tiles: {})


def window_inputs(
    definition: ModelDefinition, nights: Iterable[date], files: Mapping[Tile, tuple[str, ...]]
) -> WindowInputs:
    windows = tuple(visible for night in nights for visible in _windows(definition, night))
    return WindowInputs(tiles_table(definition, "events"), aggregate_groups(definition, "events"), windows, files)


def _windows(definition: ModelDefinition, night: date) -> tuple[VisibleTile, ...]:
    return plan_features(definition, night, night, {}).windows["events"]


def single_days(patch: pytest.MonkeyPatch) -> None:
    """Restricts tiles to those of one day."""
    spans = plan.SPANS[:1]
    for module in ("plan", "tiles", "windows"):
        patch.setattr(f"nightshift.features.{module}.SPANS", spans)


# ---- the operands of a row


def holds(condition: str | None, event: Event) -> bool | None:
    if condition is None:
        return True
    value, least, most = {"v > 0": (event.v, 0, math.inf), "minute < 1000": (event.minute, -math.inf, 1000)}[condition]
    return None if value is None else least < value < most


def operand(aggregate: Aggregate, event: Event) -> bool | float | str | None:
    """The value of a row that an aggregate aggregates."""
    if aggregate.agg in {"count", "rate"}:
        return holds(aggregate.where, event)
    return getattr(event, str(aggregate.value)) if holds(aggregate.where, event) else None


def operands(definition: ModelDefinition, events: list[Event]) -> pa.Table:
    """The rows that tiles are built from, with each aggregate's operand in a column of its name."""
    columns = {
        "source_date": pa.array([event.date for event in events], pa.date32()),
        "k": pa.array([event.k for event in events], pa.string()),
        "j": pa.array([event.j for event in events], pa.int64()),
        "_at": pa.array([event.at for event in events], pa.timestamp("us", "UTC")),
    }
    for group in aggregate_groups(definition, "events"):
        for name, aggregate in group.stored_aggregates.items():
            kinds = {"count": pa.bool_(), "rate": pa.bool_()}
            text = aggregate.value == "text"
            kind = kinds.get(aggregate.agg, pa.string() if text else pa.float64())
            columns[name] = pa.array([operand(aggregate, event) for event in events], kind)
    return pa.table(columns)


# ---- the features, by hand


def in_window(events: list[Event], observed: Observed, aggregate: Aggregate, days: int) -> list[Event]:
    """The rows of a window, by the definition."""
    newest = observed.night - timedelta(days=1)
    return [
        e
        for e in events
        if newest - timedelta(days=days) < e.date <= newest
        and e.visible
        and all(getattr(e, key) == getattr(observed, key) is not None for key in aggregate.by)
    ]


def expected(aggregate: Aggregate, rows: list[Event]) -> Any:
    """A feature by plain Python; sums by exact fractions. None over no rows."""
    values = [value for value in (operand(aggregate, event) for event in rows) if value is not None]
    if aggregate.agg == "last":
        dated = [(event.at, operand(aggregate, event)) for event in rows]
        return max((pair for pair in dated if None not in pair), default=(None, None))[1]
    if not values:
        return None
    exact = [Fraction(value) for value in values if not isinstance(value, str)]
    match aggregate.agg:
        case "count":
            return sum(values) or None
        case "rate":
            return sum(values) / len(values)
        case "approx_distinct":
            return len(set(values))
        case "sum":
            return float(sum(exact))
        case "mean":
            return float(sum(exact) / len(exact))
        case "stddev" if len(exact) == 1:
            return None
        case "stddev":
            mean = sum(exact) / len(exact)
            return math.sqrt(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))
        case _:
            return min(values) if aggregate.agg == "min" else max(values)


def check(
    definition: ModelDefinition, events: list[Event], observed: Observed, features: Mapping[str, Any], defaults: bool
) -> None:
    """Compares every feature of an observation with its value by hand."""
    for name, aggregate in definition.features.aggregates.items():
        for window in aggregate.windows:
            rows = in_window(events, observed, aggregate, window.days)
            wanted = expected(aggregate, rows)
            wanted = aggregate.default if wanted is None and defaults else wanted
            value, context = features[feature_name(name, window.days)], (observed, name, window.days, rows)
            scale = max((abs(event.v) for event in rows if event.v is not None), default=0.0)
            if wanted is None or aggregate.agg not in {"sum", "mean", "stddev"}:
                assert value == wanted, context
            elif aggregate.agg == "stddev":
                assert value == pytest.approx(wanted, rel=1e-6, abs=scale * 2**-22 + 2**-32), context
            else:
                # Exact sums: only the result is rounded, and each value to 2^-66.
                assert value == pytest.approx(wanted, rel=1e-15, abs=scale * 2**-50 + 1e-18), context
