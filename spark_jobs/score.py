"""Scores the published features of a night with the champion, and with its challenger in the same pass.

spark-submit spark_jobs/score.py --model flight_delay --night 2013-07-04 --attempt by-hand --at 2013-07-04T00:00:00Z
"""

from argparse import ArgumentParser, Namespace
from datetime import date, datetime

from nightshift.compute.driver import run
from nightshift.compute.session import start_session
from nightshift.project import Project
from nightshift.stages.score import stage_scores
from nightshift.types import Staged


def stage(arguments: Namespace) -> list[Staged]:
    spark = start_session(f"{arguments.model}.score {arguments.night}")
    return stage_scores(Project(arguments.model), spark, arguments.night, arguments.attempt, arguments.at)


if __name__ == "__main__":
    parser = ArgumentParser(description="Scores a night and stages the result.")
    parser.add_argument("--night", type=date.fromisoformat, required=True, help="score date")
    parser.add_argument("--attempt", required=True, help="names this attempt's staging folders")
    parser.add_argument("--at", type=datetime.fromisoformat, required=True, help="instant recorded as scored_at")
    run(parser, stage)
