"""Parses models' DAG files, each in a fork of a process that has initialized their bundle, and tells the CPU time.

python -m bench.parse_forks <rounds> <model>…
"""

from __future__ import annotations

import gc
import json
import os
import sys

from nightshift_airflow.bundle import ModelsBundle
from nightshift_airflow.factory import build_dags


def parse_in_fork(model: str) -> float:
    """CPU seconds of a fork that builds a model's DAGs."""
    if (child := os.fork()) == 0:
        build_dags(model)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, model
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints the CPU seconds of each round as a list."""
    rounds, models = int(sys.argv[1]), sys.argv[2:]
    ModelsBundle(name="models").initialize()
    gc.freeze()  # as the DAG processor does
    sys.stdout.write(json.dumps([sum(map(parse_in_fork, models)) for _ in range(rounds)]) + "\n")


if __name__ == "__main__":
    main()
