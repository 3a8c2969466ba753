"""Scores a night on Spark with the champion and, in the same pass, the challenger, and stages the scores.

The job `spark_jobs/score.py` runs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import date, datetime
from functools import cached_property, reduce
from itertools import chain
from operator import add

from pyspark.sql import SparkSession

from nightshift.compute.driver import reason
from nightshift.compute.job_log import log
from nightshift.compute.scan import FileScan
from nightshift.compute.staging_writer import StagingWriter
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS, mismatch
from nightshift.definition.recipe import recipe_change
from nightshift.errors import TerminalError
from nightshift.features.recorded_recipes import (
    FEATURES_OF_VERSION,
    learned_recipes,
    recipes_by_night,
    table_of_version,
)
from nightshift.lake.damage import require_undamaged
from nightshift.lake.read import data_files, snapshot_of
from nightshift.lake.staging import staged_sizes
from nightshift.lake.tables import (
    CLASSES,
    RECIPES,
    TableSpec,
    features_table,
    observation_key,
    scores_table,
    shadow_table,
)
from nightshift.monitoring.night_profile import PROFILE, NightProfile, Profiler
from nightshift.project import Project
from nightshift.registry.package import load_reference, stored_classes, stored_prediction
from nightshift.registry.store import Version
from nightshift.scoring.batches import RESULT_SCHEMA, Scorer, format_problem, score_and_stage
from nightshift.stages.features import stage_features_of_version
from nightshift.types import PROBLEM, Staged

TableOfClasses = Callable[[ModelDefinition, Sequence[str]], TableSpec]


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
    night_features = _NightFeatures(project, spark, night, attempt)
    snapshot = {features_table(definition).name: str(night_features.snapshot)}

    def staging(version: Version, table: TableOfClasses, files: Mapping[str, bytes]) -> StagingWriter:
        classes = stored_classes(files)
        spec = table(definition, classes.names if classes else ())
        inputs = snapshot | {"model_version": str(version.number), "model_digest": version.digest}
        inputs |= {CLASSES: json.dumps(classes.names)} if classes else {}
        split = {"model_version": version.number} if spec.split_by else {}
        return StagingWriter(lake, spec, attempt, inputs, split)

    def scorer(version: Version, writer: StagingWriter, files: Mapping[str, bytes]) -> Scorer:
        provenance = {
            "model_version": version.number,
            "features_snapshot": night_features.snapshot,
            "scored_at": scored_at,
        }
        tree_sums = project.settings.tree_sums
        return Scorer(files, version.digest, writer.spec, writer.folder, provenance, tree_sums)

    champion, challenger = project.champions.require_champion(), registry.challenger()
    files = scorable_files(project, champion)
    writers = [staging(champion, scores_table, files)]
    scorers = [scorer(champion, writers[0], files)]
    rows = [night_features.as_learned_by(champion, scorers[0], writers[0])]
    if challenger is not None and challenger.number != champion.number:
        # The champion needs neither its artifact nor its features.
        try:
            files, problem = scorable_files(project, challenger), ""
        except Exception as error:
            files, problem = {}, format_problem(error)
        writers.append(staging(challenger, shadow_table, files))
        try:
            if not problem:
                scorers.append(scorer(challenger, writers[1], files))
                rows.append(night_features.as_learned_by(challenger, scorers[1], writers[1]))
        except Exception as error:
            problem = format_problem(error)
        writers[1].inputs |= {PROBLEM: problem} if problem else {}
    _write_all(spark.result(), rows, tuple(observation_key(definition)), writers, scorers, definition)
    staged = [writer.seal(night, night) for writer in writers]
    for batch, role in zip(staged, ("champion", "challenger"), strict=False):
        problem = f" failed: {batch.inputs[PROBLEM]}" if PROBLEM in batch.inputs else ""
        log(f"{role}: version {batch.inputs['model_version']}{problem}")
    return staged


def scorable_files(project: Project, version: Version) -> dict[str, bytes]:
    """A version's package, whose scores have the columns of the label's: a class, or no class.

    Raises:
        TerminalError: If it cannot be read, or the label's type has changed since it was trained.
    """
    files = project.registry.package_files(version.run_id, version.digest)
    model, predicted, declared = project.definition.name, stored_prediction(files), project.definition
    if (predicted == CLASS) != (declared.prediction == CLASS):
        raise TerminalError(
            mismatch(f"version {version.number}", predicted, declared.prediction),
            where=f"{declared.folder / 'model.yaml'}: label.type",
            received=declared.label.kind,
            allowed="the type of label that the version learned",
            fix=f"train a version of this label: nightshift train {model}, or change `label.type` back",
        )
    return files


class _NightFeatures:
    """A night's features, for versions that learned features of different definitions.

    Args:
        project: The model.
        spark: The session, which starts meanwhile.
        night: The score date.
        attempt: Names the staging folders of features that are computed for a version.
    """

    def __init__(self, project: Project, spark: Future[SparkSession], night: date, attempt: str) -> None:
        self.project, self.spark, self.night, self.attempt = project, spark, night, attempt
        self.spec = features_table(project.definition)
        self.snapshot = snapshot_of(project.lake, self.spec.name)
        recorded = recipes_by_night(project.lake, self.spec, night, night, self.snapshot)
        self.recipes = recorded.get(night, {})

    def as_learned_by(self, version: Version, scorer: Scorer, writer: StagingWriter) -> FileScan:
        """The published features if the version learned the same; else they are computed by its own definition.

        Which it is becomes an input of what the writer stages.

        Raises:
            TerminalError: If they can no longer be computed.
        """
        learned = learned_recipes(self.project.registry, version, scorer.features).features
        change = recipe_change(learned, self.recipes)
        writer.inputs[RECIPES] = json.dumps(learned)
        if not change:
            return self.published
        log(f"the published features are of {change} than version {version.number} learned: computing them as it did")
        staged = stage_features_of_version(
            self.project, self.spark.result(), version, self.night, self.night, self.attempt
        )
        writer.inputs[FEATURES_OF_VERSION] = str(version.number)
        return FileScan.of(table_of_version(self.project.registry, version), staged_sizes(staged))

    @cached_property
    def published(self) -> FileScan:
        """The published features."""
        files = data_files(self.project.lake, self.spec, self.night, self.night, self.snapshot)
        require_undamaged(files)
        return FileScan.of(self.spec, files)


def _write_all(
    spark: SparkSession,
    rows: Sequence[FileScan],
    key: tuple[str, ...],
    writers: Sequence[StagingWriter],
    scorers: Sequence[Scorer],
    definition: ModelDefinition,
) -> None:
    """Scores, stages and profiles a night: in one pass where champion and challenger score the same features."""
    profiler = Profiler.of(load_reference(scorers[0].files), definition.monitoring.slices)
    together = len(rows) if all(scan is rows[0] for scan in rows) else 1
    try:
        _write(spark, rows[0], key, writers, scorers[:together], profiler)
    except Exception as error:
        if together == 1:
            raise
        # Either a challenger ended the worker's process, or the champion failed: then the second attempt raises again.
        writers[1].inputs[PROBLEM] = reason(error)
        _write(spark, rows[0], key, writers[:1], scorers[:1], profiler)
    if together < len(rows):
        try:
            _write(spark, rows[1], key, writers[1:], scorers[1:], None)
        except Exception as error:
            writers[1].inputs[PROBLEM] = reason(error)


def _write(
    spark: SparkSession,
    rows: FileScan,
    key: tuple[str, ...],
    writers: Sequence[StagingWriter],
    scorers: Sequence[Scorer],
    profiler: Profiler | None,
) -> None:
    """Scores, stages and profiles all rows in one pass; the profile is among the inputs of the champion's set."""
    champion, *challengers = scorers
    read = rows.only({*key, *(profiler.columns if profiler else ()), *chain(*(scorer.features for scorer in scorers))})
    results = read.map(
        spark, lambda batches: score_and_stage(batches, key, champion, challengers, profiler), RESULT_SCHEMA
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
