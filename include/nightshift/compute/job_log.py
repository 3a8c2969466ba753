"""The log of a job, which its submitter passes on line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from nightshift.compute.job import PROGRESS

Step = TypeVar("Step")


def progress(subject: str, steps: Sequence[Step]) -> Iterator[Step]:
    """Says how far a job is, before each of several steps; a single step needs no line."""
    for number, step in enumerate(steps):
        if len(steps) > 1:
            log(f"{PROGRESS}{subject}: {number} of {len(steps)}")
        yield step
    if len(steps) > 1:
        log(f"{PROGRESS}{subject}: {len(steps)} of {len(steps)}")


def log(line: str) -> None:
    """Writes a line of the job's log, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
