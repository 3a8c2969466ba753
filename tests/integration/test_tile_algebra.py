"""The algebra of tiles in real Spark, against plain Python over the rows themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from nightshift.definition.load import load_definition
from nightshift.definition.model import Aggregate, ModelDefinition, feature_name
from nightshift.features import plan as plan_module
from nightshift.features.compute import compute_features, day_tiles, longer_tiles
from nightshift.features.plan import SPANS, plan_features
from nightshift.features.tiles import plan_tiles

pytestmark = pytest.mark.spark

FIRST = date(2024, 1, 1)
# An example takes seconds: what fails is shown as it was found, without a search for a smaller one.
SETTINGS = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
WINDOWS = (1, 3, 10, 70)
DAYS, NIGHTS = 80, (FIRST + timedelta(days=78), FIRST + timedelta(days=79))
KEYS = ("a", "b", "c")

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
    key: [number]
    columns:
      number: {type: integer}
      k: {type: string}
      v: {type: number}
      text: {type: string}
      minute: {type: integer}
  due:
    description: What is scored.
    path: due/{date}.parquet
    available: {after: 0h}
    key: [k]
    columns: {k: {type: string}}
observations: {source: due, key: [k]}
label: {source: due, expression: "true"}
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


@dataclass(frozen=True)
class Event:
    day: int
    k: str | None
    v: float | None
    text: str | None
    minute: int | None

    @property
    def date(self) -> date:
        return FIRST + timedelta(days=self.day)


numbers = st.one_of(
    st.floats(-1e12, 1e12),
    st.integers(-3, 3).map(float),
    st.integers(-1000, 1000).map(lambda cents: cents / 100),
    st.none(),
)
# A minute beyond the day's last tells of an instant at which the partition was there already.
minutes = st.one_of(st.integers(0, 1439), st.integers(1380, 1500), st.none())
some_events = st.lists(
    st.builds(
        Event,
        day=st.one_of(st.integers(0, DAYS - 1), st.integers(DAYS - 12, DAYS - 1)),
        k=st.sampled_from(("a", "b", None)),
        v=numbers,
        text=st.sampled_from(("x", "y", "z", None)),
        minute=minutes,
    ),
    min_size=20,
    max_size=150,
)


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    listed = ", ".join(f"{days}d" for days in WINDOWS)
    groups = [("", "k"), ("all_", "")]
    lines = [
        f"    {prefix}{name}: {{source: events, by: [{by}], {how}, windows: [{listed}], description: {name}}}"
        for prefix, by in groups
        for name, how in DECLARED.items()
    ]
    folder = Path(tmp_path_factory.mktemp("models") / "algebra")
    folder.mkdir()
    (folder / "model.yaml").write_text(MODEL.replace("AGGREGATES", "\n".join(lines)))
    return load_definition(folder)


def engine(spark: SparkSession, definition: ModelDefinition, events: list[Event]) -> dict[tuple[date, str], Any]:
    """The features of every key on both nights, from tiles that are made of tiles; none if there are no tiles."""
    rows = [
        {"source_date": e.date, "number": i, "k": e.k, "v": e.v, "text": e.text, "minute": e.minute}
        for i, e in enumerate(events)
    ]
    kinds = {"source_date": pa.date32(), "number": pa.int64(), "k": pa.string(), "v": pa.float64(), "text": pa.string()}
    table = pa.Table.from_pylist(rows, schema=pa.schema(kinds | {"minute": pa.int64()}))
    raw = spark.createDataFrame(table).coalesce(1)
    due = pa.table({"source_date": pa.array([n for n in NIGHTS for _ in KEYS], pa.date32()), "k": [*KEYS, *KEYS]})
    versions = {e.date: str(e.date) for e in events}
    plan = plan_features(definition, NIGHTS[0], NIGHTS[-1], {})
    work = plan_tiles(plan.tiles("events"), versions, "recipe", lambda tiles: {})
    tiles = None
    for made_from in (work.build[span] for span in plan_module.SPANS):
        if made_from and tiles is None:
            tiles = day_tiles(definition, "events", raw, made_from).localCheckpoint()
        elif made_from:
            tiles = tiles.unionByName(longer_tiles(definition, "events", tiles, made_from).localCheckpoint())
    if tiles is None:
        return {}
    features = compute_features(definition, plan, {"due": spark.createDataFrame(due)}, {"events": tiles.coalesce(1)})
    return {(row["score_date"], row["k"]): row.asDict() for row in features.collect()}


def seen(events: list[Event], night: date, days: int, key: str | None) -> list[Event]:
    """The rows of a window: by hand, from what the definition says."""
    newest = night - timedelta(days=1)
    return [
        e
        for e in events
        if newest - timedelta(days=days) < e.date <= newest
        and (key is None or e.k == key)
        and (e.minute is None or e.minute < 1440)
    ]


def expected(aggregate: Aggregate, rows: list[Event]) -> Any:
    """A feature by plain Python; sums by exact fractions."""
    if aggregate.agg == "count":
        return sum(1 for e in rows if aggregate.where is None or (e.v is not None and e.v > 0)) or None
    if aggregate.agg == "rate":
        known = [e.v > 0 for e in rows if e.v is not None]
        return sum(known) / len(known) if known else None
    if aggregate.agg == "approx_distinct":
        return len({e.text for e in rows} - {None}) or None
    if aggregate.agg == "last":
        values = [(e.date, e.minute, e.v if aggregate.value == "v" else e.text) for e in rows]
        dated = [(day, minute, value) for day, minute, value in values if minute is not None and value is not None]
        return max(dated)[2] if dated else None
    kept = [e for e in rows if aggregate.where is None or (e.minute is not None and e.minute < 1000)]
    values = [e.v for e in kept if e.v is not None]
    if not values:
        return None
    exact = [Fraction(value) for value in values]
    match aggregate.agg:
        case "sum":
            return float(sum(exact))
        case "mean":
            return float(sum(exact) / len(exact))
        case "stddev":
            mean = sum(exact) / len(exact)
            variance = sum((value - mean) ** 2 for value in exact) / (len(exact) - 1) if len(exact) > 1 else None
            return None if variance is None else math.sqrt(variance)
        case _:
            return min(values) if aggregate.agg == "min" else max(values)


@SETTINGS
@given(some_events)
def test_features_from_tiles_are_those_of_the_rows_themselves(
    spark: SparkSession, definition: ModelDefinition, events: list[Event]
) -> None:
    found = engine(spark, definition, events)
    for (night, key), row in found.items():
        for name, aggregate in definition.features.aggregates.items():
            for days in WINDOWS:
                rows = seen(events, night, days, key if aggregate.by else None)
                wanted = expected(aggregate, rows)
                wanted = aggregate.default if wanted is None else wanted
                value, told = row[feature_name(name, days)], (night, key, name, days, rows)
                if aggregate.agg in {"sum", "mean"} and wanted is not None:
                    # Exact sums: what is left is the rounding of the result, and the 2^-66 each value is rounded to.
                    scale = max((abs(e.v) for e in rows if e.v is not None), default=0.0)
                    assert value == pytest.approx(wanted, rel=1e-15, abs=scale * 2**-50 + 1e-18), told
                elif aggregate.agg == "stddev" and wanted is not None:
                    scale = max((abs(e.v) for e in rows if e.v is not None), default=0.0)
                    assert value == pytest.approx(wanted, rel=1e-6, abs=scale * 2**-22), told
                else:
                    assert value == wanted, told


@settings(SETTINGS, max_examples=2)
@given(some_events, st.randoms(use_true_random=False))
def test_features_do_not_depend_on_how_days_are_grouped_or_rows_ordered(
    spark: SparkSession, definition: ModelDefinition, events: list[Event], chance: Any
) -> None:
    grouped = engine(spark, definition, events)
    shuffled = chance.sample(events, len(events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "SPANS", SPANS[:1])
        patch.setattr("nightshift.features.tiles.SPANS", SPANS[:1])
        single = engine(spark, definition, shuffled)
    assert grouped == single
