"""When nights run, and how long they wait for their sources."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from nightshift.definition.base import StrictModel
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


TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Schedule(StrictModel):
    """When nights run. Score date D is scored at `at` on D; that instant is its cutoff."""

    timezone: TimeZone
    at: str = Field("00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    start: date = Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))
    end: date | None = None


class Wait(StrictModel):
    """How long a night waits for its sources."""

    alert: Duration | None = Field(None, description="After this an alert names what is missing; the night waits on.")
    timeout: Duration
    poll: Duration
