"""Scores a night on Spark with the champion and, in the same pass, the challenger, and stages the scores.

The job `spark_jobs/score.py` runs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import date, datetime
from functools import reduce
from operator import add

from pyspark.sql import DataFrame, SparkSession

from nightshift.compute.driver import log, reason
from nightshift.compute.session import StagingWriter, read_table
from nightshift.lake.read import snapshot_of
from nightshift.lake.tables import TableSpec, features_table, observation_key, scores_table, shadow_table
from nightshift.monitoring.night_profile import PROFILE, NightProfile, Profiler
from nightshift.project import Project
from nightshift.registry.package import load_reference
from nightshift.registry.store import Version
from nightshift.scoring.batches import RESULT_SCHEMA, Scorer, format_problem, score_and_stage
from nightshift.types import PROBLEM, Staged


def stage_scores(
    project: Project, spark: Future[SparkSession], night: date, attempt: str, scored_at: datetime
) -> list[Staged]:
    """Stages the score of every observation of a night: one set for the champion and one for the challenger.

    A challenger that fails stages no rows; its error is stored among the inputs of its set.

    Args:
        project: The model.
        spark: The session, which starts while the models are loaded.
        night: The score date.
        attempt: Names this attempt's staging folders.
        scored_at: The instant recorded with every row.

    Returns:
        The staged sets; the champion's first.
    """
    definition, lake, registry = project.definition, project.lake, project.registry
    features = features_table(definition)
    snapshot = snapshot_of(lake, features.name)

    def staging(version: Version, spec: TableSpec) -> StagingWriter:
        inputs = {features.name: str(snapshot), "model_version": str(version.number), "model_digest": version.digest}
        split = {"model_version": version.number} if spec.split_by else {}
        return StagingWriter(lake, spec, attempt, inputs, split)

    def scorer(version: Version, writer: StagingWriter) -> Scorer:
        provenance = {"model_version": version.number, "features_snapshot": snapshot, "scored_at": scored_at}
        files = registry.package_files(version.run_id, version.digest)
        return Scorer(files, version.digest, writer.spec, writer.folder, provenance)

    champion, challenger = registry.require_champion(), registry.challenger()
    writers = [staging(champion, scores_table(definition))]
    scorers = [scorer(champion, writers[0])]
    if challenger is not None and challenger.number != champion.number:
        writers.append(staging(challenger, shadow_table(definition)))
        try:
            scorers.append(scorer(challenger, writers[1]))
        except Exception as error:  # its artifact is missing or has another digest: the champion does not need it
            writers[1].inputs[PROBLEM] = format_problem(error)
    rows = read_table(spark.result(), lake, features, night, night, snapshot)
    key = tuple(observation_key(definition))
    profiler = Profiler.of(load_reference(scorers[0].files), definition.monitoring.slices)
    try:
        _write(rows, key, writers, scorers, profiler)
    except Exception as error:
        if len(scorers) == 1:
            raise
        # Either a challenger ended the worker's process, or the champion failed: then the second attempt raises again.
        writers[1].inputs[PROBLEM] = reason(error)
        _write(rows, key, writers[:1], scorers[:1], profiler)
    staged = [writer.seal(night, night) for writer in writers]
    for batch, role in zip(staged, ("champion", "challenger"), strict=False):
        problem = f" failed: {batch.inputs[PROBLEM]}" if PROBLEM in batch.inputs else ""
        log(f"{role}: version {batch.inputs['model_version']}{problem}")
    return staged


def _write(
    rows: DataFrame,
    key: tuple[str, ...],
    writers: Sequence[StagingWriter],
    scorers: Sequence[Scorer],
    profiler: Profiler | None,
) -> None:
    """Scores, stages and profiles all rows in one pass; the profile is among the inputs of the champion's set."""
    champion, *challengers = scorers
    results = rows.mapInArrow(
        lambda batches: score_and_stage(batches, key, champion, challengers, profiler), RESULT_SCHEMA
    ).collect()
    for position, writer in enumerate(writers[: len(scorers)]):
        scorer_results = [result for result in results if result.scorer == position]
        if problems := [result.problem for result in scorer_results if result.problem]:
            writer.inputs[PROBLEM], scorer_results = problems[0], []
        writer.files = {result.file: result.rows for result in scorer_results if result.file}
    # If a part has no profile, the night has none: it is profiled when its drift is measured.
    parts = [NightProfile.from_json(json.loads(result.profile)) for result in results if result.profile]
    profile = reduce(add, parts) if parts else None
    if profile is not None and profile.features.rows == sum(writers[0].files.values()):
        writers[0].inputs[PROFILE] = json.dumps(profile.to_json())
