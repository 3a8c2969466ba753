"""Scores the published features of one night with the champion, and challengers beside it, and stages the results.

spark-submit spark_jobs/score.py --model flight_delay --night 2013-07-04 --attempt by-hand --at 2013-07-04T00:00:00Z
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce
from operator import add

from pyspark.sql import DataFrame

from job import Staging, announce, read_table, reason, run, start_session
from nightshift.definition.load import find_definition
from nightshift.lake.catalog import Lake
from nightshift.lake.read import snapshot_of
from nightshift.lake.tables import TableSpec, features_table, observation_key, scores_table, shadow_table
from nightshift.monitoring.night_profile import PROFILE, NightProfile, Profiler
from nightshift.registry.package import load_reference
from nightshift.registry.store import Registry, Version
from nightshift.scoring.batches import WRITTEN, Scorer, problem_of, score_and_stage
from nightshift.settings import get_settings
from nightshift.types import PROBLEM, Staged


def stage_scores(model: str, night: date, attempt: str, scored_at: datetime) -> list[Staged]:
    """Stages the score of every observation of a night: the champion's, and in a set of its own the challenger's.

    A challenger that fails stages no row, and what went wrong among the inputs of its set.
    """
    starting = start_session(f"{model}.score {night}")
    settings = get_settings()
    definition = find_definition(settings.models_path, model)
    lake = Lake(settings)
    registry = Registry(settings, model)
    features = features_table(definition)
    snapshot = snapshot_of(lake, features.name)

    def staging(version: Version, spec: TableSpec) -> Staging:
        made_from = {features.name: str(snapshot), "model_version": str(version.number), "model_digest": version.digest}
        split = {"model_version": version.number} if spec.split_by else {}
        return Staging(lake, spec, attempt, made_from, split)

    def scorer(version: Version, out: Staging) -> Scorer:
        made_by = {"model_version": version.number, "features_snapshot": snapshot, "scored_at": scored_at}
        files = registry.files(version.run_id, version.digest)
        return Scorer(files, version.digest, out.spec, out.folder, made_by)

    champion, challenger = registry.require_champion(), registry.challenger()
    first = staging(champion, scores_table(definition))
    outs, scorers = [first], [scorer(champion, first)]
    if challenger is not None and challenger.number != champion.number:
        beside = staging(challenger, shadow_table(definition))
        outs.append(beside)
        try:
            scorers.append(scorer(challenger, beside))
        except Exception as error:  # its artifact is gone, or another one: the champion needs neither
            beside.inputs[PROBLEM] = problem_of(error)
    rows = read_table(starting.result(), lake, features, night, night, snapshot)
    key = tuple(observation_key(definition))
    profile = Profiler.of(load_reference(scorers[0].files), definition.monitoring.slices)
    try:
        _write(rows, key, outs, scorers, profile)
    except Exception as error:
        if len(scorers) == 1:
            raise
        # Only a challenger that took the worker's process along comes this far, or the champion, which raises again.
        outs[1].inputs[PROBLEM] = reason(error)
        _write(rows, key, outs[:1], scorers[:1], profile)
    return [out.seal(night, night) for out in outs]


def _write(
    rows: DataFrame,
    key: tuple[str, ...],
    outs: Sequence[Staging],
    scorers: Sequence[Scorer],
    profile: Profiler | None,
) -> None:
    """Scores, stages and profiles all rows in one pass; the profile is among the inputs of the champion's set."""
    champion, *challengers = scorers
    told = rows.mapInArrow(
        lambda batches: score_and_stage(batches, key, champion, challengers, profile), WRITTEN
    ).collect()
    for out, place in zip(outs, range(len(scorers)), strict=False):
        own = [row for row in told if row.scorer == place]
        if problems := [row.problem for row in own if row.problem]:
            out.inputs[PROBLEM], own = problems[0], []
        out.written = {row.file: row.rows for row in own if row.file}
    # A part that could not be profiled leaves the night without: it is profiled when its drift is measured.
    parts = [NightProfile.from_json(json.loads(row.profile)) for row in told if row.profile]
    whole = reduce(add, parts) if parts else None
    if whole is not None and whole.features.rows == sum(outs[0].written.values()):
        outs[0].inputs[PROFILE] = json.dumps(whole.to_json())


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores one night and stages the result.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--night", type=date.fromisoformat, required=True, help="score date")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folder")
    parser.add_argument("--at", type=datetime.fromisoformat, required=True, help="instant recorded as scored_at")
    arguments = parser.parse_args()
    staged = stage_scores(arguments.model, arguments.night, arguments.attempt, arguments.at)
    for one, how in zip(staged, ("scored by", "in shadow:"), strict=False):
        told = f", which failed: {one.inputs[PROBLEM]}" if PROBLEM in one.inputs else ""
        print(f"{how} version {one.inputs['model_version']}{told}", flush=True)
    announce(staged)


if __name__ == "__main__":
    run(main)
