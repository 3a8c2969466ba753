"""Computes the features of a range of nights and stages them, with the tiles that are missing.

spark-submit spark_jobs/features.py --model flight_delay --from 2013-07-04 --attempt by-hand
"""

from argparse import ArgumentParser, Namespace
from datetime import date

from nightshift.compute.driver import run
from nightshift.compute.session import start_session
from nightshift.project import Project
from nightshift.stages.features import stage_features_of_version, stage_published_features
from nightshift.types import Staged


def stage(arguments: Namespace) -> list[Staged]:
    starting = start_session(f"{arguments.model}.features {arguments.first}")
    project = Project(arguments.model)
    spark, last = starting.result(), arguments.last or arguments.first
    if arguments.version is not None:
        version = project.registry.version(arguments.version)
        return [stage_features_of_version(project, spark, version, arguments.first, last, arguments.attempt)]
    return stage_published_features(project, spark, arguments.first, last, arguments.attempt)


if __name__ == "__main__":
    parser = ArgumentParser(description="Computes and stages the features of a range of nights.")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first score date")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last score date; default: the first")
    parser.add_argument("--version", type=int, help="compute them as this version learned them; they stay staged")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folders")
    run(parser, stage)
