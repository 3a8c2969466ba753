"""Nights without Airflow: the example's files land, and the night runs as by hand."""

from __future__ import annotations

from datetime import date

from nightshift.project import Project
from nightshift.replay.landing import land_night
from nightshift.stages import by_hand


def stage(project: Project, job: str, night: date) -> tuple[str, ...]:
    """Runs a night's Spark job; the locations of the sets that it staged."""
    return by_hand.stage(project, job, night, lambda line: None)


def score_night(project: Project, night: date, run_id: str) -> None:
    """From the landed files to the published scores."""
    by_hand.score_night(project, night, run_id, lambda line: None)


def run_night(project: Project, night: date, run_id: str = "test") -> str:
    """Lands a night's files, scores and monitors it; the action that was decided."""
    land_night(project, night)
    score_night(project, night, run_id)
    return by_hand.monitor_night(project, night, run_id, lambda line: None).decision.action
