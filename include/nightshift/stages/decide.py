"""Whether a night asks for a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial

from nightshift.definition.calendar import newest_labelled, previous_night
from nightshift.definition.retrain import Retrain
from nightshift.errors import NightshiftError
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.monitoring.decide import Decision, as_missed, replay
from nightshift.monitoring.decide import decide as decide_night
from nightshift.monitoring.evidence import NightEvidence, gather_evidence, is_decision, requested_nights
from nightshift.project import Progress, Project

# How many nights back nights are counted and requests are looked up; how many nights back nights are decided later that
# were not monitored in their time, since their event was lost or their run never ended.
LOOKBACK, CATCH_UP = 62, 14


def decide(project: Project, night: date, run_id: str, *, training_runs: bool = False) -> Decision:
    """Decides whether a night asks for a training, and records the decision with its evidence.

    A request stays what it is: its training may have begun. Nights that were not monitored in their time are
    recorded as missed, and ask for nothing. Whatever was interrupted or changed in MLflow since the last night is
    finished or recorded first: the decision compares versions.

    Args:
        project: The model.
        night: The score date.
        run_id: The run that asks.
        training_runs: Whether a training is running.
    """
    project.champions.reconcile_aliases(run_id)
    definition = project.definition
    policy = definition.monitoring.retrain
    around = max(night - previous_night(definition.schedule, night, LOOKBACK), policy.cooldown)
    rows = project.monitored(night - around, night + around)
    recorded = next((row for row in rows if is_decision(row) and row["score_date"] == night), None)
    if recorded is not None and recorded["verdict"] == "request":
        return Decision(night, "request", recorded["detail"], version=recorded["model_version"])
    nights = {evidence.day: evidence for evidence in gather_evidence(rows, _training_dates(project))}
    decision_of = partial(
        decide_night,
        policy,
        earlier=list(nights.values()),
        requests=requested_nights(rows),
        prediction=definition.prediction,
    )
    for day in unmonitored_nights(project, night):
        late_decision = decision_of(nights.get(day, NightEvidence(day)), matured=newest_labelled(definition, day))
        project.record("decision", day, as_missed(late_decision, night).measurements(), run_id)
    tonight = nights.get(night, NightEvidence(night))
    decision = decision_of(
        tonight,
        matured=newest_labelled(definition, night),
        running="a training is running" if training_runs else _unjudged_version(project),
        replaced_by=_replaced_by(project, tonight.version),
    )
    project.record("decision", night, decision.measurements(), run_id)
    return decision


def replay_policy(project: Project, first: date, last: date, policy: Retrain | None = None) -> list[Decision]:
    """Decides the nights from `first` to `last` again from what was measured of them; nothing is recorded.

    Args:
        project: The model.
        first: The first night.
        last: The last night.
        policy: The policy; the declared one if None.
    """
    matured = partial(newest_labelled, project.definition)
    declared = policy or project.definition.monitoring.retrain
    nights = measured_nights(project, first, last)
    return replay(declared, nights, matured, prediction=project.definition.prediction)


def measured_nights(project: Project, first: date, last: date) -> Sequence[NightEvidence]:
    """What was measured of the nights from `first` to `last`."""
    return gather_evidence(project.monitored(first, last), _training_dates(project))


def unmonitored_nights(project: Project, night: date) -> list[date]:
    """The nights before this one that were scored, but not decided about."""
    within = previous_night(project.definition.schedule, night, CATCH_UP), night - timedelta(days=1)
    decided = {row["score_date"] for row in project.monitored(*within, "decision")}
    scored = published_dates(project.lake, scores_table(project.definition), within)
    return [day for day in scored if day not in decided]


def for_missed_nights(project: Project, night: date, measure: Callable[[date], object], progress: Progress) -> None:
    """Measures earlier nights that were not monitored; a night that can no longer be measured does not stop tonight."""
    for day in unmonitored_nights(project, night):
        try:
            measure(day)
            progress(f"{day} was not monitored in its time: measured now")
        except NightshiftError as error:
            progress(f"{day} was not monitored in its time, and can no longer be measured: {error}")


def _training_dates(project: Project) -> dict[int, date]:
    """The date as of which each version was trained."""
    versions = project.registry.versions()
    return {number: date.fromisoformat(version.as_of) for number, version in versions.items() if version.as_of}


def _unjudged_version(project: Project) -> str:
    """Which version waits for a verdict: another training would take its place."""
    challenger = project.registry.challenger()
    return f"version {challenger.number} waits to be promoted or declined" if challenger else ""


def _replaced_by(project: Project, version: int | None) -> int | None:
    champion = project.registry.champion()
    return champion.number if champion and version is not None and champion.number != version else None
