"""What became of each night, read from the published tables alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from nightshift.definition.prediction import PROBABILITY, MetricRoles
from nightshift.lake.read import published_dates
from nightshift.lake.sql import run_sql
from nightshift.lake.tables import raw_table, scores_table
from nightshift.loop import Loop
from nightshift.monitoring.evidence import AUDITS, drift_of


@dataclass(frozen=True)
class NightStatus:
    """One scored night.

    Attributes:
        night: The score date.
        rows: Published scores.
        expected: Observations in the source.
        quality: `pass`, or what failed.
        drift: Whether it drifted, and the share of importance that drifted features carry.
        decision: What the retrain policy decided.
        version: The version that scored it.
        accuracy: How well the scores met the outcomes, once these are final: ROC AUC of a condition, or the mean
            absolute error of a number.
        metric: The title of this metric.
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

    @property
    def complete(self) -> bool:
        """Whether the scored rows are exactly the observations of the source."""
        return self.rows == self.expected


def night_statuses(loop: Loop, first: date | None = None, last: date | None = None) -> list[NightStatus]:
    """A row per scored night, oldest first."""
    scored = published_dates(loop.lake, scores_table(loop.definition))
    nights = sorted(day for day in scored if (first is None or day >= first) and (last is None or day <= last))
    if not nights:
        return []
    expected = published_dates(loop.lake, raw_table(loop.definition, loop.definition.observations.source))
    versions = _versions(loop)
    kept = loop.monitored(nights[0], nights[-1])
    metrics = loop.definition.prediction.metrics
    return [
        _status(night, scored[night], expected.get(night, 0), versions.get(night), kept, metrics) for night in nights
    ]


def gate_refusals(loop: Loop) -> list[str]:
    """Every training the gate refused, with its reason."""
    schedule = loop.definition.schedule
    rows = loop.monitored(schedule.start, schedule.end or schedule.start + timedelta(days=36500))
    refused = [r for r in rows if r["monitor"] == "gate" and r["statistic"] == "verdict" and r["verdict"] == "refused"]
    return [f"{row['score_date']}: {row['detail']}" for row in refused]


def _status(
    night: date, rows: int, expected: int, version: int | None, kept: list, metrics: MetricRoles
) -> NightStatus:
    tonight = [row for row in kept if row["score_date"] == night]

    def one(monitor: str, statistic: str) -> dict | None:
        return next((r for r in tonight if r["monitor"] == monitor and r["statistic"] == statistic), None)

    checks = [row for row in tonight if row["monitor"] in AUDITS]
    failed = [row for row in checks if row["verdict"] != "pass"]
    quality = f"{len(failed)} of {len(checks)} failed" if failed else f"pass, {len(checks)}" if checks else "–"
    decision, accuracy = one("decision", "retrain"), one("outcome", metrics.headline)
    return NightStatus(
        night,
        rows,
        expected,
        quality,
        _drift(tonight),
        str(decision["verdict"]) if decision else "–",
        version,
        accuracy["value"] if accuracy else None,
        metrics.headline_title,
    )


def _drift(tonight: list) -> str:
    drifted, weighted = drift_of(tonight)
    if drifted is None:
        return "–"
    return ("warn" if drifted else "pass") + (f", {weighted:.0%}" if weighted is not None else "")


def _versions(loop: Loop) -> dict[date, int]:
    table = scores_table(loop.definition).name
    _, rows = run_sql(loop.lake, f"select score_date, max(model_version) from {table} group by 1")
    return {row[0]: row[1] for row in rows}
