"""Which version makes the published scores, how that changes, and how each change is kept.

A change takes three steps under the model's lock: its event is appended, MLflow's alias is moved, and the registered
model is marked with the event. So no version is ever the champion without a row that says why, and whoever comes next
can tell a change that was interrupted, which has no mark and is finished, from one that somebody made in MLflow
itself, which is kept as an event of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from nightshift.definition.model import ModelDefinition
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.registry.events import (
    RegistryEvent,
    Reign,
    append_event,
    champion_before,
    changes,
    last_champion,
    newest_change,
    read_events,
    reigns,
)
from nightshift.registry.fitness import fit_version
from nightshift.registry.store import NIGHT, REASON, Registry, Version

log = logging.getLogger(__name__)


class Champions:
    """A model's champions: the present one, those before it, and the next.

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

    def present(self, actor: str) -> tuple[Version, RegistryEvent]:
        """The present champion, as MLflow says, and the event that made it.

        Raises:
            NotYetAvailable: If there is none.
        """
        with self.registry.lock():
            events, _ = self._settle(actor)
            return self.registry.require_champion(), changes(events)[-1]

    def at(self, day: date) -> Reign:
        """The champion on a score date, as the events say.

        Raises:
            NotYetAvailable: If no event is effective by then.
        """
        known = reigns(self.events())
        for one in known:
            if one.since <= day and (one.until is None or day < one.until):
                return one
        raise NotYetAvailable(
            f"no version is known to have been the champion on {day}",
            where=self.definition.name,
            allowed=f"{known[0].since} or later" if known else None,
            fix="see `nightshift versions`",
        )

    def settle(self, actor: str) -> list[RegistryEvent]:
        """Makes the events and MLflow say the same.

        A change that was interrupted is finished; one that was made in MLflow itself is kept as an event.

        Returns:
            Every event, in its order.
        """
        with self.registry.lock():
            return self._settle(actor)[0]

    def promote(self, mlflow_run: str, note: str, actor: str) -> Version:
        """Registers a run's package and makes it the champion, once.

        A run that was promoted before is not promoted again: whoever went back from its version meant it.

        Args:
            mlflow_run: The MLflow run of the training.
            note: What the gate said.
            actor: The run that does it.
        """
        with self.registry.lock():
            events, _ = self._settle(actor)
            for one in events:
                if one.event == "promoted" and one.mlflow_run == mlflow_run and one.to_version:
                    return self.registry.version(one.to_version)
            version = self.registry.register(mlflow_run, note)
            registered = RegistryEvent(
                self.definition.name,
                "registered",
                date.fromisoformat(version.as_of),
                actor,
                to_version=version.number,
                mlflow_run=mlflow_run,
                reason=self.registry.run_tags(mlflow_run).get(REASON, ""),
                evidence=_evidence(gate=note, digest=version.digest),
            )
            append_event(self.lake, registered)
            promoted = replace(registered, event="promoted", from_version=last_champion(events))
            self._change(promoted, [*events, registered])
            return version

    def refuse(self, mlflow_run: str, note: str, actor: str) -> None:
        """Keeps that the gate refused what a run trained.

        Args:
            mlflow_run: The MLflow run of the training.
            note: What the gate said.
            actor: The run that does it.
        """
        tags = self.registry.run_tags(mlflow_run)
        refused = RegistryEvent(
            self.definition.name,
            "refused",
            date.fromisoformat(tags[NIGHT]),
            actor,
            mlflow_run=mlflow_run,
            reason=tags.get(REASON, ""),
            evidence=_evidence(gate=note),
        )
        append_event(self.lake, refused)

    def roll_back(
        self, actor: str, to: int | None = None, reason: str = "", effective: date | None = None, *, force: bool = False
    ) -> RegistryEvent:
        """Makes an earlier version the champion again; a rolling back that was interrupted is finished instead.

        Args:
            actor: The person who does it.
            to: The version; the champion before the present one if None.
            reason: Why.
            effective: The first score date it is for; the night after the newest scored one if None.
            force: Also a version that no gate has passed, or that needs a feature that is not there any more.

        Returns:
            What was done.

        Raises:
            TerminalError: If there is no such version, it is the champion already, or it is not fit to be.
        """
        with self.registry.lock():
            seen = self.registry.champion()
            events, finished = self._settle(actor)
            if finished and finished.event == "rolled_back" and to in (None, finished.to_version):
                return finished
            if finished and to is None and (seen is None or seen.number != finished.to_version):
                raise TerminalError(
                    f"version {finished.to_version} became the champion just now: its promotion had been interrupted",
                    where=self.definition.name,
                    fix="run the command again if it is to go back from that one",
                )
            version = fit_version(self.registry, self.definition, events, to or champion_before(events), force)
            event = RegistryEvent(
                self.definition.name,
                "rolled_back",
                effective or self._next_night(events),
                actor,
                last_champion(events),
                version.number,
                version.run_id,
                reason,
                _evidence(gate=version.gate, digest=version.digest, forced=force),
                _id(newest_change(events)),
            )
            return self._change(event, events)

    def _settle(self, actor: str) -> tuple[list[RegistryEvent], RegistryEvent | None]:
        """Every event, and the newest change if it had been interrupted; the caller holds the lock."""
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
        found = RegistryEvent(
            self.definition.name,
            "changed_elsewhere",
            self._next_night(events, present),
            "unknown",
            told,
            number,
            present.run_id if present else None,
            f"noticed by {actor}",
            _evidence(gate=present.gate, digest=present.digest) if present else "{}",
            _id(newest),
        )
        log.warning(
            "%s: MLflow's alias `champion` is at version %s, by the events it is at %s: it was changed elsewhere, "
            "which is kept as an event now",
            self.definition.name,
            number or "none",
            told or "none",
        )
        return [*events, self._change(found, events)], None

    def _change(self, event: RegistryEvent, before: Sequence[RegistryEvent]) -> RegistryEvent:
        """The three steps of a change: its event, the alias, the mark; the caller holds the lock."""
        # The order of the events is that of the changes, whatever becomes of the clock.
        earliest = [one.recorded_at + timedelta(microseconds=1) for one in before]
        event = replace(event, recorded_at=max([event.recorded_at, *earliest]))
        append_event(self.lake, event)
        if event.event != "changed_elsewhere" and event.to_version:
            self.registry.crown(event.to_version)
        self.registry.settle(event.event_id)
        return event

    def _can_be_finished(self, event: RegistryEvent) -> bool:
        """Whether the version that was to be the champion is there, and is the one that was meant."""
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


def _id(event: RegistryEvent | None) -> str:
    return event.event_id if event else ""


def _evidence(**told: object) -> str:
    return json.dumps({name: value for name, value in told.items() if value}, ensure_ascii=False)
