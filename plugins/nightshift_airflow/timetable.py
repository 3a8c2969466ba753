"""When trainings run, and which logical dates a person may give one.

Airflow starts a run whose logical date is in the future, or after its DAG's end, but not its tasks: such a training
would hold back all later ones, silently. It is refused where somebody triggers it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.timetables.base import DataInterval, Timetable
from airflow.timetables.trigger import CronTriggerTimetable

from nightshift.errors import TerminalError

CLOCKS = timedelta(minutes=5)  # how far the clock of a browser may be ahead


class TrainingTimetable(CronTriggerTimetable):
    """A cadence by cron; a run by hand has a logical date that its tasks can start on, or none.

    Args:
        cron: The cron expression.
        timezone: Its time zone.
        end: The end of the DAG; None if it has none.
    """

    def __init__(self, cron: str, *, timezone: Any, end: datetime | None = None, **options: Any) -> None:
        super().__init__(cron, timezone=timezone, **options)
        self._end = end

    def infer_manual_data_interval(self, *, run_after: Any) -> DataInterval:
        """The data interval of a run by hand.

        Raises:
            ValueError: If its tasks would not start; the UI and the API answer with its line.
        """
        if problem := refused_logical_date(run_after, datetime.now(run_after.tzinfo), self._end):
            raise ValueError(problem)
        return super().infer_manual_data_interval(run_after=run_after)

    def serialize(self) -> dict[str, Any]:
        """As Airflow stores it."""
        stored: dict[str, Any] = super().serialize()
        return stored | {"end": self._end.isoformat() if self._end else None}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """From what Airflow stored."""
        timetable = super().deserialize(data)
        assert isinstance(timetable, cls)
        timetable._end = datetime.fromisoformat(data["end"]) if data.get("end") else None
        return timetable


def refused_logical_date(logical_date: datetime, now: datetime, end: datetime | None) -> str:
    """Why tasks of a run with this logical date would not start, as one line; empty if they would.

    Args:
        logical_date: The logical date of the run.
        now: The present.
        end: The end of the DAG; None if it has none.
    """
    if logical_date > now + CLOCKS:
        problem, latest = "is in the future: the training would wait for it", now.isoformat(timespec="minutes")
    elif end is not None and logical_date > end:
        problem, latest = "is after `schedule.end`: the training would never start", end.isoformat()
    else:
        return ""
    return str(
        TerminalError(
            f"the logical date {problem} and hold back all others",
            received=logical_date.isoformat(),
            allowed=f"{latest} or earlier, or none",
            fix="leave the logical date empty, and give `as_of` the date up to which it is to learn",
        )
    )
