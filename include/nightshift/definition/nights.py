"""Which dates are nights of a model, and as of which dates it can be trained."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from nightshift.definition.calendar import is_night, next_night, nights, parse_night, previous_night
from nightshift.definition.load import located
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import Problem
from nightshift.definition.schedule import Schedule
from nightshift.errors import TerminalError


def require_night(definition: ModelDefinition, night: date) -> None:
    """Requires that a date is a night of a model.

    Raises:
        TerminalError: If it is before the schedule's start or after its end, or its cron does not name it; with file
            and line.
    """
    require_scheduled(definition, night)
    schedule = definition.schedule
    if not is_night(schedule, night):
        around = previous_night(schedule, night), next_night(schedule, night)
        message = f"{night}, a {night:%A}, is no night"
        allowed = [str(day) for day in around if _is_scheduled(schedule, day)]
        fix = "choose a date that the cron names, or change the cron"
        [error] = located(definition, [Problem(("schedule", "cron"), message, str(night), allowed, fix)])
        raise error


def require_scheduled(definition: ModelDefinition, night: date) -> None:
    """Requires that a date is one of a model's schedule, be it a night or between two nights.

    Raises:
        TerminalError: If it is before the schedule's start or after its end; with file and line.
    """
    schedule = definition.schedule
    allowed = f"{schedule.start} to {schedule.end}" if schedule.end else f"{schedule.start} or later"
    problem = None
    if night < schedule.start:
        fix = "choose a night from the start on, or declare an earlier start"
        problem = Problem(("schedule", "start"), f"{night} is before the first night", str(night), allowed, fix)
    elif schedule.end is not None and night > schedule.end:
        fix = "choose a night up to the end, or declare a later end"
        problem = Problem(("schedule", "end"), f"{night} is after the last night", str(night), allowed, fix)
    if problem:
        [error] = located(definition, [problem])
        raise error


def nights_within(definition: ModelDefinition, first: date, last: date) -> list[date]:
    """The nights from `first` to `last`.

    Raises:
        TerminalError: If there is none, or one is before the schedule's start or after its end; with file and line.
    """
    dates = list(nights(definition.schedule, first, last)) if first < last else [first]
    if not dates:
        require_night(definition, first)
    for night in dates:
        require_night(definition, night)
    return dates


def _is_scheduled(schedule: Schedule, day: date) -> bool:
    return schedule.start <= day <= (schedule.end or date.max)


def training_date(definition: ModelDefinition, given: str | None, run_after: datetime) -> date:
    """The date as of which a run trains: the given one, or the local date of the run.

    Args:
        definition: The definition.
        given: The date that a person or a retrain request gave; None or empty if nobody did.
        run_after: When the run was due.

    Raises:
        TerminalError: If the date is none, or in the run's future: nothing is known of it yet.
    """
    today = run_after.astimezone(ZoneInfo(definition.schedule.timezone)).date()
    as_of = parse_night(given) if given else today
    if as_of > today:
        raise TerminalError(
            "a training cannot learn from the future",
            where=f"{definition.name}.train: as_of",
            received=str(as_of),
            allowed=f"{today} or earlier",
            fix="give the date up to whose cutoff it is to learn, or leave it empty",
        )
    return as_of
