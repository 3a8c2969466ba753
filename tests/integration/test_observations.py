"""What is scored, against a plain loop over landed rows: rows of a file, entities of a version, keys seen lately."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.features.brute_force import brute_force
from nightshift.features.compute import join_lookups, prepare_observations
from nightshift.features.observations import observe, observed_dates
from nightshift.features.plan import plan_features

pytestmark = pytest.mark.spark

MODEL = """
name: members
description: Which members leave.
owner: tests
schedule: {{timezone: UTC, at: "06:00", start: 2024-01-01}}
wait: {{timeout: 2s, poll: 1s}}
sources:
  members:
    description: All members, now and then.
    path: members-{{date}}.parquet
    cadence: irregular
    available: {{after: 30h}}
    key: [member]
    columns:
      member: {{type: integer}}
      age: {{type: integer}}
  visits:
    description: Who came on a day.
    path: visits-{{date}}.parquet
    available: {{after: 30h}}
    event_time: came_at
    columns:
      member: {{type: integer}}
      came_at: {{type: timestamp}}
observations: {observations}
label: {{source: visits, window: 7d, agg: none}}
features:
  lookups:
    person: {{source: members, key: [member]}}
  rows:
    years: {{expression: person.age, type: number, description: Age}}
training:
  estimator: {{class: sklearn.ensemble.HistGradientBoostingClassifier}}
  period: 60d
  holdout: 14d
  cadence: "0 7 * * 1"
gate: {{minimum: {{roc_auc: 0.5}}}}
monitoring:
  retrain: {{age: 90d, cooldown: 7d}}
"""
FIRST = date(2024, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(12)]
NIGHTS = DAYS[5], DAYS[9]
ROWS = st.lists(st.tuples(st.sampled_from(DAYS), st.sampled_from([1, 2, 3, 4, None])), max_size=25)
MEMBERS = st.dictionaries(
    st.sampled_from(DAYS), st.dictionaries(st.integers(1, 5), st.one_of(st.none(), st.integers(10, 90))), max_size=4
)
Members = dict[date, dict[int, int | None]]
# At 06:00 a file that is available 30 hours after its date's begin is that of the day before.
DELAY = timedelta(days=1)


def of_newest_version(members: Members, visits: list[tuple[date, int | None]], night: date) -> set[int]:
    version = max((day for day in members if day <= night - DELAY), default=None)
    return set(members[version]) if version else set()


def of_three_days(members: Members, visits: list[tuple[date, int | None]], night: date) -> set[int]:
    days = [night - DELAY - timedelta(days=number) for number in range(3)]
    return {member for day, member in visits if day in days and member is not None}


def grown_up(members: Members, night: date, chosen: set[int]) -> set[int]:
    version = max((day for day in members if day <= night - DELAY), default=None)
    ages = members[version] if version else {}
    return {member for member in chosen if (ages.get(member) or 0) >= 18}


@pytest.mark.parametrize(
    ("declared", "expected", "adults"),
    [
        ("{source: members, key: [member]}", of_newest_version, False),
        ("{source: members, key: [member], where: age >= 18}", of_newest_version, True),
        ("{source: visits, key: [member], within: 3d}", of_three_days, False),
        ("{source: visits, key: [member], within: 3d, where: person.age >= 18}", of_three_days, True),
    ],
    ids=["newest version", "adults of it", "three days", "adults of them"],
)
def test_observations_are_those_of_a_loop_over_what_had_landed(
    spark: SparkSession, tmp_path: Path, declared: str, expected: Callable[..., set[int]], adults: bool
) -> None:
    definition = defined(tmp_path, declared)

    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(members=MEMBERS, visits=ROWS)
    def agrees(members: Members, visits: list[tuple[date, int | None]]) -> None:
        raw = {"members": members_table(members), "visits": visits_table(visits)}
        dates = {"members": list(members), "visits": DAYS}
        observed = observed_by_nights(spark, definition, raw, dates)
        alone = [row for night in NIGHTS for row in brute_force_of(spark, definition, raw, dates, night)]
        by_loop = []
        for night in (day for day in DAYS if NIGHTS[0] <= day <= NIGHTS[1]):
            chosen = expected(members, visits, night)
            chosen = grown_up(members, night, chosen) if adults else chosen
            by_loop += [(night, member) for member in sorted(chosen)]
        assert observed == by_loop
        assert alone == [row for row in by_loop if row[0] in NIGHTS]

    agrees()


def defined(folder: Path, observations: str) -> ModelDefinition:
    (folder := folder / "models" / "members").mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL.format(observations=observations))
    return load_definition(folder)


def members_table(members: Members) -> pa.Table:
    kinds = {"source_date": pa.date32(), "member": pa.int64(), "age": pa.int64()}
    rows = [(day, member, age) for day, ages in members.items() for member, age in ages.items()]
    return pa.Table.from_pylist([dict(zip(kinds, row, strict=True)) for row in rows], schema=pa.schema(kinds))


def visits_table(visits: list[tuple[date, int | None]]) -> pa.Table:
    kinds: dict[str, Any] = {"source_date": pa.date32(), "member": pa.int64(), "came_at": pa.timestamp("us", "UTC")}
    rows = [dict(zip(kinds, (*visit, None), strict=True)) for visit in visits]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def observed_by_nights(
    spark: SparkSession, definition: ModelDefinition, raw: dict[str, pa.Table], dates: dict[str, list[date]]
) -> list[tuple[date, int]]:
    """The observations of all nights at once, as the job computes them."""
    plan, source = plan_features(definition, *NIGHTS, dates), definition.observations.source
    versions = plan.versions.get(source, ())
    first, last = observed_dates(definition, *NIGHTS, versions)
    rows = spark.createDataFrame(raw[source]).where(f"source_date between '{first}' and '{last}'")
    observed = observe(definition, rows, *NIGHTS, versions)
    joined = join_lookups(definition, observed, {"members": spark.createDataFrame(raw["members"])}, plan.versions)
    return sorted_keys(prepare_observations(definition, joined).toArrow())


def brute_force_of(
    spark: SparkSession,
    definition: ModelDefinition,
    raw: dict[str, pa.Table],
    dates: dict[str, list[date]],
    night: date,
) -> list[tuple[date, int]]:
    """The observations of a night by the computation that checks the job's."""
    tables = {name: spark.createDataFrame(rows) for name, rows in raw.items()}

    def rows(source: str, first: date, last: date) -> DataFrame:
        return tables[source].where(f"source_date between '{first}' and '{last}'")

    return sorted_keys(brute_force(definition, night, rows, dates).toArrow())


def sorted_keys(rows: pa.Table) -> list[tuple[date, int]]:
    return sorted((row["score_date"], row["member"]) for row in rows.to_pylist())
