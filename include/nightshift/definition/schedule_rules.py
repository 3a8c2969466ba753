"""Rules for when nights and trainings run: one function each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from nightshift.definition.cron import FIELDS, date_after, is_cron
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem
from nightshift.definition.schedule import EXAMPLE

CRON: KeyPath = ("schedule", "cron")
DATES = "a day that some month has"


def schedule_ends_after_its_start(definition: ModelDefinition) -> Iterator[Problem]:
    schedule = definition.schedule
    if schedule.end is not None and schedule.end < schedule.start:
        received = f"{schedule.start} to {schedule.end}"
        yield Problem(("schedule", "end"), "ends before it starts", received, None, "write a later end")


def one_schedule(definition: ModelDefinition) -> Iterator[Problem]:
    schedule = definition.schedule
    if schedule.cron is not None and schedule.at is not None:
        received = f"at: {schedule.at}, cron: {schedule.cron}"
        yield Problem(CRON, "two schedules", received, "one of at, cron", "remove one")


def cron_names_a_date(definition: ModelDefinition) -> Iterator[Problem]:
    schedule = definition.schedule
    if schedule.cron is None:
        return
    first, end = date_after(schedule.cron, schedule.start - timedelta(days=1)), schedule.end
    if first is None:
        yield Problem(CRON, "names no date", schedule.cron, DATES, EXAMPLE)
    elif end is not None and schedule.start <= end < first:
        message, allowed = f"names no date from {schedule.start} to {end}", f"a `schedule.end` of {first} or later"
        yield Problem(CRON, message, schedule.cron, allowed, "write a later end, or name other dates")


def trainings_come_due(definition: ModelDefinition) -> Iterator[Problem]:
    cadence, path, fix = definition.training.cadence, ("training", "cadence"), "such as '0 6 1 * *'"
    if not is_cron(cadence):
        yield Problem(path, "not a cron expression", cadence, FIELDS, fix)
    elif date_after(cadence, definition.schedule.start) is None:
        yield Problem(path, "never comes due", cadence, DATES, fix)


RULES = (
    schedule_ends_after_its_start,
    one_schedule,
    cron_names_a_date,
    trainings_come_due,
)
