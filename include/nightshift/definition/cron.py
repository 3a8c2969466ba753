"""Cron expressions of one run a date: the dates that they name, and the time of day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time
from functools import lru_cache

from croniter import CroniterBadCronError, CroniterBadDateError, croniter, croniter_range

FIELDS, FIELD_COUNT = "five fields: minute hour day month weekday", 5
END_OF_DAY = time(23, 59, 59)
# croniter's fields of chance, R, and of a hash, H: they name other dates in every process.
UNSETTLED = re.compile(r"(?<![a-z])[rh](?![a-z])", re.IGNORECASE)


def is_cron(expression: str) -> bool:
    """Whether a text is a cron expression of five fields, which means the same whenever it is read."""
    with suppress(CroniterBadCronError):
        return not UNSETTLED.search(expression) and len(_fields(expression)) == FIELD_COUNT
    return False


def is_once_a_date(expression: str) -> bool:
    """Whether a cron expression names one minute of a date at most."""
    return all(len(field) == 1 and isinstance(field[0], int) for field in _fields(expression)[:2])


def time_of_day(expression: str) -> time:
    """The time of day of a cron expression that names one run a date."""
    minute, hour = (field[0] for field in _fields(expression)[:2])
    return time(int(hour), int(minute))


def is_weekly(expression: str) -> bool:
    """Whether a cron expression names the same weekdays in every week."""
    _, _, day, month, _ = _fields(expression)
    return day == month == ["*"] and not croniter.expand(expression)[1]


def named_dates(expression: str, first: date, last: date) -> Iterator[date]:
    """The dates from `first` to `last` that a cron expression names, ascending."""
    begin, end = datetime.combine(first, time()), datetime.combine(last, END_OF_DAY)
    return (instant.date() for instant in croniter_range(begin, end, expression)) if first <= last else iter(())


def date_after(expression: str, day: date) -> date | None:
    """The first date after a date that a cron expression names; None if none comes."""
    with suppress(CroniterBadDateError):
        return _date(croniter(expression, datetime.combine(day, END_OF_DAY)).get_next(datetime))
    return None


def date_before(expression: str, day: date) -> date | None:
    """The last date before a date that a cron expression names; None if there is none."""
    with suppress(CroniterBadDateError):
        return _date(croniter(expression, datetime.combine(day, time())).get_prev(datetime))
    return None


def _date(instant: datetime) -> date:
    return instant.date()


@lru_cache(maxsize=64)
def _fields(expression: str) -> list[list[int | str]]:
    fields: list[list[int | str]] = croniter.expand(expression)[0]
    return fields
