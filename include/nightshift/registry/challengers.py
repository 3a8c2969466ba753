"""The challenger: how a version becomes it, and how it is promoted, retired or declined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from nightshift.errors import TerminalError
from nightshift.registry.changes import AliasChanges
from nightshift.registry.events import (
    RegistryEvent,
    challenger_changes,
    current_challenger,
    current_champion,
    newest_champion_change,
)
from nightshift.registry.store import Version

Evidence = Mapping[str, object]
NO_EVIDENCE: Evidence = MappingProxyType({})
FIRST_NIGHT = "first_night"  # in the evidence of a challenge


@dataclass(frozen=True)
class Answer:
    """An answer to the question whether a challenger is promoted, or the default answer if nobody gave one.

    Attributes:
        approved: Whether it is promoted.
        person: Who gave it; the person who waited, if nobody did.
        reason: Why, in their words.
    """

    approved: bool
    person: str
    reason: str


class Challengers(AliasChanges):
    """A model's challengers: versions that passed their gate and are not the champion, one at a time."""

    def reconcile_and_get_challenger(self, actor: str) -> tuple[Version, RegistryEvent] | None:
        """Reconciles the aliases with the events, which may move an alias.

        Returns:
            The challenger and the event that made it; None if there is none.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            number = current_challenger(events)
            return None if number is None else (self.registry.version(number), challenger_changes(events)[-1][0])

    def register_challenger(self, mlflow_run: str, note: str, actor: str) -> Version:
        """Registers a run's package and makes it the challenger, once; an older challenger is retired.

        Args:
            mlflow_run: The MLflow run of the training.
            note: The gate's summary.
            actor: The Airflow run that registers it.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            for event in events:
                if event.event in {"challenging", "promoted"} and event.mlflow_run == mlflow_run and event.to_version:
                    return self.registry.version(event.to_version)
            version, registered, events = self._register_version(mlflow_run, note, actor, events)
            if newer := current_challenger(events):  # of an older training that was run again
                why = f"version {newer} is newer"
                self._append(self._event("retired", registered.effective, actor, version, why, note=note), events)
                return version
            earlier = challenger_changes(events)
            after = earlier[-1][0] if earlier else None
            # Its training data ends before it is registered: its nights count from the first that it can score.
            first = {FIRST_NIGHT: str(max(registered.effective, self._next_night(events)))}
            night, reason = registered.effective, registered.reason
            event = self._event("challenging", night, actor, version, reason, after=after, note=note, evidence=first)
            self._change_challenger(event, events)
            return version

    def promote(
        self, number: int, actor: str, reason: str, evidence: Evidence = NO_EVIDENCE, against: int | None = None
    ) -> RegistryEvent | None:
        """Makes the challenger the champion, from the next night on.

        Args:
            number: The challenger's version.
            actor: The Airflow run that promotes it.
            reason: Why.
            evidence: The evidence for it.
            against: The champion that it was compared with; any if None.

        Returns:
            The event; None, and nothing changes, if that version is no longer the challenger, or another version is the
            champion by now.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            if not self._is_challenger(number, events) or against not in (None, current_champion(events)):
                return None
            return self._promote(number, actor, reason, events, evidence)

    def retire(
        self, number: int | None, actor: str, reason: str, evidence: Evidence = NO_EVIDENCE
    ) -> RegistryEvent | None:
        """Retires the challenger; the champion is unchanged. The retired version stays registered.

        Args:
            number: The challenger's version; whichever it is if None.
            actor: The person or the Airflow run that retires it.
            reason: Why.
            evidence: The evidence for it.

        Returns:
            The event; None, and nothing changes, if that version is not the challenger.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            number = number or current_challenger(events)
            if number is None or not self._is_challenger(number, events):
                return None
            return self._end_challenge("retired", number, actor, reason, events, evidence)

    def apply_answer(self, mlflow_run: str, answer: Answer, actor: str) -> RegistryEvent:
        """Promotes or declines the challenger that a run registered, once.

        Args:
            mlflow_run: The MLflow run of the training.
            answer: The answer.
            actor: The Airflow run that applies it.

        Returns:
            The event of the promotion or the refusal, from this call or an earlier one.

        Raises:
            TerminalError: If the version is no longer the challenger for another reason than this answer.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            result = "promoted" if answer.approved else "declined"
            of_run = [event for event in events if event.mlflow_run == mlflow_run]
            for event in of_run:
                if event.event == result:
                    return event
            number = next((event.to_version for event in of_run if event.to_version), None)
            if number is None or not self._is_challenger(number, events):
                raise TerminalError(
                    "the version is no longer the challenger: no answer can promote or decline it",
                    where=f"{self.definition.name}, version {number}",
                    received="approve" if answer.approved else "refuse",
                    fix=f"see `nightshift versions`; `nightshift rollback --to {number}` promotes it nevertheless",
                )
            if not answer.approved:
                return self._end_challenge("declined", number, answer.person, answer.reason, events)
            version, earlier = self.registry.version(number), challenger_changes(events)
            as_of = date.fromisoformat(version.as_of)
            approved = self._event("approved", as_of, answer.person, version, answer.reason, after=earlier[-1][0])
            events.append(self._append(approved, events))
            return self._promote(number, actor, f"approved by {answer.person}", events)

    @staticmethod
    def _is_challenger(number: int, events: list[RegistryEvent]) -> bool:
        return current_challenger(events) == number

    def _promote(
        self, number: int, actor: str, reason: str, events: list[RegistryEvent], evidence: Evidence = NO_EVIDENCE
    ) -> RegistryEvent:
        version, night, newest = self.registry.version(number), self._next_night(events), newest_champion_change(events)
        champion = current_champion(events)
        event = self._event("promoted", night, actor, version, reason, champion, newest, evidence=evidence)
        return self._change_champion(event, events)

    def _end_challenge(
        self,
        kind: Literal["retired", "declined"],
        number: int,
        actor: str,
        reason: str,
        events: list[RegistryEvent],
        evidence: Evidence = NO_EVIDENCE,
    ) -> RegistryEvent:
        version, night, after = (
            self.registry.version(number),
            self._next_night(events),
            challenger_changes(events)[-1][0],
        )
        return self._change_challenger(
            self._event(kind, night, actor, version, reason, after=after, evidence=evidence), events
        )
