"""Nights without Airflow: what its tasks call, in their order."""

from __future__ import annotations

from datetime import date

from nightshift.compute.job import Job, run_job
from nightshift.definition.calendar import cutoff
from nightshift.lake.staging import new_attempt
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.replay.nights import DELIVERY
from nightshift.stages.audit import audit
from nightshift.stages.decide import decide
from nightshift.stages.drift import drift
from nightshift.stages.estimate import estimate
from nightshift.stages.ingest import ingest
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.publish import publish


def stage(project: Project, job: str, night: date) -> tuple[str, ...]:
    """Runs a night's Spark job; the locations of the sets that it staged."""
    at = cutoff(project.definition.schedule, night).isoformat()
    dates = ("--from", str(night)) if job == "features" else ("--night", str(night), "--at", at)
    arguments = ("--model", project.definition.name, *dates, "--attempt", new_attempt(night, night))
    return run_job(project.settings, Job(job, arguments), lambda line: None).staged


def score_night(project: Project, night: date, run_id: str) -> None:
    """From the landed files to the published scores."""
    publish(project, audit(project, ingest(project, night), night, run_id).locations)
    for job in ("features", "score"):
        publish(project, audit(project, stage(project, job, night), night, run_id).locations)


def run_night(project: Project, night: date, run_id: str = "test") -> str:
    """Lands a night's files, scores and monitors it; the action that was decided."""
    land(project, night, since=night - DELIVERY)
    score_night(project, night, run_id)
    drift(project, night, run_id)
    estimate(project, night, run_id)
    measure_outcomes(project, night, run_id)
    return decide(project, night, run_id, training_runs=False).action
