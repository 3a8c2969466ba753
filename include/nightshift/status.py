"""What became of nights and of the trainings that they requested, read from the published tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from nightshift.definition.prediction import PROBABILITY, MetricRoles
from nightshift.lake.read import published_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import raw_table, scores_table
from nightshift.monitoring.evidence import AUDITS, is_decision, night_drift
from nightshift.project import Project
from nightshift.registry.events import RegistryEvent
from nightshift.stages.rebuild import CURRENT, definitions_by_night

Row = Mapping[str, Any]

# The events by which a training that was requested ends, as people say them.
_OUTCOMES = {
    "promoted": "version {version} promoted",
    "challenging": "version {version} is the challenger",
    "registered": "version {version} registered",
    "refused": "the gate refused the model ({gate})",
}


@dataclass(frozen=True)
class NightStatus:
    """One scored night.

    Attributes:
        night: The score date.
        rows: Published scores.
        expected: Rows of the observations' source; if the observations are not all rows of a file, the scored rows.
        quality: `pass` with the number of checks, or how many of them warned or failed.
        drift: Whether it drifted, and the share of importance that drifted features carry.
        decision: What the retrain policy decided.
        version: The version that scored it.
        accuracy: The headline metric of the scores, once the labels are final: ROC AUC of a condition, or the mean
            absolute error of a number.
        metric: Title of that metric.
        definition: The definition of the features that were scored: `current`, or how it differs from the current one.
    """

    night: date
    rows: int
    expected: int
    quality: str
    drift: str
    decision: str
    version: int | None
    accuracy: float | None
    metric: str = PROBABILITY.metrics.headline_title
    definition: str = CURRENT

    @property
    def complete(self) -> bool:
        """Whether the scored rows are exactly the observations of the source."""
        return self.rows == self.expected


@dataclass(frozen=True)
class Retraining:
    """A training that a night requested.

    Attributes:
        night: The score date of the night that requested it.
        reason: Why the policy requested it.
        outcome: How the training ended; empty while it has not.
        first_scored: The first night that the trained version scored; None if there is none.
    """

    night: date
    reason: str
    outcome: str
    first_scored: date | None

    @property
    def sentence(self) -> str:
        """The request, its reason and its outcome in one line."""
        parts = [f"{self.night}: retraining requested ({self.reason})", self.outcome or "no version is trained yet"]
        if self.first_scored is not None:
            parts.append(f"nights from {self.first_scored} are scored by it")
        return "; ".join(parts)


def night_statuses(project: Project, first: date | None = None, last: date | None = None) -> list[NightStatus]:
    """A row per scored night, oldest first."""
    scored = published_dates(project.lake, scores_table(project.definition))
    nights = sorted(day for day in scored if (first is None or day >= first) and (last is None or day <= last))
    if not nights:
        return []
    expected = _expected_rows(project) if project.definition.has_daily_observations else scored
    versions = _scoring_versions(project)
    rows = project.monitored(nights[0], nights[-1])
    metrics = project.definition.prediction.metrics
    definitions = definitions_by_night(project, nights[0], nights[-1])
    return [
        _status(
            night,
            scored[night],
            expected.get(night, 0),
            versions.get(night),
            [row for row in rows if row["score_date"] == night],
            metrics,
            definitions.get(night, ""),
        )
        for night in nights
    ]


def _expected_rows(project: Project) -> dict[date, int]:
    """The rows of each date of the observations' source, all of which are scored."""
    return published_dates(project.lake, raw_table(project.definition, project.definition.observations.source))


def retrainings(project: Project, first: date, last: date) -> list[Retraining]:
    """The trainings that nights from `first` to `last` requested, oldest first."""
    decisions = [row for row in project.monitored(first, last, "decision") if is_decision(row)]
    events: dict[tuple[str, str], RegistryEvent] = {
        (event.actor, event.event): event for event in project.champions.events()
    }
    versions = _scoring_versions(project)
    return [
        _retraining(row["score_date"], row["detail"], events, versions)
        for row in sorted(decisions, key=lambda row: row["score_date"])
        if row["verdict"] == "request"
    ]


def gate_refusals(project: Project) -> dict[date, str]:
    """The gate's reason for every training that it refused, by the date as of which it was trained."""
    schedule = project.definition.schedule
    rows = project.monitored(schedule.start, schedule.end or schedule.start + timedelta(days=36500), "gate")
    verdicts = [row for row in rows if row["statistic"] == "verdict" and row["verdict"] == "refused"]
    return {row["score_date"]: row["detail"] for row in verdicts}


def _retraining(
    night: date,
    reason: str,
    events: Mapping[tuple[str, str], RegistryEvent],
    versions: Mapping[date, int],
) -> Retraining:
    run_id = f"retrain__{night}"
    event = next((events[run_id, kind] for kind in _OUTCOMES if (run_id, kind) in events), None)
    if event is None:
        return Retraining(night, reason, "", None)
    gate = event.parsed_evidence.get("gate", "")
    outcome = _OUTCOMES[event.event].format(version=event.to_version, gate=gate)
    scored = [day for day, version in versions.items() if version == event.to_version]
    return Retraining(night, reason, outcome, min(scored, default=None))


def _status(
    night: date,
    count: int,
    expected: int,
    version: int | None,
    rows: Sequence[Row],
    metrics: MetricRoles,
    definition: str,
) -> NightStatus:
    def measurement(monitor: str, statistic: str) -> Row | None:
        return next((row for row in rows if row["monitor"] == monitor and row["statistic"] == statistic), None)

    decision, accuracy = measurement("decision", "retrain"), measurement("outcome", metrics.headline)
    return NightStatus(
        night,
        count,
        expected,
        _quality([row["verdict"] for row in rows if row["monitor"] in AUDITS]),
        _drift(rows),
        str(decision["verdict"]) if decision else "–",
        version,
        accuracy["value"] if accuracy else None,
        metrics.headline_title,
        definition,
    )


def _quality(verdicts: Sequence[str]) -> str:
    """The verdicts of a night's checks in words."""
    if not verdicts:
        return "–"
    failures = verdicts.count("fail")
    warnings = len(verdicts) - failures - verdicts.count("pass")
    if failures:
        return f"{failures} of {len(verdicts)} checks failed"
    if warnings:
        return f"{warnings} {'warning' if warnings == 1 else 'warnings'} in {len(verdicts)} checks"
    return f"pass, {len(verdicts)}"


def _drift(rows: Sequence[Row]) -> str:
    drifted, weighted = night_drift(rows)
    if drifted is None:
        return "–"
    return ("warn" if drifted else "pass") + (f", {weighted:.0%}" if weighted is not None else "")


def _scoring_versions(project: Project) -> dict[date, int]:
    """The version that computed the published scores, by night."""
    spec = scores_table(project.definition)
    if not project.lake.table_exists(spec.name):
        return {}
    _, rows = run_sql(project.lake, f"select score_date, max(model_version) from {spec.name} group by 1")
    return {row[0]: row[1] for row in rows}
