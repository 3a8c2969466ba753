"""How the champion and the challenger change, and how each change is kept.

A change takes three steps under the model's lock: its event is appended, MLflow's alias is moved, and the registered
model is marked with the event. So no version is ever the champion or the challenger without a row that says why, and
whoever comes next can tell a change that was interrupted, which has no mark and is finished, from one that somebody
made in MLflow itself, which is kept as an event of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from nightshift.definition.model import ModelDefinition
from nightshift.lake.catalog import Lake
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.registry.events import (
    Kind,
    RegistryEvent,
    append_event,
    challenges,
    last_champion,
    newest_change,
    read_events,
)
from nightshift.registry.store import CHALLENGER, REASON, Registry, Version

log = logging.getLogger(__name__)

SOMEBODY = "unknown"  # who changed something in MLflow itself


class Changes:
    """What the champion's and the challenger's changes have in common.

    Args:
        registry: The model's versions.
        lake: Where the events are kept.
        definition: The model's definition.
    """

    def __init__(self, registry: Registry, lake: Lake, definition: ModelDefinition) -> None:
        self.registry, self.lake, self.definition = registry, lake, definition

    def events(self) -> list[RegistryEvent]:
        """Everything that happened to the model's versions, in its order."""
        return read_events(self.lake, self.definition.name)

    def settle(self, actor: str) -> list[RegistryEvent]:
        """Makes the events and MLflow say the same.

        A change that was interrupted is finished; one that was made in MLflow itself is kept as an event.

        Returns:
            Every event, in its order.
        """
        with self.registry.lock():
            return self._settle(actor)[0]

    # The caller of everything below holds the lock.

    def _settle(self, actor: str) -> tuple[list[RegistryEvent], RegistryEvent | None]:
        """Every event, and the newest change of the champion if it had been interrupted."""
        events, finished = self._settle_champion(actor)
        return self._settle_challenger(events, actor), finished

    def _settle_champion(self, actor: str) -> tuple[list[RegistryEvent], RegistryEvent | None]:
        events, finished = self.events(), None
        newest = newest_change(events)
        present = self.registry.champion()
        number, told = present.number if present else None, last_champion(events)
        if newest and self.registry.settled() != newest.event_id:
            if number != told and number == newest.from_version and self._can_be_finished(newest):
                self.registry.crown(newest.to_version or 0)
                number = told
            if number == told:
                self.registry.settle(newest.event_id)
                finished = newest
        if number == told:
            return events, finished
        night = self._next_night(events, present)
        found = self._event("changed_elsewhere", night, SOMEBODY, present, f"noticed by {actor}", told, newest)
        self._warn("champion", number, told)
        return [*events, self._crown(found, events)], None

    def _settle_challenger(self, events: list[RegistryEvent], actor: str) -> list[RegistryEvent]:
        known = challenges(events)
        newest, told = known[-1] if known else (None, None)
        present = self.registry.challenger()
        if present and present.number == last_champion(events):
            self.registry.challenge(None)  # it was promoted, and no model is compared with itself
            present = None
        number = present.number if present else None
        if newest and self.registry.settled(CHALLENGER) != newest.event_id:
            before = known[-2][1] if len(known) > 1 else None
            if number != told and number == before and (told is None or self._can_be_finished(newest)):
                self.registry.challenge(told)
                number = told
            if number == told:
                self.registry.settle(newest.event_id, CHALLENGER)
        if number == told:
            return events
        reason, night = f"changed in MLflow, noticed by {actor}", self._next_night(events)
        if present:
            found = self._event("challenging", night, SOMEBODY, present, reason, told, newest)
        else:
            found = replace(self._event("retired", night, SOMEBODY, None, reason, after=newest), to_version=told)
        self._warn("challenger", number, told)
        return [*events, self._change_challenger(found, events)]

    def _change(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """The three steps of a change of the champion, who is no challenger any more."""
        event = self._crown(event, before)
        self._settle_challenger([*before, event], event.actor)
        return event

    def _crown(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        event = self._keep(event, before)
        if event.event != "changed_elsewhere" and event.to_version:
            self.registry.crown(event.to_version)
        self.registry.settle(event.event_id)
        return event

    def _change_challenger(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """The three steps of a change of the challenger."""
        event = self._keep(event, before)
        if event.actor != SOMEBODY:
            self.registry.challenge(event.to_version if event.event == "challenging" else None)
        self.registry.settle(event.event_id, CHALLENGER)
        return event

    def _keep(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """Appends an event. The order of events is that of what happened, whatever becomes of the clock."""
        earliest = [one.recorded_at + timedelta(microseconds=1) for one in before]
        event = replace(event, recorded_at=max([event.recorded_at, *earliest]))
        append_event(self.lake, event)
        return event

    def _register(
        self, mlflow_run: str, note: str, actor: str, events: list[RegistryEvent]
    ) -> tuple[Version, RegistryEvent, list[RegistryEvent]]:
        """Makes a version of a run's package, once, in place of a challenger that is older.

        Returns:
            The version, the event of its registration, and every event.
        """
        version = self.registry.register(mlflow_run, note)
        reason = self.registry.run_tags(mlflow_run).get(REASON, "")
        as_of = date.fromisoformat(version.as_of)
        registered = self._keep(self._event("registered", as_of, actor, version, reason, note=note), events)
        events = [*events, registered]
        known = challenges(events)
        newest, older = known[-1] if known else (None, None)
        if older is not None and older < version.number:
            versions, why = self.registry.versions(), f"version {version.number} is newer"
            retired = self._event("retired", as_of, actor, versions.get(older), why, after=newest)
            events.append(self._change_challenger(replace(retired, to_version=older), events))
        return version, registered, events

    def _event(
        self,
        kind: Kind,
        effective: date,
        actor: str,
        version: Version | None,
        reason: str,
        from_version: int | None = None,
        after: RegistryEvent | None = None,
        note: str = "",
        evidence: Mapping[str, object] = MappingProxyType({}),
    ) -> RegistryEvent:
        """An event about a version; its evidence is what the gate said, its digest, and what is told beside."""
        told = {"gate": note or version.gate, "digest": version.digest, **evidence} if version else evidence
        return RegistryEvent(
            self.definition.name,
            kind,
            effective,
            actor,
            from_version,
            version.number if version else None,
            version.run_id if version else None,
            reason,
            json.dumps({name: value for name, value in told.items() if value}, ensure_ascii=False),
            after.event_id if after else "",
        )

    def _can_be_finished(self, event: RegistryEvent) -> bool:
        """Whether the version that was to be it is there, and is the one that was meant."""
        version = self.registry.versions().get(event.to_version or 0)
        return event.event != "changed_elsewhere" and version is not None and version.run_id == event.mlflow_run

    def _next_night(self, events: Sequence[RegistryEvent], found: Version | None = None) -> date:
        """The night after the newest scored one: the first that a change made now is for."""
        if found and found.as_of and not events:
            return date.fromisoformat(found.as_of)  # it was the champion before events were kept
        if scored := published_dates(self.lake, scores_table(self.definition)):
            return max(scored) + timedelta(days=1)
        newest = newest_change(events)
        return newest.effective if newest else self.definition.schedule.start

    def _warn(self, alias: str, number: int | None, told: int | None) -> None:
        log.warning(
            "%s: MLflow's alias `%s` is at version %s, by the events it is at %s: it was changed elsewhere, "
            "which is kept as an event now",
            self.definition.name,
            alias,
            number or "none",
            told or "none",
        )
