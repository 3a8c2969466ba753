"""Scores that are computed here instead of on Spark."""

from __future__ import annotations

from datetime import UTC, date

import numpy as np
import pyarrow as pa

from nightshift.definition.calendar import cutoff
from nightshift.lake.tables import observation_key, scores_table
from nightshift.project import Project
from nightshift.registry.package import ModelPackage


def score_rows(
    project: Project, night: date, rows: pa.Table, package: ModelPackage, version: int, snapshot: int
) -> pa.Table:
    """The rows of the scores table, as if they had been scored at the cutoff of a night.

    Args:
        project: The model.
        night: The night.
        rows: Published features.
        package: The model that scores them.
        version: Its number.
        snapshot: The snapshot of the features.
    """
    at = cutoff(project.definition.schedule, night).astimezone(UTC)
    made = {"score": package.score(rows), "model_version": version, "features_snapshot": snapshot, "scored_at": at}
    for name, value in made.items():
        column = pa.array(value) if isinstance(value, np.ndarray) else pa.repeat(pa.scalar(value), rows.num_rows)
        rows = rows.append_column(name, column)
    return rows.select([*observation_key(project.definition), *made]).cast(scores_table(project.definition).schema)
