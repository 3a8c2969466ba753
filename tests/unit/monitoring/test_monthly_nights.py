"""What the loop keeps of nights that are a month apart: it counts nights, and not days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from nightshift.definition.retrain import Retrain
from nightshift.definition.schedule import Schedule
from nightshift.lake.tables import raw_table, scores_table
from nightshift.project import Project
from nightshift.stages.decide import decide, replay_policy, unmonitored_nights
from nightshift.stages.outcomes import measure_outcomes
from nightshift.types import Measurement
from unit.monitoring.test_night_stages import LOADS, MACHINES, policy, put, version

NIGHTS = [date(2024, month, 1) for month in range(2, 8)]


@pytest.fixture
def monthly(project: Project) -> Project:
    """The tiny model on the first of every month, scored and with outcomes; three of four nights must breach."""
    schedule = Schedule(timezone="UTC", cron="0 6 1 * *", start=date(2024, 1, 1))
    project.definition = project.definition.model_copy(update={"schedule": schedule})
    policy(project, Retrain(nights=3, of_last=4, cooldown=timedelta(days=40)))
    version(project, 1)
    count = len(MACHINES)
    for night in NIGHTS:
        scored_at = [datetime(night.year, night.month, 1, tzinfo=UTC)] * count
        scores = {"machine": MACHINES, "score": LOADS, "model_version": [1] * count, "features_snapshot": [1] * count}
        put(project, scores_table(project.definition), night, {**scores, "scored_at": scored_at})
        put(project, raw_table(project.definition, "plan"), night, {"machine": MACHINES, "load": LOADS})
        outcomes = {"machine": MACHINES, "failed": pa.array(LOADS > 0.5)}
        put(project, raw_table(project.definition, "failures"), night, outcomes)
    return project


def test_nights_that_were_not_monitored_in_time_are_measured_months_later(monthly: Project) -> None:
    assert unmonitored_nights(monthly, NIGHTS[-1]) == NIGHTS[:-1]
    assert list(measure_outcomes(monthly, NIGHTS[-1], "test")) == NIGHTS[:-1]


def test_a_trigger_counts_nights_however_far_apart(monthly: Project) -> None:
    actions = []
    for night in NIGHTS:
        verdict = "pass" if night == NIGHTS[1] else "warn"
        monthly.record("drift", night, [Measurement("night", "input_drift", 1.0, 0.5, 40, verdict, "", 1)], "test")
        actions.append(decide(monthly, night, "test").action)
    assert actions == ["nothing", "nothing", "nothing", "request", "suppressed_by_cooldown", "request"]
    assert [decision.action for decision in replay_policy(monthly, NIGHTS[0], NIGHTS[-1])] == actions
