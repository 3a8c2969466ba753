"""Computes the features of a model for a range of nights and stages them.

spark-submit spark_jobs/features.py --model flight_delay --from 2013-07-04 --attempt by-hand
"""

from __future__ import annotations

import argparse
from datetime import date

from job import read_table, run, start_session, write_staged
from nightshift.definition.load import definition_hash, find_definition
from nightshift.features.compute import compute_features
from nightshift.features.plan import plan_features
from nightshift.lake.catalog import Lake
from nightshift.lake.read import published_dates, snapshot_of
from nightshift.lake.tables import features_table, raw_table
from nightshift.settings import get_settings
from nightshift.types import Staged


def stage_features(model: str, first: date, last: date, attempt: str) -> Staged:
    """Stages the features of every observation of the nights from `first` to `last`."""
    starting = start_session(f"{model}.features {first}")
    settings = get_settings()
    definition = find_definition(settings.models_path, model)
    lake = Lake(settings)
    specs = {name: raw_table(definition, name) for name in definition.sources}
    published = {name: sorted(published_dates(lake, spec)) for name, spec in specs.items()}
    plan = plan_features(definition, first, last, published)
    snapshots = {name: snapshot_of(lake, spec.name) for name, spec in specs.items()}
    spark = starting.result()
    raw = {}
    for name, spec in specs.items():
        span = (first, last) if name == definition.observations.source else (last, last)
        seen = plan.dates(name) or span
        raw[name] = read_table(spark, lake, spec, min(span[0], seen[0]), max(span[1], seen[1]), snapshots[name])
    rows = compute_features(spark, definition, plan, raw)
    inputs = {f"raw.{name}": str(snapshot) for name, snapshot in snapshots.items()}
    inputs["definition"] = definition_hash(definition)
    return write_staged(lake, features_table(definition), rows, attempt, first, last, inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Computes and stages the features of a range of nights.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first score date")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last score date; default: the first")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folder")
    arguments = parser.parse_args()
    staged = stage_features(arguments.model, arguments.first, arguments.last or arguments.first, arguments.attempt)
    print(f"staged {staged.rows} rows of {staged.table} in {staged.location}", flush=True)


if __name__ == "__main__":
    run(main)
