"""Audits large staged sets of a model and stages what of them may be published.

spark-submit spark_jobs/audit.py --model flight_delay --run by-hand --staged var/warehouse/staged/raw.arrivals/…
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from job import run, start_session
from nightshift.definition.load import find_definition
from nightshift.lake.catalog import Lake
from nightshift.lake.staging import load_staged
from nightshift.quality.auditor import Auditor
from nightshift.quality.judge import judge, write_judgement
from nightshift.registry.store import Registry
from nightshift.settings import get_settings


def audit_staged(model: str, run_id: str, locations: Sequence[str], beside: Sequence[str]) -> None:
    """Judges staged sets and keeps each judgement beside its set."""
    starting = start_session(f"{model}.audit")
    settings = get_settings()
    definition = find_definition(settings.models_path, model)
    auditor = Auditor(Lake(settings), definition, partial(Registry, settings, model))
    large = [load_staged(location) for location in locations]
    everything = [*large, *(load_staged(location) for location in beside)]
    for one in large:
        judgement = judge(auditor, one, everything, run_id, starting.result())
        write_judgement(one, judgement)
        print(judgement.verdict.summary(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Audits large staged sets and stages what may be published.")
    parser.add_argument("--model", required=True, help="name of the model definition")
    parser.add_argument("--run", required=True, help="the run that asks, which rows that are set aside name")
    parser.add_argument("--staged", required=True, action="append", help="a set to audit; may be repeated")
    parser.add_argument("--beside", default=[], action="append", help="a set that is staged together with it")
    arguments = parser.parse_args()
    audit_staged(arguments.model, arguments.run, arguments.staged, arguments.beside)


if __name__ == "__main__":
    run(main)
