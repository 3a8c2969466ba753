"""Whether maintenance runs, by what it would have ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TerminalError
from nightshift.lake.maintenance import MIN_ORPHAN_AGE
from nightshift.registry.abandoned import abandoned_runs
from nightshift.registry.database import open_client


def check_leftovers(examination: Examination) -> Iterator[NightshiftError]:
    """Trainings that were killed long ago and are running by MLflow."""
    if not examination.settings.has_registry:
        return
    runs = abandoned_runs(open_client(examination.settings), datetime.now(UTC) - MIN_ORPHAN_AGE)
    if runs:
        yield TerminalError(
            f"{len(runs)} trainings were killed and are running by MLflow",
            where=f"MLflow's run {runs[0]}",
            fix="nightshift maintain, and unpause the DAG nightshift.maintenance",
        )
