"""The process that Spark's Python workers are forks of, with what the workers of a job import.

In place of `pyspark.daemon` (`spark.python.daemon.module`): every worker would take a second or more for imports, and a
worker of a small night uses them for milliseconds. Only imports happen before the forks, as in the scheduler that tasks
are forks of.
"""

from __future__ import annotations

import os
import runpy

from nightshift.preloading import preload_modules

PROGRAM = "NIGHTSHIFT_SPARK_PROGRAM"  # the variable with the name of the driver's program
FEATURES = ("nightshift.features.compute",)
SCORES = (*FEATURES, "nightshift.scoring.batches", "skops.io", "sklearn.ensemble")
# What the workers of a program import.
IMPORTS = {"features": FEATURES, "score": SCORES, "waiting": SCORES}

if __name__ == "__main__":
    preload_modules(IMPORTS.get(os.environ.get(PROGRAM, ""), ()))  # workers collect garbage after every task
    runpy.run_module("pyspark.daemon", run_name="__main__")
