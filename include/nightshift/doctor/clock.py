"""Whether this machine's clock agrees with those of others, and with what was written before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from nightshift.doctor.examination import Examination
from nightshift.doctor.storage import PROBE
from nightshift.errors import NightshiftError, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.files import files_with_times, remove, write_bytes

TOLERATED = timedelta(minutes=1)
FIX = "set the clock, and keep it by NTP: timedatectl set-ntp true"


def check_clock(examination: Examination) -> Iterator[NightshiftError]:
    """Where the clock differs from the warehouse's, and what says that it was written later than now."""
    warehouse = examination.settings.warehouse_uri
    if difference := _difference_to(warehouse):
        yield TerminalError(
            "this machine's clock differs from the warehouse's",
            where=warehouse,
            received=f"{difference.total_seconds():+.0f} s",
            allowed=f"at most {TOLERATED.total_seconds():.0f} s",
            fix=FIX,
        )
    if not examination.settings.has_catalog:
        return
    now = datetime.now(UTC)
    for name in examination.lake.table_names():
        written = _last_written(examination.lake, name)
        if written and written > now + TOLERATED:
            yield TerminalError(
                "the newest snapshot is of the future: this machine's clock is behind, or another's was ahead",
                where=name,
                received=f"{written:%Y-%m-%d %H:%M:%S} UTC",
                allowed=f"until now, {now:%Y-%m-%d %H:%M:%S} UTC",
                fix=FIX,
            )


def _last_written(lake: Lake, name: str) -> datetime | None:
    with suppress(Exception):  # the check of the tables says it
        if snapshot := lake.table(name).current_snapshot():
            return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
    return None


def _difference_to(warehouse: str) -> timedelta | None:
    """How much this machine's clock is ahead of the one that dates the warehouse's files, if it is too much."""
    folder = f"{warehouse}/{PROBE}s"
    before = datetime.now(UTC)
    with suppress(OSError):  # the check of the storage says it
        write_bytes(f"{folder}/clock", b"probe")
        after = datetime.now(UTC)
        written = max((time for _, time in files_with_times(folder).values()), default=after)
        remove(f"{folder}/clock")
        difference = before - written if written < before else after - written
        return difference if abs(difference) > TOLERATED else None
    return None
