"""MLflow runs of trainings that were killed: MLflow says for ever that they are running."""

from __future__ import annotations

from datetime import datetime

from nightshift.registry.client import Client, ignore_absent
from nightshift.registry.store import MLFLOW_PARENT_RUN_ID, NIGHT

MODELLESS = ("FAILED", "KILLED")


def abandoned_runs(client: Client, before: datetime) -> list[str]:
    """The ids of the runs of trainings, and of their trials, that are running since before an instant."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    started = f"attributes.status = 'RUNNING' and attributes.start_time < {int(before.timestamp() * 1000)}"
    runs = client.search_runs(experiments, started, max_results=1000) if experiments else []
    return [run.info.run_id for run in runs if {NIGHT, MLFLOW_PARENT_RUN_ID} & run.data.tags.keys()]


def end_abandoned_runs(client: Client, before: datetime) -> list[str]:
    """Ends the abandoned runs, and returns their ids."""
    runs = abandoned_runs(client, before)
    for run_id in runs:
        client.set_terminated(run_id, "KILLED")
    return runs


def is_over(client: Client, run_id: str) -> bool:
    """Whether a run ended without a model. One that MLflow does not have may be back with its database."""
    with ignore_absent():
        return client.get_run(run_id).info.status in MODELLESS
    return False
