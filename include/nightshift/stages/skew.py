"""Checks tiles and windows: computes a published night again by brute force from the raw rows."""

from __future__ import annotations

import logging
from datetime import date

from pyspark.sql import DataFrame, SparkSession

from nightshift.compute.job import Job, run_job
from nightshift.compute.staging_writer import StagingWriter
from nightshift.definition.nights import require_night
from nightshift.definition.recipe import columns_behind
from nightshift.features.brute_force import brute_force
from nightshift.features.compare import Comparison, tolerances
from nightshift.features.sandbox import raw_snapshots
from nightshift.lake.staging import new_attempt
from nightshift.lake.tables import features_table
from nightshift.project import Progress, Project
from nightshift.stages.features import RawTables
from nightshift.stages.leakcheck import compare_staged
from nightshift.types import Staged

log = logging.getLogger(__name__)


def check_skew(project: Project, night: date, progress: Progress = log.info) -> Comparison:
    """Compares a published night with the same night computed by brute force from the same raw rows.

    Numbers that are summed in a different order may differ by one part in a thousand million, estimated distinct counts
    by five standard errors from the exact ones; everything else is compared bit by bit.

    Args:
        project: The model.
        night: The score date.
        progress: Receives each line that the job prints.

    Raises:
        NotYetAvailable: If the night's features are not published.
        TerminalError: If the date is not a night of the model.
    """
    require_night(project.definition, night)
    raw_snapshots(project.lake, project.definition, night)
    attempt = f"skew-{new_attempt(night, night)}"
    arguments = ("--model", project.definition.name, "--night", str(night), "--attempt", attempt)
    staged = run_job(project.settings, Job("skew", arguments), progress).staged
    return compare_staged(project, staged, tolerances(project.definition))


def stage_by_brute_force(project: Project, spark: SparkSession, night: date, attempt: str) -> list[Staged]:
    """Stages the features of a published night, computed by brute force; run by the job."""
    definition, lake = project.definition, project.lake
    raw = RawTables.open(spark, lake, definition, raw_snapshots(lake, definition, night))
    behind = columns_behind(definition.recipes.values())

    def rows(source: str, first: date, last: date) -> DataFrame:
        return raw.rows(source, first, last, ["source_date", *(name for of, name in behind if of == source)])

    writer = StagingWriter(lake, features_table(definition), attempt, raw.inputs())
    writer.write(brute_force(definition, night, rows, raw.partitions))
    return [writer.seal(night, night)]
