"""What the process has imported that each task's process is a fork of, as Airflow's scheduler has."""

from __future__ import annotations

import gc

import sklearn.metrics  # noqa: F401

import chaos.steps  # noqa: F401

gc.freeze()
