"""Computes the features of a published night again by brute force, from the raw rows it was made from.

spark-submit spark_jobs/skew.py --model flight_delay --night 2013-07-04 --attempt by-hand
"""

from __future__ import annotations

import argparse
from datetime import date

from features import Raw
from job import Staging, announce, run, start_session
from nightshift.definition.load import find_definition
from nightshift.features.brute_force import brute_force
from nightshift.features.sandbox import raw_snapshots
from nightshift.lake.catalog import Lake
from nightshift.lake.tables import features_table
from nightshift.settings import get_settings


def main() -> None:
    parser = argparse.ArgumentParser(description="Computes a published night again by brute force.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--night", type=date.fromisoformat, required=True, help="the score date")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folder")
    arguments = parser.parse_args()
    starting = start_session(f"{arguments.model}.skew {arguments.night}")
    settings = get_settings()
    definition, lake = find_definition(settings.models_path, arguments.model), Lake(settings)
    raw = Raw.open(starting.result(), lake, definition, raw_snapshots(lake, definition, arguments.night))
    rows = {source: raw.rows(source, date.min, date.max) for source in definition.sources}
    out = Staging(lake, features_table(definition), arguments.attempt, raw.inputs())
    out.write(brute_force(definition, arguments.night, rows, raw.partitions))
    announce([out.seal(arguments.night, arguments.night)])


if __name__ == "__main__":
    run(main)
