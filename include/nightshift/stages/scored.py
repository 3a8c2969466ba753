"""Which nights are scored."""

from __future__ import annotations

from datetime import date

from nightshift.errors import TerminalError
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.project import Project


def require_scored(project: Project, night: date) -> None:
    """Requires that a night has published scores.

    Raises:
        TerminalError: If it has none; with the nights that have some.
    """
    spec, model = scores_table(project.definition), project.definition.name
    if night not in published_dates(project.lake, spec, (night, night)):
        scored = published_dates(project.lake, spec)  # all of them, which takes longer
        raise TerminalError(
            f"{night} has no published scores to monitor",
            where=spec.name,
            received=str(night),
            allowed=f"a night that is scored, {min(scored)} to {max(scored)}" if scored else "none is scored yet",
            fix=f"score it: trigger the DAG {model}.score with the partition key {night}; its monitor follows",
        )
