"""A stage of a training in a process of its own, as a task of Airflow is: with what the scheduler has imported.

python -m bench.stage VAR MODELS AS_OF train
"""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from nightshift.compute.job import READY
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings
from nightshift.stages.gate import gate
from nightshift.stages.register import promote
from nightshift.stages.train import StoredModel
from nightshift.stages.train import train as run_training
from nightshift_airflow.preload import preload

MODEL = "flight_delay"
READ, FITTED, WEIGHED, TRAINED = "read in ", "fitted in ", "importances in ", "trained "


def train(project: Project, as_of: date) -> None:
    """Trains, and says how long reading, the estimator's own fit and the importances took."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from nightshift.training import dataset, importance

    _time(dataset, "read_labelled", READ)
    _time(HistGradientBoostingClassifier, "fit", FITTED)
    _time(importance, "permutation_importance", WEIGHED)
    trained = run_training(project, as_of, "measured", say)
    say(f"{TRAINED}{trained.run_id} {trained.digest}")


def _time(owner: Any, name: str, what: str) -> None:
    """Lets a function say how long it took."""
    original = getattr(owner, name)

    def timed(*given: Any, **options: Any) -> Any:
        started = perf_counter()
        done = original(*given, **options)
        say(f"{what}{perf_counter() - started}")
        return done

    setattr(owner, name, timed)


def say(line: str) -> None:
    """A line for the process that measures."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(var: str, models: str, as_of: str, stage: str, *trained: str) -> None:
    """Does one stage; gate and registration are told what was trained."""
    preload()
    say(READY)
    project = Project(MODEL, Settings(home=PROJECT, var=Path(var), models_folder=Path(models)))
    day = date.fromisoformat(as_of)
    if stage == "train":
        train(project, day)
    elif stage == "gate":
        say(gate(project, StoredModel(*trained), day, "measured").report.summary())
    else:
        promote(project, StoredModel(*trained), "measured", "measured")


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # as a task of Airflow ends: nothing is taken down
