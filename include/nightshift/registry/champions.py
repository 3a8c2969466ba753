"""The champion, whose scores are published: which version it is, which it was on a date, and how it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.registry.absent import no_champion, remaining_champion
from nightshift.registry.changes import AliasChanges
from nightshift.registry.events import (
    RegistryEvent,
    Reign,
    champion_changes,
    current_champion,
    newest_champion_change,
    reigns,
)
from nightshift.registry.lost_versions import lost_versions, require_versions
from nightshift.registry.rollback import require_rollback_version
from nightshift.registry.store import NIGHT, REASON, Version


class Champions(AliasChanges):
    """A model's champions: the current one, the earlier ones, and the next."""

    def require_champion(self) -> Version:
        """The champion according to MLflow.

        Raises:
            NotYetAvailable: If no version has ever been the champion.
            TerminalError: If the champion or its alias was removed in MLflow.
        """
        if (champion := self.registry.champion()) is None:
            events = self.events()
            require_versions(self.registry, events)
            raise no_champion(self.definition.name, events, self.registry.versions())
        return champion

    def reconcile_and_get_champion(self, actor: str) -> tuple[Version, RegistryEvent]:
        """Reconciles the aliases with the events, which may move an alias.

        Returns:
            The champion according to MLflow, and the event that made it.

        Raises:
            NotYetAvailable: If no version has ever been the champion.
            TerminalError: If the champion or its alias was removed in MLflow.
            TransientError: If MLflow lacks versions that the events know.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            return self.require_champion(), champion_changes(events)[-1]

    def reign_on(self, day: date) -> Reign:
        """The champion on a score date, according to the events.

        Raises:
            NotYetAvailable: If no event is effective by then.
        """
        all_reigns = reigns(self.events())
        for reign in all_reigns:
            if reign.since <= day and (reign.until is None or day < reign.until):
                return reign
        raise NotYetAvailable(
            f"no version was the champion on {day}",
            where=self.definition.name,
            allowed=f"{all_reigns[0].since} or later" if all_reigns else None,
            fix="see `nightshift versions`",
        )

    def promote(self, mlflow_run: str, note: str, actor: str) -> Version:
        """Registers a run's package and makes it the champion, once.

        A run that was promoted before is not promoted again: a rollback from its version stays in force.

        Args:
            mlflow_run: The MLflow run of the training.
            note: The gate's summary.
            actor: The Airflow run of the training.
        """
        with self.registry.lock():
            events, _ = self._reconcile(actor)
            for event in events:
                if event.event == "promoted" and event.mlflow_run == mlflow_run and event.to_version:
                    return self.registry.version(event.to_version)
            version, registered, events = self._register_version(mlflow_run, note, actor, events)
            night, reason = registered.effective, registered.reason
            event = self._event("promoted", night, actor, version, reason, current_champion(events), note=note)
            self._change_champion(event, events)
            return version

    def record_refusal(self, mlflow_run: str, note: str, actor: str) -> None:
        """Records that the gate refused the model of a run.

        Args:
            mlflow_run: The MLflow run of the training.
            note: The gate's summary.
            actor: The Airflow run of the training.
        """
        tags = self.registry.run_tags(mlflow_run)
        refused = RegistryEvent(
            self.definition.name,
            "refused",
            date.fromisoformat(tags[NIGHT]),
            actor,
            mlflow_run=mlflow_run,
            reason=tags.get(REASON, ""),
            evidence=json.dumps({"gate": note}, ensure_ascii=False),
        )
        self._append(refused, ())

    def forget(self, actor: str, reason: str) -> list[RegistryEvent]:
        """Records that the versions that MLflow lost will not come back, so that the others can be worked with.

        Args:
            actor: The person who decides it.
            reason: Why.

        Returns:
            An event a version.
        """
        with self.registry.lock():
            events, forgotten = self.events(), list[RegistryEvent]()
            for number, run_id in lost_versions(self.registry, events).items():
                event = self._event("forgotten", self._next_night(events), actor, None, reason)
                event = self._append(replace(event, to_version=number, mlflow_run=run_id), [*events, *forgotten])
                forgotten.append(event)
            self._reconcile(actor)
            return forgotten

    def roll_back(
        self, actor: str, to: int | None = None, reason: str = "", effective: date | None = None, *, force: bool = False
    ) -> RegistryEvent:
        """Makes an earlier version the champion again; an interrupted rollback is finished instead.

        Args:
            actor: The person who rolls back.
            to: The version; the previous champion that still exists if None.
            reason: Why.
            effective: The first score date of the version; the night after the newest scored one if None.
            force: Accept a version that no gate has passed, or whose features cannot be computed now.

        Returns:
            The event.

        Raises:
            TerminalError: If there is no such version, it is already the champion, or it cannot be one.
        """
        with self.registry.lock():
            alias_before = self.registry.champion()
            events, finished = self._reconcile(actor)
            if finished and finished.event == "rolled_back" and to in (None, finished.to_version):
                return finished
            before = alias_before.number if alias_before else None
            if finished and to is None and before != finished.to_version:
                raise TerminalError(
                    f"version {finished.to_version} became the champion just now: its promotion had been interrupted",
                    where=self.definition.name,
                    fix="run the command again to roll back from it",
                )
            number = to or remaining_champion(events, self.registry.versions())
            version = require_rollback_version(self.registry, self.definition, events, number, force)
            night, champion = effective or self._next_night(events), current_champion(events)
            newest = newest_champion_change(events)
            forced = {"forced": force}
            event = self._event("rolled_back", night, actor, version, reason, champion, newest, evidence=forced)
            return self._change_champion(event, events)

    def retire(self, number: int, actor: str, reason: str) -> RegistryEvent:
        """Retires the champion: nights are not scored until another version is the champion.

        The way out where the champion's artifact is lost: its successor has nothing to be compared with.

        Args:
            number: The champion's version.
            actor: The person who retires it.
            reason: Why.

        Raises:
            TerminalError: If that version is not the champion.
        """
        with self.registry.lock():
            events, finished = self._reconcile(actor)
            if finished and finished.event == "champion_retired" and finished.from_version == number:
                return finished
            champion = current_champion(events)
            if number != champion:
                raise TerminalError(
                    "it is not the champion",
                    where=f"{self.definition.name}, version {number}",
                    allowed=f"version {champion}" if champion else "none: there is no champion",
                    fix="see `nightshift versions`",
                )
            newest = newest_champion_change(events)
            event = self._event("champion_retired", self._next_night(events), actor, None, reason, number, newest)
            return self._change_champion(event, events)
