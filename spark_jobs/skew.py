"""Computes the features of a published night again by brute force, from the raw rows it was made from.

spark-submit spark_jobs/skew.py --model flight_delay --night 2013-07-04 --attempt by-hand
"""

from argparse import ArgumentParser, Namespace
from datetime import date

from nightshift.compute.driver import run
from nightshift.compute.session import start_session
from nightshift.project import Project
from nightshift.stages.skew import stage_by_brute_force
from nightshift.types import Staged


def stage(arguments: Namespace) -> list[Staged]:
    spark = start_session(f"{arguments.model}.skew {arguments.night}")
    return stage_by_brute_force(Project(arguments.model), spark.result(), arguments.night, arguments.attempt)


if __name__ == "__main__":
    parser = ArgumentParser(description="Computes a published night again by brute force.")
    parser.add_argument("--night", type=date.fromisoformat, required=True, help="the score date")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folder")
    run(parser, stage)
