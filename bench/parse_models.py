"""Builds the DAGs of models in forks of a process that has initialized their bundle, and tells the CPU time.

python -m bench.parse_models <rounds> <model>…
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Sequence

from nightshift_airflow.bundle import ModelsBundle
from nightshift_airflow.factory import build_dags


def parse_in_fork(models: Sequence[str]) -> float:
    """CPU seconds of a fork that builds the DAGs of models one after the other."""
    if (child := os.fork()) == 0:
        for model in models:
            build_dags(model)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, models
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints the CPU seconds of each round as a list, and of a last round with a fork for each model."""
    rounds, models = int(sys.argv[1]), sys.argv[2:]
    ModelsBundle(name="models").initialize()
    gc.freeze()  # as the DAG processor does
    seconds = [parse_in_fork(models) for _ in range(rounds)]
    sys.stdout.write(json.dumps([*seconds, sum(parse_in_fork([model]) for model in models)]) + "\n")


if __name__ == "__main__":
    main()
