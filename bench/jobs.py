"""The commands that measurements have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from bench.measure import Run, run
from nightshift.compute.job import PROGRESS, Job
from nightshift.compute.outcome import new_outcome_uri, read_outcome
from nightshift.compute.spark_submit import SparkSubmit
from nightshift.lake.staging import new_attempt
from nightshift.project import Project
from nightshift.settings import Settings
from nightshift.stages.publish import publish

Say = Callable[[str], None]


def build_features(project: Project, first: date, last: date, say: Say) -> Run:
    """Computes and publishes features as the loop does; only the job is measured."""
    measured, staged = compute_features(project, first, last, say)
    publish(project, staged)
    return measured


def compute_features(project: Project, first: date, last: date, say: Say) -> tuple[Run, tuple[str, ...]]:
    """Computes features as the loop does; the job, and where it staged them."""
    span = str(first) if first == last else f"{first} to {last}"
    say(f"{project.definition.name}: features of {span}")
    outcome = new_outcome_uri(project.settings, "features")
    arguments = ["--model", project.definition.name, "--from", str(first), "--to", str(last)]
    arguments += ["--attempt", new_attempt(first, last), "--outcome", outcome]
    measured = submit(project.settings, Job("features", tuple(arguments), many_nights=first < last), say)
    staged = read_outcome(outcome)
    assert staged is not None, measured.lines[-3:]
    return measured, staged.staged


def submit(settings: Settings, job: Job, say: Say, limit: float = float("inf")) -> Run:
    """Runs a Spark job; what it says of its progress is shown."""

    def shown(line: str) -> None:
        if line.startswith(PROGRESS):
            say(line.removeprefix(PROGRESS))

    submitter = SparkSubmit(settings)
    return run(submitter.command(job), submitter.environment(job), say=shown, limit=limit)
