"""The commands that measurements have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from bench.measure import Run, run
from nightshift.lake.staging import new_attempt
from nightshift.loop import Loop
from nightshift.spark_submit import PROGRESS, STAGED, SparkSubmit

Say = Callable[[str], None]


def build_features(loop: Loop, first: date, last: date, say: Say) -> Run:
    """Computes and publishes features as the loop does; only the job is measured."""
    span = str(first) if first == last else f"{first} to {last}"
    say(f"{loop.definition.name}: features of {span}")
    arguments = ["--model", loop.definition.name, "--from", str(first), "--to", str(last)]
    arguments += ["--attempt", new_attempt(first, last)]
    done = submit(SparkSubmit(loop.settings, "features", arguments, long=first < last), say)
    loop.publish([line.removeprefix(STAGED) for line in done.lines if line.startswith(STAGED)])
    return done


def submit(job: SparkSubmit, say: Say, limit: float = float("inf")) -> Run:
    """Runs a Spark job; what it says of its progress is shown."""

    def shown(line: str) -> None:
        if line.startswith(PROGRESS):
            say(line.removeprefix(PROGRESS))

    return run(job.command(), job.environment(), say=shown, limit=limit)
