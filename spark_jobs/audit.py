"""Audits large staged sets and stages the rows of them that may be published.

spark-submit spark_jobs/audit.py --model flight_delay --run by-hand --staged var/warehouse/staged/raw.arrivals/…
"""

from argparse import ArgumentParser, Namespace

from nightshift.compute.driver import run
from nightshift.compute.job_log import log
from nightshift.compute.session import start_session
from nightshift.project import Project
from nightshift.stages.audit import audit_on_spark
from nightshift.types import Staged


def stage(arguments: Namespace) -> list[Staged]:
    spark = start_session(f"{arguments.model}.audit")
    audit_on_spark(Project(arguments.model), spark, arguments.run, arguments.staged, arguments.context, log)
    return []


if __name__ == "__main__":
    parser = ArgumentParser(description="Audits large staged sets and stages what may be published.")
    parser.add_argument("--run", required=True, help="the run that asks, which rows that are set aside name")
    parser.add_argument("--staged", required=True, action="append", help="a set to audit; may be repeated")
    parser.add_argument("--context", default=[], action="append", help="a set that is staged together with it")
    run(parser, stage)
