"""What is known of each night, gathered from the rows of `monitoring.<model>`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from nightshift.types import Outcome

Row = Mapping[str, Any]

# The share of importance that drifted features carry; of rows written before it was measured, the share of features.
WEIGHTED = ("weighted_drift", "drifted_share")


@dataclass(frozen=True)
class Held:
    """A metric of a night.

    Attributes:
        value: The metric; None if it is not known.
        reference: The same on the holdout of the version that scored the night.
        beyond: Whether it is worse than the holdout's days let expect; None if that is not known.
    """

    value: float | None
    reference: float | None = None
    beyond: bool | None = None


@dataclass(frozen=True)
class Night:
    """What is known of a scored night.

    Attributes:
        day: Its score date.
        version: The version that scored it.
        drifted: Whether it breached as a whole; None if its drift is not known.
        weighted: The share of importance that its drifted features carry.
        estimated: Its performance by metric, estimated without labels.
        realized: Its performance by metric, as it turned out.
        quality: The worst verdict of its audits.
        trained: Up to which date the version learned.
    """

    day: date
    version: int | None = None
    drifted: bool | None = None
    weighted: float | None = None
    estimated: Mapping[str, Held] = field(default_factory=dict)
    realized: Mapping[str, Held] = field(default_factory=dict)
    quality: Outcome = "pass"
    trained: date | None = None


def gather(rows: Iterable[Row], trained: Mapping[int, date]) -> list[Night]:
    """Every night that drift or performance was measured of, oldest first.

    Args:
        rows: Rows of `monitoring.<model>`, in any order.
        trained: Up to which date each version learned.
    """
    by_day: dict[date, list[Row]] = {}
    for row in rows:
        by_day.setdefault(row["score_date"], []).append(row)
    found = (_night(day, of_day, trained) for day, of_day in sorted(by_day.items()))
    return [night for night in found if night is not None]


def requested(rows: Iterable[Row]) -> list[date]:
    """The nights for which a training was requested."""
    return sorted(row["score_date"] for row in rows if is_decision(row) and row["verdict"] == "request")


def is_decision(row: Row) -> bool:
    """Whether a row is a decision, not the evidence kept with it."""
    return (row["monitor"], row["statistic"]) == ("decision", "retrain")


def drift_of(rows: Iterable[Row]) -> tuple[bool | None, float | None]:
    """Whether one night breached as a whole, and the share of importance that drifted; None of what is not known."""
    drift = [row for row in rows if row["monitor"] == "drift" and row["subject"] == "night"]
    known = {row["verdict"] for row in drift} - {"unknown"}
    weighted = [row["value"] for name in WEIGHTED for row in drift if row["statistic"] == name]
    return (bool(known & {"warn", "fail"}) if known else None), next(iter(weighted), None)


def _night(day: date, rows: list[Row], trained: Mapping[int, date]) -> Night | None:
    drift = [row for row in rows if row["monitor"] == "drift" and row["subject"] == "night"]
    told = [row for row in rows if row["monitor"] in {"estimate", "outcome"} and row["subject"] == "night"]
    versions = [row["model_version"] for row in (*drift, *told) if row["model_version"] is not None]
    if not drift and not told:
        return None
    version = max(versions, default=None)
    # Of a night that was scored again by another version, what was measured of the earlier scores does not count.
    drifted, weighted = drift_of(row for row in drift if row["model_version"] == version)
    return Night(
        day,
        version,
        drifted,
        weighted,
        _held([row for row in rows if row["monitor"] == "estimate" and row["model_version"] == version]),
        _held([row for row in rows if row["monitor"] == "outcome" and row["model_version"] == version]),
        _worst(row["verdict"] for row in rows if str(row["monitor"]).startswith("quality.")),
        trained.get(version) if version is not None else None,
    )


def _held(rows: list[Row]) -> dict[str, Held]:
    references = {row["statistic"]: row["value"] for row in rows if row["subject"] == "reference"}
    return {
        row["statistic"]: Held(
            row["value"],
            references.get(row["statistic"]),
            None if row["value"] is None or row["threshold"] is None else row["verdict"] != "pass",
        )
        for row in rows
        if row["subject"] == "night"
    }


def _worst(verdicts: Iterable[str]) -> Outcome:
    found = set(verdicts)
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"
