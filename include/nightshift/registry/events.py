"""What happened to a model's versions: one row an event, for good, in `monitoring.registry_events`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

import pyarrow as pa

from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import fingerprint, read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import registry_events_table

Kind = Literal[
    "registered", "refused", "challenging", "retired", "approved", "declined",
    "promoted", "rolled_back", "changed_elsewhere",
]  # fmt: skip

# The events after which another version is the champion, and those after which a version is no challenger any more.
CHANGES = ("promoted", "rolled_back", "changed_elsewhere")
ENDS = ("retired", "declined", *CHANGES)


@dataclass(frozen=True)
class RegistryEvent:
    """One thing that happened to a model's versions.

    Attributes:
        model: The model.
        event: What happened. A champion that was made in MLflow itself is `changed_elsewhere`; a challenger that was
            made or taken away there has `unknown` as its actor.
        effective: The score date from which it counts, which in a replay is years before `recorded_at`.
        actor: The run that did it, or the person.
        from_version: The champion before, if that changed.
        to_version: The version it is about; none if no version came of it.
        mlflow_run: The MLflow run that made the version.
        reason: Why.
        evidence: What it rests on, as JSON: the gate's summary, the artifact's digest.
        after: The id of the change before, for what one actor may do more than once.
        recorded_at: When it happened.
    """

    model: str
    event: Kind
    effective: date
    actor: str
    from_version: int | None = None
    to_version: int | None = None
    mlflow_run: str | None = None
    reason: str = ""
    evidence: str = "{}"
    after: str = ""
    recorded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def event_id(self) -> str:
        """The same for the same thing done by the same actor, whenever it is told."""
        versions = f"{self.from_version}", f"{self.to_version}"
        told = (self.model, self.event, str(self.effective), self.actor, *versions, self.mlflow_run or "", self.after)
        return fingerprint(*told)


@dataclass(frozen=True)
class Reign:
    """The score dates on which a version was the champion: from `since` until before `until`, if that has come."""

    version: int | None
    since: date
    until: date | None
    event: RegistryEvent


def append_event(lake: Lake, event: RegistryEvent) -> None:
    """Keeps an event; one that is kept already stays as it is."""
    spec = registry_events_table()
    row: dict[str, Any] = vars(event) | {"event_id": event.event_id}
    data = pa.Table.from_pylist([row], schema=spec.schema)
    split = {"model": event.model, "event_id": event.event_id}
    staged = stage_arrow(lake, spec, data, event.effective, event.effective, {}, split)
    publish(lake, spec, staged, replace=False)


def read_events(lake: Lake, model: str) -> list[RegistryEvent]:
    """Every event of a model, in the order in which they happened."""
    spec = registry_events_table()
    if not lake.table_exists(spec.name):
        return []
    rows = read_dates(lake, spec, date.min, date.max, split={"model": model}).drop(["event_id"])
    return sorted((RegistryEvent(**row) for row in rows.to_pylist()), key=lambda one: one.recorded_at)


def changes(events: Sequence[RegistryEvent]) -> list[RegistryEvent]:
    """The events after which another version is the champion."""
    return [one for one in events if one.event in CHANGES]


def newest_change(events: Sequence[RegistryEvent]) -> RegistryEvent | None:
    """The event that made the present champion; none if there never was one."""
    return next((one for one in reversed(events) if one.event in CHANGES), None)


def last_champion(events: Sequence[RegistryEvent]) -> int | None:
    """The present champion, as the events say."""
    return newest.to_version if (newest := newest_change(events)) else None


def challenges(events: Sequence[RegistryEvent]) -> list[tuple[RegistryEvent, int | None]]:
    """The events after which another version is the challenger, or none is, each with that version."""
    found: list[tuple[RegistryEvent, int | None]] = []
    held: int | None = None
    for one in events:
        now = one.to_version if one.event == "challenging" else held
        if one.event in ENDS and one.to_version == held:
            now = None
        if now != held:
            found.append((one, now))
            held = now
    return found


def last_challenger(events: Sequence[RegistryEvent]) -> int | None:
    """The present challenger, as the events say."""
    return known[-1][1] if (known := challenges(events)) else None


def reigns(events: Sequence[RegistryEvent]) -> list[Reign]:
    """Which version was the champion on which score dates, in the order of the events.

    What happened last counts from its effective date on, whatever was said of later dates before. A reign of no
    date is left out.
    """
    found: list[Reign] = []
    until: date | None = None
    for one in reversed(changes(events)):
        if until is None or one.effective < until:
            found.append(Reign(one.to_version, one.effective, until, one))
            until = one.effective
    return found[::-1]


def champion_before(events: Sequence[RegistryEvent]) -> int | None:
    """The champion to go back to: the one before the present one, of those that nobody went back from."""
    line: list[int] = []
    for one in changes(events):
        if one.to_version in line:
            del line[line.index(one.to_version) + 1 :]
        elif one.to_version is not None:
            line.append(one.to_version)
    if line and last_champion(events) is not None:
        line.pop()
    return line[-1] if line else None
