"""Computes the features of published nights again, in a sandbox that has only what had arrived by its cutoff.

Started by `nightshift leakcheck`, with the sandbox's settings and those of the checked installation.
"""

from argparse import ArgumentParser, Namespace
from datetime import date

from nightshift.compute.driver import run
from nightshift.compute.session import start_session
from nightshift.project import Project
from nightshift.stages.leakcheck import stage_without_later
from nightshift.types import Staged


def stage(arguments: Namespace) -> list[Staged]:
    spark = start_session(f"{arguments.model}.leakcheck")
    return stage_without_later(Project(arguments.model), spark.result(), arguments.night)


if __name__ == "__main__":
    parser = ArgumentParser(description="Computes published nights again without what arrived later.")
    parser.add_argument("--night", type=date.fromisoformat, action="append", required=True, help="a score date")
    run(parser, stage)
