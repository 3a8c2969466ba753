"""Scores the published features of one night with the champion and stages the result.

spark-submit spark_jobs/score.py --model flight_delay --night 2013-07-04 --attempt by-hand --at 2013-07-04T00:00:00Z
"""

from __future__ import annotations

import argparse
from datetime import date, datetime

from pyspark.sql import functions as F

from job import Staging, announce, read_table, run, start_session
from nightshift.definition.load import find_definition
from nightshift.lake.catalog import Lake
from nightshift.lake.read import snapshot_of
from nightshift.lake.tables import features_table, observation_key, scores_table, spark_schema
from nightshift.registry.store import Registry
from nightshift.scoring.batches import score_rows
from nightshift.settings import get_settings
from nightshift.types import Staged


def stage_scores(model: str, night: date, attempt: str, scored_at: datetime) -> Staged:
    """Stages the champion's score of every observation of a night."""
    starting = start_session(f"{model}.score {night}")
    settings = get_settings()
    definition = find_definition(settings.models_path, model)
    lake = Lake(settings)
    registry = Registry(settings, model)
    champion = registry.require_champion()
    files = registry.files(champion.run_id, champion.digest)
    spec = features_table(definition)
    snapshot = snapshot_of(lake, spec.name)
    rows = read_table(starting.result(), lake, spec, night, night, snapshot)
    key = observation_key(definition)
    scores = (
        score_rows(rows, files, champion.digest, tuple(key), spark_schema(key | {"score": "number"}))
        .withColumn("model_version", F.lit(champion.number))
        .withColumn("features_snapshot", F.lit(snapshot))
        .withColumn("scored_at", F.lit(scored_at))
    )
    inputs = {spec.name: str(snapshot), "model_version": str(champion.number), "model_digest": champion.digest}
    out = Staging(lake, scores_table(definition), attempt, inputs)
    out.write(scores)
    return out.seal(night, night)


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores one night with the champion and stages the result.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--night", type=date.fromisoformat, required=True, help="score date")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folder")
    parser.add_argument("--at", type=datetime.fromisoformat, required=True, help="instant recorded as scored_at")
    arguments = parser.parse_args()
    staged = stage_scores(arguments.model, arguments.night, arguments.attempt, arguments.at)
    print(f"scored by version {staged.inputs['model_version']}", flush=True)
    announce([staged])


if __name__ == "__main__":
    run(main)
