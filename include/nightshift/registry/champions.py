"""Which version makes the published scores, which did, and how that changes."""

from __future__ import annotations

import json
from datetime import date

from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.registry.changes import Changes
from nightshift.registry.events import (
    RegistryEvent,
    Reign,
    champion_before,
    changes,
    last_champion,
    newest_change,
    reigns,
)
from nightshift.registry.fitness import fit_version
from nightshift.registry.store import NIGHT, REASON, Version


class Champions(Changes):
    """A model's champions: the present one, those before it, and the next."""

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
            version, made, events = self._register(mlflow_run, note, actor, events)
            champion = last_champion(events)
            event = self._event("promoted", made.effective, actor, version, made.reason, champion, note=note)
            self._change(event, events)
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
            evidence=json.dumps({"gate": note}, ensure_ascii=False),
        )
        self._keep(refused, ())

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
            night, champion = effective or self._next_night(events), last_champion(events)
            newest = newest_change(events)
            forced = {"forced": force}
            event = self._event("rolled_back", night, actor, version, reason, champion, newest, evidence=forced)
            return self._change(event, events)
