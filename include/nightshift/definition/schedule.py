"""When nights run, and how long they wait for their sources."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import StrictModel, ValueType
from nightshift.definition.cron import FIELDS, is_cron, is_once_a_date, time_of_day
from nightshift.definition.duration import Duration

EXAMPLE = "such as '0 6 * * 1', Mondays at 06:00"


def _time_zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "time_zone", "unknown time zone", {"allowed": "IANA names such as UTC or America/New_York"}
        ) from None
    return name


TimeZone = Annotated[str, AfterValidator(_time_zone), ValueType("IANA name")]


def _one_run_a_date(expression: str) -> str:
    if not is_cron(expression) or expression.startswith("@"):
        raise PydanticCustomError("cron", "not a cron expression", {"allowed": FIELDS, "fix": EXAMPLE})
    if not is_once_a_date(expression):
        allowed = "one minute and one hour: a night is a date"
        raise PydanticCustomError("cron", "names several runs a date", {"allowed": allowed, "fix": EXAMPLE})
    return expression


class Schedule(StrictModel):
    """When nights run.

    Every date is a night, scored at the time `at`; or the dates that `cron` names are, for
    [weekly and monthly scoring](architecture.md#weekly-and-monthly-nights). The instant at which score date *D* is
    scored is its cutoff: data that was not available by then is not used.
    """

    timezone: TimeZone = Field(
        description="The zone of `at` and `cron`, of `training.cadence`, and of sources that do not have a zone of "
        "their own."
    )
    at: Annotated[str, ValueType("time")] | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="The time of day at which every date is scored; without `cron` `00:00` if left out.",
    )
    cron: Annotated[str, AfterValidator(_one_run_a_date), ValueType("cron")] | None = Field(
        None,
        description="Instead of `at`: the dates that are nights, and the one time of day at which they are scored. A "
        'day of the month and a weekday together name the dates of either. `"0 6 * * 1"` scores Mondays, '
        '`"0 6 1 * *"` the first of every month.',
    )
    start: date = Field(
        ge=date(1900, 1, 1),
        le=date(2200, 1, 1),
        description="The first date that can be a night. No partition of an earlier date is waited for.",
    )
    end: date | None = Field(None, description="The last date that can be a night.")

    @property
    def time_of_day(self) -> time:
        """The time of day of every cutoff."""
        return time_of_day(self.cron) if self.cron else time.fromisoformat(self.at or "00:00")

    @property
    def expression(self) -> str:
        """The cron expression of the cutoffs."""
        return self.cron or f"{self.time_of_day.minute} {self.time_of_day.hour} * * *"

    def on_dates_of(self, schedule: Schedule) -> Schedule:
        """This schedule with its time of day, on the dates of another."""
        _, _, *dates = schedule.expression.split()
        cron = " ".join([str(self.time_of_day.minute), str(self.time_of_day.hour), *dates])
        return self.model_copy(update={"at": None, "cron": cron})


class Wait(StrictModel):
    """How long a night waits for its sources."""

    alert: Duration | None = Field(
        None,
        description="After this time an alert names the missing files. The night keeps waiting, and runs when they "
        "are there.",
    )
    timeout: Duration = Field(description="After this time the night fails and names the missing files.")
    poll: Duration = Field(
        description="How often the night looks for its files. Below 30 seconds the task keeps its worker meanwhile."
    )
