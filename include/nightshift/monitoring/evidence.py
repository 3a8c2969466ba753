"""The evidence about each night, gathered from the rows of `monitoring.<model>`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from nightshift.types import Outcome

Row = Mapping[str, Any]

# The audits of a night's published data; a challenger's scores are not part of it.
AUDITS = ("quality.raw", "quality.features", "quality.scores")


@dataclass(frozen=True)
class NightMetric:
    """A metric of a night.

    Attributes:
        value: The metric; None if it is unknown.
        reference: The same on the holdout of the version that scored the night.
        beyond: Whether it is worse than the range of the holdout's nights; None if that is unknown.
    """

    value: float | None
    reference: float | None = None
    beyond: bool | None = None


@dataclass(frozen=True)
class NightEvidence:
    """What was measured of a scored night.

    Attributes:
        day: Its score date.
        version: The version that scored it.
        drifted: Whether the drift of the night breaches; None if its drift is unknown.
        weighted: The share of importance that its drifted features have.
        estimated: Its performance by metric, estimated without labels.
        realized: Its performance by metric, measured on final labels.
        quality: The worst verdict of its audits.
        trained: The date as of which the version was trained.
    """

    day: date
    version: int | None = None
    drifted: bool | None = None
    weighted: float | None = None
    estimated: Mapping[str, NightMetric] = field(default_factory=dict)
    realized: Mapping[str, NightMetric] = field(default_factory=dict)
    quality: Outcome = "pass"
    trained: date | None = None


def gather_evidence(rows: Iterable[Row], trained: Mapping[int, date]) -> list[NightEvidence]:
    """Every night whose drift or performance was measured, oldest first.

    Args:
        rows: Rows of `monitoring.<model>`, in any order.
        trained: The date as of which each version was trained.
    """
    by_day: dict[date, list[Row]] = {}
    for row in rows:
        by_day.setdefault(row["score_date"], []).append(row)
    nights = (_night(day, night_rows, trained) for day, night_rows in sorted(by_day.items()))
    return [night for night in nights if night is not None]


def requested_nights(rows: Iterable[Row]) -> list[date]:
    """The nights for which a training was requested."""
    return sorted(row["score_date"] for row in rows if is_decision(row) and row["verdict"] == "request")


def is_decision(row: Row) -> bool:
    """Whether a row is a decision, not the evidence stored with it."""
    return (row["monitor"], row["statistic"]) == ("decision", "retrain")


def night_drift(rows: Iterable[Row]) -> tuple[bool | None, float | None]:
    """Whether the drift of one night breaches, and the share of importance that drifted; None of what is unknown."""
    drift = [row for row in rows if row["monitor"] == "drift" and row["subject"] == "night"]
    verdicts = {row["verdict"] for row in drift} - {"unknown"}
    weighted = [row["value"] for row in drift if row["statistic"] == "weighted_drift"]
    return (bool(verdicts & {"warn", "fail"}) if verdicts else None), next(iter(weighted), None)


def _night(day: date, rows: list[Row], trained: Mapping[int, date]) -> NightEvidence | None:
    drift = [row for row in rows if row["monitor"] == "drift" and row["subject"] == "night"]
    metrics = [row for row in rows if row["monitor"] in {"estimate", "outcome"} and row["subject"] == "night"]
    versions = [row["model_version"] for row in (*drift, *metrics) if row["model_version"] is not None]
    if not drift and not metrics:
        return None
    version = max(versions, default=None)
    # If another version scored the night again, measurements of the earlier scores do not count.
    drifted, weighted = night_drift(row for row in drift if row["model_version"] == version)
    return NightEvidence(
        day,
        version,
        drifted,
        weighted,
        _metrics(row for row in rows if row["monitor"] == "estimate" and row["model_version"] == version),
        _metrics(row for row in rows if row["monitor"] == "outcome" and row["model_version"] == version),
        _worst(row["verdict"] for row in rows if row["monitor"] in AUDITS),
        trained.get(version) if version is not None else None,
    )


def _metrics(rows: Iterable[Row]) -> dict[str, NightMetric]:
    rows = list(rows)
    references = {row["statistic"]: row["value"] for row in rows if row["subject"] == "reference"}
    return {
        row["statistic"]: NightMetric(
            row["value"],
            references.get(row["statistic"]),
            None if row["value"] is None or row["threshold"] is None else row["verdict"] != "pass",
        )
        for row in rows
        if row["subject"] == "night"
    }


def _worst(verdicts: Iterable[str]) -> Outcome:
    present = set(verdicts)
    return "fail" if "fail" in present else "warn" if "warn" in present else "pass"
