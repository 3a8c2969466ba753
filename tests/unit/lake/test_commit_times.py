"""The metadata of a table are in the order of its commits, whatever the clock said at each."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from pyiceberg.table import snapshots, update

from nightshift.lake import maintenance
from nightshift.lake.catalog import Lake
from nightshift.lake.maintenance import maintain_tables
from nightshift.lake.read import snapshot_of
from nightshift.lake.tables import TableSpec
from nightshift.lake.tags import tag_snapshots
from unit.examples import examples
from unit.tables import DAY, publish_rows

HOURS = st.sampled_from([0, -1, 1, -30, 30, -24 * 400, 24 * 400])
CHANGES = st.sampled_from(["publish", "publish", "add a column", "tag", "expire"])
numbers = itertools.count()


class WrongClock:
    """The clock by which PyIceberg dates commits, wrong by hours."""

    hours = 0

    def time(self) -> float:
        return time.time() + self.hours * 3_600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WrongClock:
    wrong = WrongClock()

    class WrongDatetime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=wrong.hours)

    monkeypatch.setattr(snapshots, "time", wrong)
    monkeypatch.setattr(update, "datetime", WrongDatetime)
    monkeypatch.setattr(maintenance, "MIN_SNAPSHOTS", 1)
    return wrong


def change(lake: Lake, spec: TableSpec, what: str, number: int) -> TableSpec:
    """Commits a change to a table, whose specification it returns."""
    if what == "publish":
        publish_rows(lake, spec, {DAY: [("a", *[float(number)] * (len(spec.columns) - 2))]})
    elif what == "add a column":
        spec = replace(spec, columns=dict(spec.columns) | {f"more_{number}": "number"})
        lake.ensure(spec)
    elif what == "tag":
        tag_snapshots(lake, {spec.name: snapshot_of(lake, spec.name)}, f"tag-{number}")
    else:
        maintain_tables(lake, lambda line: None, now=datetime.now(UTC) + timedelta(days=1000))
    return spec


def instants(lake: Lake, name: str) -> Iterator[list[int]]:
    """The instants that Iceberg's readers on Java and Rust require to ascend."""
    metadata = lake.table(name).metadata
    for log in (metadata.snapshot_log, metadata.metadata_log):
        yield [*(entry.timestamp_ms for entry in log), metadata.last_updated_ms]


@examples(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(HOURS, CHANGES), min_size=2, max_size=8))
@example([(30, "publish"), (0, "publish")])
@example([(0, "publish"), (-1, "tag"), (0, "publish")])
@example([(0, "publish"), (-1, "add a column"), (-30, "publish")])
@example([(30, "publish"), (0, "publish"), (0, "expire")])
def test_no_commit_is_dated_before_an_earlier_commit(
    lake: Lake, readings: TableSpec, clock: WrongClock, changes: list[tuple[int, str]]
) -> None:
    spec = replace(readings, local_name=f"dated_{next(numbers)}")
    clock.hours = 0
    publish_rows(lake, spec, {DAY: [("a", 0.0)]})
    for number, (hours, what) in enumerate(changes, 1):
        clock.hours = hours
        spec = change(lake, spec, what, number)
        for listed in instants(lake, spec.name):
            assert listed == sorted(listed), what
