"""The version beside the champion: how it comes to be there, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from nightshift.errors import TerminalError
from nightshift.registry.changes import Changes
from nightshift.registry.events import RegistryEvent, challenges, last_challenger, last_champion, newest_change
from nightshift.registry.store import Version

Evidence = Mapping[str, object]
NOTHING: Evidence = MappingProxyType({})
FIRST_NIGHT = "first_night"  # in the evidence of a challenge


@dataclass(frozen=True)
class Answer:
    """What somebody said of a challenger, or what counts as said since nobody did.

    Attributes:
        approved: Whether it is to be the champion.
        who: The person; who waited, if nobody said anything.
        why: In their words.
    """

    approved: bool
    who: str
    why: str


class Challengers(Changes):
    """A model's challengers: a version that passed its gate and is not the champion yet. There is one at a time."""

    def present(self, actor: str) -> tuple[Version, RegistryEvent] | None:
        """The present challenger and the event that made it; None if there is none."""
        with self.registry.lock():
            events, _ = self._settle(actor)
            number = last_challenger(events)
            return None if number is None else (self.registry.version(number), challenges(events)[-1][0])

    def challenge(self, mlflow_run: str, note: str, actor: str) -> Version:
        """Registers a run's package and makes it the challenger, once; an older challenger is retired.

        Args:
            mlflow_run: The MLflow run of the training.
            note: What the gate said.
            actor: The run that does it.
        """
        with self.registry.lock():
            events, _ = self._settle(actor)
            for one in events:
                if one.event in {"challenging", "promoted"} and one.mlflow_run == mlflow_run and one.to_version:
                    return self.registry.version(one.to_version)
            version, made, events = self._register(mlflow_run, note, actor, events)
            if newer := last_challenger(events):  # of an older training that was run again
                why = f"version {newer} is newer"
                self._keep(self._event("retired", made.effective, actor, version, why, note=note), events)
                return version
            known = challenges(events)
            after = known[-1][0] if known else None
            # What it learned is from before it was there: its nights are counted from the first that it can score.
            first = {FIRST_NIGHT: str(max(made.effective, self._next_night(events)))}
            event = self._event(
                "challenging", made.effective, actor, version, made.reason, after=after, note=note, evidence=first
            )
            self._change_challenger(event, events)
            return version

    def promote(
        self, number: int, actor: str, reason: str, evidence: Evidence = NOTHING, against: int | None = None
    ) -> RegistryEvent | None:
        """Makes the challenger the champion, from the next night on.

        Args:
            number: The version that is meant.
            actor: The run that does it.
            reason: Why.
            evidence: What it rests on.
            against: The champion it was compared with; any if None.

        Returns:
            What was done; None if that version is not the challenger any more, or another one is the champion by now,
            and nothing is changed.
        """
        with self.registry.lock():
            events, _ = self._settle(actor)
            if not self._is(number, events) or against not in (None, last_champion(events)):
                return None
            return self._promote(number, actor, reason, events, evidence)

    def retire(self, number: int | None, actor: str, reason: str, evidence: Evidence = NOTHING) -> RegistryEvent | None:
        """Lets the challenger be none any more. It stays a version.

        Args:
            number: The version that is meant; whichever it is if None.
            actor: The person or the run that does it.
            reason: Why.
            evidence: What it rests on.

        Returns:
            What was done; None if that version is not the challenger, and nothing is changed.
        """
        with self.registry.lock():
            events, _ = self._settle(actor)
            number = number or last_challenger(events)
            if number is None or not self._is(number, events):
                return None
            return self._end("retired", number, actor, reason, events, evidence)

    def answer(self, mlflow_run: str, answer: Answer, actor: str) -> RegistryEvent:
        """Does what was said of the challenger that a run made, once.

        Args:
            mlflow_run: The MLflow run of the training.
            answer: What was said.
            actor: The run that does it.

        Returns:
            What was done, now or before.

        Raises:
            TerminalError: If it is not the challenger any more, and not because of this answer.
        """
        with self.registry.lock():
            events, _ = self._settle(actor)
            done = "promoted" if answer.approved else "declined"
            for one in events:
                if one.event == done and one.mlflow_run == mlflow_run:
                    return one
            meant = next((one.to_version for one in events if one.mlflow_run == mlflow_run and one.to_version), None)
            if meant is None or not self._is(meant, events):
                raise TerminalError(
                    "it is not the challenger any more: no answer can promote or decline it",
                    where=f"{self.definition.name}, version {meant}",
                    received="approve" if answer.approved else "refuse",
                    fix=f"see `nightshift versions`; `nightshift rollback --to {meant}` promotes it all the same",
                )
            if not answer.approved:
                return self._end("declined", meant, answer.who, answer.why, events)
            version, known = self.registry.version(meant), challenges(events)
            as_of = date.fromisoformat(version.as_of)
            approved = self._event("approved", as_of, answer.who, version, answer.why, after=known[-1][0])
            events.append(self._keep(approved, events))
            return self._promote(meant, actor, f"approved by {answer.who}", events)

    @staticmethod
    def _is(number: int, events: list[RegistryEvent]) -> bool:
        return last_challenger(events) == number

    def _promote(
        self, number: int, actor: str, reason: str, events: list[RegistryEvent], evidence: Evidence = NOTHING
    ) -> RegistryEvent:
        version, night, newest = self.registry.version(number), self._next_night(events), newest_change(events)
        champion = last_champion(events)
        event = self._event("promoted", night, actor, version, reason, champion, newest, evidence=evidence)
        return self._change(event, events)

    def _end(
        self,
        kind: Literal["retired", "declined"],
        number: int,
        actor: str,
        reason: str,
        events: list[RegistryEvent],
        evidence: Evidence = NOTHING,
    ) -> RegistryEvent:
        version, night, made = self.registry.version(number), self._next_night(events), challenges(events)[-1][0]
        return self._change_challenger(
            self._event(kind, night, actor, version, reason, after=made, evidence=evidence), events
        )
