"""How the champion and the challenger change, and how each change is recorded.

A change takes three steps under the model's lock: its event is appended, MLflow's alias is moved, and the registered
model is tagged with the event, which confirms it. So no version is ever the champion or the challenger without a row
that says why. The next caller can distinguish an interrupted change, which is not confirmed and is finished, from one
that was made in MLflow itself, which is recorded as an event of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from nightshift.definition.calendar import next_night
from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.registry.absent import is_registered
from nightshift.registry.events import (
    EventKind,
    RegistryEvent,
    append_event,
    challenger_changes,
    current_challenger,
    current_champion,
    newest_champion_change,
    read_events,
)
from nightshift.registry.lost_versions import require_versions
from nightshift.registry.store import CHALLENGER, CHAMPION, REASON, Registry, Version

log = logging.getLogger(__name__)

UNKNOWN_ACTOR = "unknown"  # of changes that were made in MLflow itself


class AliasChanges:
    """The changes of the champion's and the challenger's alias, and their events.

    Args:
        registry: The model's versions.
        lake: The lake, which has the table of events.
        definition: The model's definition.
    """

    def __init__(self, registry: Registry, lake: Lake, definition: ModelDefinition) -> None:
        self.registry, self.lake, self.definition = registry, lake, definition

    def events(self) -> list[RegistryEvent]:
        """Every event of the model's versions, in order."""
        return read_events(self.lake, self.definition.name)

    def disagreements(self) -> list[str]:
        """Where MLflow's aliases and the events disagree, in sentences; nothing is changed."""
        events = self.events()
        require_versions(self.registry, events)
        aliases = {
            CHAMPION: (self.registry.champion(), current_champion(events)),
            CHALLENGER: (self.registry.challenger(), current_challenger(events)),
        }
        return [
            f"MLflow's alias `{alias}` points to version {version.number if version else 'none'}, according to the "
            f"events to {expected or 'none'}: a change was interrupted, or made in MLflow itself. The next night "
            "finishes the one and records the other"
            for alias, (version, expected) in aliases.items()
            if (version.number if version else None) != expected
        ]

    def reconcile_aliases(self, actor: str) -> list[RegistryEvent]:
        """Makes MLflow's aliases and the events agree, which may move an alias or append an event.

        An interrupted change is finished; a change that was made in MLflow itself is recorded as an event.

        Returns:
            Every event, in order.
        """
        with self.registry.lock():
            return self._reconcile(actor)[0]

    # The caller of everything below holds the lock.

    def _reconcile(self, actor: str) -> tuple[list[RegistryEvent], RegistryEvent | None]:
        """Reconciles both aliases.

        Returns:
            Every event, and the newest change of the champion if it had been interrupted.
        """
        events, finished = self._reconcile_champion(actor)
        return self._reconcile_challenger(events, actor), finished

    def _reconcile_champion(self, actor: str) -> tuple[list[RegistryEvent], RegistryEvent | None]:
        events, finished = self.events(), None
        require_versions(self.registry, events)
        newest = newest_champion_change(events)
        version = self.registry.champion()
        actual, expected = version.number if version else None, current_champion(events)
        if newest and self.registry.confirmed_event() != newest.event_id:
            if actual != expected and actual == newest.from_version and self._can_be_finished(newest):
                self.registry.set_champion_alias(newest.to_version)
                actual = expected
            if actual == expected:
                self.registry.confirm_event(newest.event_id)
                finished = newest
        if actual == expected:
            return events, finished
        night, reason = self._next_night(events, version), f"noticed by {actor}"
        event = self._event("changed_elsewhere", night, UNKNOWN_ACTOR, version, reason, expected, newest)
        self._warn("champion", actual, expected)
        return [*events, self._record_champion_change(event, events)], None

    def _reconcile_challenger(self, events: list[RegistryEvent], actor: str) -> list[RegistryEvent]:
        changes = challenger_changes(events)
        newest, expected = changes[-1] if changes else (None, None)
        version = self.registry.challenger()
        if version and version.number == current_champion(events):
            self.registry.set_challenger_alias(None)  # it was promoted, and no model is compared with itself
            version = None
        actual = version.number if version else None
        if newest and self.registry.confirmed_event(CHALLENGER) != newest.event_id:
            before = changes[-2][1] if len(changes) > 1 else None
            if actual != expected and actual == before and (expected is None or self._can_be_finished(newest)):
                self.registry.set_challenger_alias(expected)
                actual = expected
            if actual == expected:
                self.registry.confirm_event(newest.event_id, CHALLENGER)
        if actual == expected:
            return events
        reason, night = f"changed in MLflow, noticed by {actor}", self._next_night(events)
        if version:
            event = self._event("challenging", night, UNKNOWN_ACTOR, version, reason, expected, newest)
        else:
            event = self._event("retired", night, UNKNOWN_ACTOR, None, reason, after=newest)
            event = replace(event, to_version=expected)
        self._warn("challenger", actual, expected)
        return [*events, self._change_challenger(event, events)]

    def _change_champion(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """The three steps of a change of the champion, which is then no longer the challenger."""
        event = self._record_champion_change(event, before)
        self._reconcile_challenger([*before, event], event.actor)
        return event

    def _record_champion_change(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        event = self._append(event, before)
        if event.event != "changed_elsewhere":
            self.registry.set_champion_alias(event.to_version)
        self.registry.confirm_event(event.event_id)
        return event

    def _change_challenger(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """The three steps of a change of the challenger."""
        event = self._append(event, before)
        if event.actor != UNKNOWN_ACTOR:
            self.registry.set_challenger_alias(event.to_version if event.event == "challenging" else None)
        self.registry.confirm_event(event.event_id, CHALLENGER)
        return event

    def _append(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """Appends an event, later than all before it even if the clock was set back."""
        later = [event.recorded_at + timedelta(microseconds=1) for event in before]
        event = replace(event, recorded_at=max([event.recorded_at, *later]))
        append_event(self.lake, event)
        return event

    def _register_version(
        self, mlflow_run: str, note: str, actor: str, events: list[RegistryEvent]
    ) -> tuple[Version, RegistryEvent, list[RegistryEvent]]:
        """Registers a run's package as a version, once, and retires an older challenger.

        Returns:
            The version, the event of its registration, and every event.
        """
        others = {
            event.to_version for event in events if event.to_version and event.mlflow_run not in (None, mlflow_run)
        }
        version = self.registry.register(mlflow_run, note, taken=others)
        reason = self.registry.run_tags(mlflow_run).get(REASON, "")
        as_of = date.fromisoformat(version.as_of)
        registered = self._append(self._event("registered", as_of, actor, version, reason, note=note), events)
        events = [*events, registered]
        changes = challenger_changes(events)
        newest, older = changes[-1] if changes else (None, None)
        if older is not None and older < version.number:
            versions, why = self.registry.versions(), f"version {version.number} is newer"
            retired = self._event("retired", as_of, actor, versions.get(older), why, after=newest)
            events.append(self._change_challenger(replace(retired, to_version=older), events))
        return version, registered, events

    def _event(
        self,
        kind: EventKind,
        effective: date,
        actor: str,
        version: Version | None,
        reason: str,
        from_version: int | None = None,
        after: RegistryEvent | None = None,
        note: str = "",
        evidence: Mapping[str, object] = MappingProxyType({}),
    ) -> RegistryEvent:
        """An event about a version; its evidence is the gate's summary, the digest, and what is given."""
        values = {"gate": note or version.gate, "digest": version.digest, **evidence} if version else evidence
        return RegistryEvent(
            self.definition.name,
            kind,
            effective,
            actor,
            from_version,
            version.number if version else None,
            version.run_id if version else None,
            reason,
            json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False),
            after.event_id if after else "",
        )

    def _can_be_finished(self, event: RegistryEvent) -> bool:
        """Whether the event's version exists and is of the run that the event names, or it is about none."""
        if event.event == "champion_retired":
            return True
        return event.event != "changed_elsewhere" and is_registered(event, self.registry.versions())

    def _next_night(self, events: Sequence[RegistryEvent], version: Version | None = None) -> date:
        """The night after the newest scored one, from which a change that is made now is effective."""
        if version and version.as_of and not events:
            return date.fromisoformat(version.as_of)  # it was the champion before events were recorded
        if scored := published_dates(self.lake, scores_table(self.definition)):
            return next_night(self.definition.schedule, max(scored))
        newest = newest_champion_change(events)
        return newest.effective if newest else self.definition.schedule.start

    def _warn(self, alias: str, actual: int | None, expected: int | None) -> None:
        log.warning(
            "%s: MLflow's alias `%s` points to version %s, according to the events to %s: it was changed elsewhere, "
            "which is now recorded as an event",
            self.definition.name,
            alias,
            actual or "none",
            expected or "none",
        )
