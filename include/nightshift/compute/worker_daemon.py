"""The process that Spark's Python workers are forks of, with what the jobs of a night import.

In place of `pyspark.daemon` (`spark.python.daemon.module`): a worker of a small night would take seconds to import what
it uses for milliseconds. Only imports happen before the forks, as in the scheduler that tasks are forks of.
"""

from __future__ import annotations

import importlib
import runpy

PRELOADED = ("nightshift.scoring.batches", "nightshift.features.compute", "skops.io", "sklearn.ensemble")

if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    runpy.run_module("pyspark.daemon", run_name="__main__")
