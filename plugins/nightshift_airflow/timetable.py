"""When nights and trainings run, and which dates a person may give them.

Airflow starts a run whose logical date is in the future, or after its DAG's end, but not its tasks: such a run would
hold back others, silently. So would a night that has not come, whose files nobody has. Both are refused where somebody
triggers them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DataInterval, Timetable
from airflow.timetables.trigger import CronPartitionTimetable, CronTriggerTimetable

from nightshift.errors import TerminalError

CLOCKS = timedelta(minutes=5)  # how far the clock of a browser may be ahead


class _StartableRuns(CronTriggerTimetable):
    """Runs by cron; a run by hand has a logical date that its tasks can start on, or none."""

    fix = "leave the logical date empty"
    _end: datetime | None = None

    def infer_manual_data_interval(self, *, run_after: Any) -> DataInterval:
        """The data interval of a run by hand.

        Raises:
            ValueError: If its tasks would not start; the UI and the API answer with its line.
        """
        if problem := refused_logical_date(run_after, datetime.now(run_after.tzinfo), self._end, self.fix):
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


class TrainingTimetable(_StartableRuns):
    """The cadence of trainings.

    Args:
        cron: The cron expression.
        timezone: Its time zone.
        end: The end of the DAG; None if it has none.
    """

    fix = "leave the logical date empty, and give `as_of` the date up to which it is to learn"

    def __init__(self, cron: str, *, timezone: Any, end: datetime | None = None, **options: Any) -> None:
        super().__init__(cron, timezone=timezone, **options)
        self._end = end


class NightTimetable(_StartableRuns, CronPartitionTimetable):
    """A run at the cutoff of every night, whose partition key is the score date.

    Args:
        cron: The cron expression of the cutoffs, at most one a day.
        timezone: Its time zone.
        end: The end of the DAG; None if it has none.
    """

    fix = "leave the logical date empty, and give the score date as the partition key"

    def __init__(self, cron: str, *, timezone: Any, end: datetime | None = None, **options: Any) -> None:
        super().__init__(cron, timezone=timezone, **{"key_format": "%Y-%m-%d"} | options)
        self._end = end

    def _decode_partition_date(self, partition_key: str) -> datetime:
        """The beginning of the night of a run by hand.

        Raises:
            InvalidPartitionKeyError: If the key is no date, or not one of a night, or its cutoff is to come; the UI and
                the API answer with its line.
        """
        night: datetime = super()._decode_partition_date(partition_key)
        cutoff = self._align_to_next(night)
        now = datetime.now(cutoff.tzinfo)
        if cutoff.astimezone(self._timezone).date() != night.date():
            around = self._get_prev(night), cutoff
            raise InvalidPartitionKeyError(
                str(
                    TerminalError(
                        f"no night: `{self._expression}` does not name this {night:%A}",
                        received=partition_key,
                        allowed=[self._format_key(instant) for instant in around],
                        fix="give a date that `schedule.cron` names",
                    )
                )
            )
        if cutoff > now + CLOCKS:
            newest = self._align_to_prev(now + CLOCKS)
            raise InvalidPartitionKeyError(
                str(
                    TerminalError(
                        "the night has not come: its run would wait for files and hold back others",
                        received=partition_key,
                        allowed=f"{self._format_key(newest)} or earlier",
                        fix=f"trigger it after its cutoff, {cutoff.astimezone(self._timezone).isoformat()}",
                    )
                )
            )
        return night


def refused_logical_date(logical_date: datetime, now: datetime, end: datetime | None, fix: str) -> str:
    """Why tasks of a run with this logical date would not start, as one line; empty if they would.

    Args:
        logical_date: The logical date of the run.
        now: The present.
        end: The end of the DAG; None if it has none.
        fix: What to give instead.
    """
    if logical_date > now + CLOCKS:
        problem, latest = "is in the future: the run would wait for it", now.isoformat(timespec="minutes")
    elif end is not None and logical_date > end:
        problem, latest = "is after `schedule.end`: the run would never start", end.isoformat()
    else:
        return ""
    return str(
        TerminalError(
            f"the logical date {problem} and hold back others",
            received=logical_date.isoformat(),
            allowed=f"{latest} or earlier, or none",
            fix=fix,
        )
    )
