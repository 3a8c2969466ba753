"""Proves that no published feature knows the future: computes nights again without the data after their cutoff."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from nightshift.compute.job import Job, run_job
from nightshift.compute.job_log import progress as job_progress
from nightshift.definition.nights import require_night
from nightshift.definition.recipe import recipe_change
from nightshift.features.compare import Comparison, compare
from nightshift.features.recorded_recipes import recipes_by_night
from nightshift.features.sandbox import publish_arrived_rows, raw_snapshots, sandbox_settings
from nightshift.lake.catalog import Lake
from nightshift.lake.read import read_dates
from nightshift.lake.staging import load_staged, read_staged
from nightshift.lake.tables import features_table
from nightshift.project import Progress, Project
from nightshift.settings import Settings
from nightshift.stages.features import RawTables, stage_features
from nightshift.types import Staged

log = logging.getLogger(__name__)

CHECKED = "NIGHTSHIFT_CHECKED"  # the settings of the installation that is checked; the job's own are the sandbox's


def check_leaks(project: Project, nights: Sequence[date], progress: Progress = log.info) -> Comparison:
    """Compares published nights, bit by bit, with the same nights computed without the data that arrived later.

    The job runs in a sandbox: the definition's own code reads the sandbox's tables too.

    Args:
        project: The model.
        nights: The score dates.
        progress: Receives each line that the job prints.

    Raises:
        NotYetAvailable: If a night's features are not published.
        TerminalError: If the computation fails without the data that arrived later.
    """
    for night in nights:
        require_night(project.definition, night)
        raw_snapshots(project.lake, project.definition, night)  # before a minute is spent on the first night
    with tempfile.TemporaryDirectory(prefix="nightshift-leakcheck-") as folder:
        words = [word for night in nights for word in ("--night", str(night))]
        environment = {CHECKED: project.settings.model_dump_json(exclude={"alerts"})}
        job = Job("leakcheck", ("--model", project.definition.name, *words), len(nights) > 4, environment)
        staged = run_job(sandbox_settings(project.settings, Path(folder)), job, progress).staged
        return compare_staged(project, staged, {})


def stage_without_later(sandbox: Project, spark: SparkSession, nights: Sequence[date]) -> list[Staged]:
    """Stages the features of each night in a sandbox with the data that had arrived by its cutoff; run by the job.

    Args:
        sandbox: The model in an empty installation.
        spark: The session.
        nights: The score dates.
    """
    checked = Lake(Settings(**json.loads(os.environ[CHECKED])))
    staged: list[Staged] = []
    for night in job_progress("nights", sorted(nights)):
        publish_arrived_rows(sandbox.lake, checked, sandbox.definition, night)
        raw = RawTables.open(spark, sandbox.lake, sandbox.definition)
        staged += stage_features(raw, night, night, f"leakcheck-{night}")[-1:]
    return staged


def compare_staged(project: Project, locations: Sequence[str], tolerance: Mapping[str, float]) -> Comparison:
    """Compares staged features with the published ones of the same nights, cell by cell.

    Features whose definition has changed since are not compared: they differ for another reason.
    """
    spec, total = features_table(project.definition), Comparison(0, ())
    wanted = project.definition.feature_digests
    for staged in map(load_staged, locations):
        nights = recipes_by_night(project.lake, spec, staged.first, staged.last)
        changes = [recipe_change(wanted, recorded) for recorded in nights.values()]
        redefined = tuple(dict.fromkeys(name for change in changes for name in change.features))
        published = read_dates(project.lake, spec, staged.first, staged.last).drop_columns(list(redefined))
        recomputed = read_staged(staged, spec).drop_columns(list(redefined))
        total += replace(compare(published, recomputed, spec.key, tolerance), redefined=redefined)
    return total
