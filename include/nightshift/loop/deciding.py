"""Whether a night asks for a training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from nightshift.definition.calendar import newest_labelled
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.loop.workspace import Workspace

if TYPE_CHECKING:
    from nightshift.definition.retrain import Retrain
    from nightshift.monitoring.decide import Decision
    from nightshift.monitoring.evidence import Night

# How far back nights are counted and requests are looked up, and how far back nights are made up for that nobody
# monitored: their event was lost, or their run never ended.
LOOKBACK, MADE_UP = timedelta(days=62), timedelta(days=14)


class Deciding(Workspace):
    """What is decided on what was measured."""

    def unmonitored(self, night: date) -> list[date]:
        """The nights before this one that were scored, but not decided about."""
        within = night - MADE_UP, night - timedelta(days=1)
        decided = {row["score_date"] for row in self.monitored(*within, "decision")}
        return [day for day in published_dates(self.lake, scores_table(self.definition), within) if day not in decided]

    def decide(self, night: date, run_id: str, *, running: bool = False) -> Decision:
        """Decides whether a night asks for a training, and keeps the decision with its evidence.

        A request that was made stays: its training may have begun. Nights that were not monitored in their time are
        kept as missed, and ask for nothing.

        Args:
            night: The score date.
            run_id: The run that asks.
            running: Whether a training is running.
        """
        from nightshift.monitoring.decide import Decision, decide, missed
        from nightshift.monitoring.evidence import Night, gather, is_decision, requested

        policy = self.definition.monitoring.retrain
        around = max(LOOKBACK, policy.cooldown)
        rows = self.monitored(night - around, night + around)
        own = next((row for row in rows if is_decision(row) and row["score_date"] == night), None)
        if own is not None and own["verdict"] == "request":
            return Decision(night, "request", own["detail"], version=own["model_version"])
        nights = {one.day: one for one in gather(rows, self._trained())}
        decided = partial(
            decide,
            policy,
            earlier=list(nights.values()),
            requests=requested(rows),
            prediction=self.definition.prediction,
        )
        for day in self.unmonitored(night):
            made = decided(nights.get(day, Night(day)), matured=newest_labelled(self.definition, day))
            self.record("decision", day, missed(made, night).measurements(), run_id)
        tonight = nights.get(night, Night(night))
        decision = decided(
            tonight,
            matured=newest_labelled(self.definition, night),
            running="a training is running" if running else self._waiting(),
            replaced_by=self._replaced_by(tonight.version),
        )
        self.record("decision", night, decision.measurements(), run_id)
        return decision

    def replay_policy(self, first: date, last: date, policy: Retrain | None = None) -> list[Decision]:
        """Decides the nights from `first` to `last` anew on what was measured of them; nothing is kept.

        Args:
            first: The first night.
            last: The last night.
            policy: The policy; the declared one if None.
        """
        from nightshift.monitoring.decide import replay

        matured = partial(newest_labelled, self.definition)
        declared = policy or self.definition.monitoring.retrain
        return replay(declared, self.known_nights(first, last), matured, prediction=self.definition.prediction)

    def known_nights(self, first: date, last: date) -> Sequence[Night]:
        """What is known of the nights from `first` to `last`."""
        from nightshift.monitoring.evidence import gather

        return gather(self.monitored(first, last), self._trained())

    def _trained(self) -> dict[int, date]:
        """Up to which date each version learned."""
        versions = self.registry.versions()
        return {number: date.fromisoformat(one.as_of) for number, one in versions.items() if one.as_of}

    def _waiting(self) -> str:
        """Which version a training has made that is not judged yet: another one would take its place."""
        challenger = self.registry.challenger()
        return f"version {challenger.number} waits to be promoted or declined" if challenger else ""

    def _replaced_by(self, version: int | None) -> int | None:
        champion = self.registry.champion()
        return champion.number if champion and version is not None and champion.number != version else None
