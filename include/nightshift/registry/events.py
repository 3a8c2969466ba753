"""The events of a model's versions: one row an event in `monitoring.registry_events`, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

import pyarrow as pa

from nightshift.lake.catalog import Lake
from nightshift.lake.publish import publish
from nightshift.lake.read import fingerprint, read_dates
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import registry_events_table

EventKind = Literal[
    "registered", "refused", "challenging", "retired", "approved", "declined",
    "promoted", "rolled_back", "champion_retired", "changed_elsewhere", "forgotten",
]  # fmt: skip

# The events after which another version is the champion, or none is, and those after which a version is no longer the
# challenger.
CHAMPION_EVENTS = ("promoted", "rolled_back", "champion_retired", "changed_elsewhere")
CHALLENGER_END_EVENTS = ("retired", "declined", *CHAMPION_EVENTS)


@dataclass(frozen=True)
class RegistryEvent:
    """A change of a model's versions, or of which version is the champion or the challenger.

    Attributes:
        model: The model.
        event: The kind of event. A champion that was set in MLflow itself is `changed_elsewhere`; a challenger that was
            set or removed there has `unknown` as its actor. A version that MLflow lost for good is `forgotten`.
        effective: The score date from which it counts, which in a replay is years before `recorded_at`.
        actor: The Airflow run or the person that caused it.
        from_version: The previous champion, if the champion changed.
        to_version: The version that the event is about; None if no version was registered.
        mlflow_run: The MLflow run that trained the version.
        reason: Why.
        evidence: The evidence for it as JSON text: the gate's summary, the artifact's digest, …
        after: The id of the change before, for changes that one actor may make more than once.
        recorded_at: When it happened.
    """

    model: str
    event: EventKind
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
        """Equal for the same change by the same actor, whenever it is recorded."""
        change = self.model, self.event, str(self.effective), self.actor
        versions = f"{self.from_version}", f"{self.to_version}", self.mlflow_run or ""
        return fingerprint(*change, *versions, self.after)

    @property
    def parsed_evidence(self) -> Mapping[str, Any]:
        """The evidence by its name."""
        return dict(json.loads(self.evidence))


@dataclass(frozen=True)
class Reign:
    """The score dates on which a version was the champion: from `since` to before `until`, or until now if None."""

    version: int | None
    since: date
    until: date | None
    event: RegistryEvent


def append_event(lake: Lake, event: RegistryEvent) -> None:
    """Appends an event; an event that is already there is not changed."""
    spec = registry_events_table()
    row: dict[str, Any] = vars(event) | {"event_id": event.event_id}
    data = pa.Table.from_pylist([row], schema=spec.schema)
    split = {"model": event.model, "event_id": event.event_id}
    staged = stage_arrow(lake, spec, data, event.effective, event.effective, {}, split)
    publish(lake, spec, staged, replace=False)


def read_events(lake: Lake, model: str) -> list[RegistryEvent]:
    """Every event of a model, in the order of time."""
    spec = registry_events_table()
    if not lake.table_exists(spec.name):
        return []
    rows = read_dates(lake, spec, date.min, date.max, split={"model": model}).drop(["event_id"])
    return sorted((RegistryEvent(**row) for row in rows.to_pylist()), key=lambda event: event.recorded_at)


def champion_changes(events: Sequence[RegistryEvent]) -> list[RegistryEvent]:
    """The events after which another version is the champion."""
    return [event for event in events if event.event in CHAMPION_EVENTS]


def newest_champion_change(events: Sequence[RegistryEvent]) -> RegistryEvent | None:
    """The event that made the current champion; None if there never was one."""
    return next((event for event in reversed(events) if event.event in CHAMPION_EVENTS), None)


def current_champion(events: Sequence[RegistryEvent]) -> int | None:
    """The current champion's version, according to the events."""
    return newest.to_version if (newest := newest_champion_change(events)) else None


def challenger_changes(events: Sequence[RegistryEvent]) -> list[tuple[RegistryEvent, int | None]]:
    """The events after which another version is the challenger, or none is, each with that version."""
    changes: list[tuple[RegistryEvent, int | None]] = []
    challenger: int | None = None
    for event in events:
        after = event.to_version if event.event == "challenging" else challenger
        if event.event in CHALLENGER_END_EVENTS and event.to_version == challenger:
            after = None
        if after != challenger:
            changes.append((event, after))
            challenger = after
    return changes


def current_challenger(events: Sequence[RegistryEvent]) -> int | None:
    """The current challenger's version, according to the events."""
    return changes[-1][1] if (changes := challenger_changes(events)) else None


def reigns(events: Sequence[RegistryEvent]) -> list[Reign]:
    """Which version was the champion on which score dates, in the order of the events.

    The newest event counts from its effective date on and overrides earlier events about later dates. A reign without
    any date is left out.
    """
    newest_first: list[Reign] = []
    until: date | None = None
    for event in reversed(champion_changes(events)):
        if until is None or event.effective < until:
            newest_first.append(Reign(event.to_version, event.effective, until, event))
            until = event.effective
    return newest_first[::-1]


def previous_champion(events: Sequence[RegistryEvent]) -> int | None:
    """The version to roll back to: the champion before the current one, without versions that were rolled back from."""
    line: list[int] = []
    for event in champion_changes(events):
        if event.to_version in line:
            del line[line.index(event.to_version) + 1 :]
        elif event.to_version is not None:
            line.append(event.to_version)
    if line and current_champion(events) is not None:
        line.pop()
    return line[-1] if line else None
