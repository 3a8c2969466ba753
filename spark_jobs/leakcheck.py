"""Computes the features of published nights again, each in a world that holds only what had arrived by its cutoff.

The job runs with the world's settings, so that whatever the definition's own code reads, it reads there. The
installation that is checked is named by the environment variable NIGHTSHIFT_CHECKED. Started by `nightshift leakcheck`.
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import date

from features import Raw, stage_features
from job import announce, progress, run, start_session
from nightshift.definition.load import find_definition
from nightshift.features.sandbox import publish_arrived_rows
from nightshift.lake.catalog import Lake
from nightshift.settings import Settings, get_settings


def main() -> None:
    parser = argparse.ArgumentParser(description="Computes published nights again without what arrived later.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--night", type=date.fromisoformat, action="append", required=True, help="a score date")
    arguments = parser.parse_args()
    starting = start_session(f"{arguments.model}.leakcheck")
    checked = Lake(Settings(**json.loads(os.environ["NIGHTSHIFT_CHECKED"])))
    settings = get_settings()
    definition, world = find_definition(settings.models_path, arguments.model), Lake(settings)
    spark = starting.result()
    for night in progress("nights", sorted(arguments.night)):
        publish_arrived_rows(world, checked, definition, night)
        staged = stage_features(Raw.open(spark, world, definition), night, night, f"leakcheck-{night}")
        announce(staged[-1:])


if __name__ == "__main__":
    run(main)
