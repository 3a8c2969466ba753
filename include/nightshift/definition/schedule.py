"""When nights run, and how long they wait for their sources."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import StrictModel, ValueType
from nightshift.definition.duration import Duration


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


class Schedule(StrictModel):
    """When nights run.

    Score date *D* is scored at `at` on *D*. That instant is its cutoff: data that was not available by then is not
    used.
    """

    timezone: TimeZone = Field(
        description="The zone of `at`, of `training.cadence`, and of sources that do not have a zone of their own."
    )
    at: Annotated[str, ValueType("time")] = Field(
        "00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="The time of day at which a night is scored."
    )
    start: date = Field(
        ge=date(1900, 1, 1),
        le=date(2200, 1, 1),
        description="The first night. No partition of an earlier date is waited for.",
    )
    end: date | None = Field(None, description="The last night.")


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
