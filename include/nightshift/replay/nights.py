"""Replays nights through a running Airflow: lands the files of a night, triggers its run, waits for its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import Any

from nightshift.definition.calendar import cutoff
from nightshift.errors import TerminalError, TransientError
from nightshift.project import Project
from nightshift.replay.airflow_api import ENDED, AirflowApi
from nightshift.replay.landing import land_night
from nightshift.replay.running_servers import RunningServers
from nightshift.replay.servers import Servers

POOLS = {
    "nightshift_spark": (1, "Spark jobs that share this machine's cores"),
    "nightshift_training": (1, "Trainings: one at a time"),
}


@dataclass(frozen=True)
class NightRun:
    """The end of a night's runs.

    Attributes:
        night: The score date.
        states: The final state of each run, by its DAG.
        seconds: From landing to the end of the last run.
    """

    night: date
    states: dict[str, str]
    seconds: float

    @property
    def succeeded(self) -> bool:
        return all(state == "success" for state in self.states.values())


class Replay:
    """Drives one model's nights through Airflow.

    Args:
        project: The model's loop.
        servers: The running servers.
        api: A logged-in client.
        say: Receives the stage that is running.
    """

    def __init__(
        self, project: Project, servers: Servers | RunningServers, api: AirflowApi, say: Callable[[str], None]
    ) -> None:
        self.project, self.servers, self.api, self.say = project, servers, api, say
        self.model = project.definition.name

    def prepare(self, timeout: float = 300) -> None:
        """Unpauses the model's DAGs, once Airflow has parsed them; creates the pools of an Airflow of our own.

        Args:
            timeout: Seconds until every DAG must have been parsed; servers that have just started take minutes.

        Raises:
            TerminalError: If the model's file has an import error, or a DAG is not parsed in time.
        """
        if isinstance(self.servers, Servers):  # else somebody chose the sizes of the pools
            create_pools(self.api)
        dags = [f"{self.model}.score", f"{self.model}.monitor", f"{self.model}.train", "nightshift.maintenance"]
        deadline = time.monotonic() + timeout
        while dags:
            dags = [dag for dag in dags if not self.api.unpause(dag)]
            if dags:
                self._check_parsing(dags[0], time.monotonic() > deadline)
                self._pause()

    def _check_parsing(self, dag: str, overdue: bool) -> None:
        errors = {PurePath(file).stem: text.strip().splitlines()[-1] for file, text in self.api.import_errors().items()}
        if self.model in errors or overdue:
            received = errors.get(self.model) or "; ".join(errors.values()) or "no import error"
            raise TerminalError(f"Airflow does not show the DAG {dag}", received=received)

    def train(self, as_of: date, reason: str) -> str:
        """Runs a training and returns its final state."""
        run_id = f"first__{as_of}"
        conf = {"as_of": str(as_of), "reason": reason}
        self.api.trigger(f"{self.model}.train", run_id, conf=conf)
        return self._wait(f"{self.model}.train", run_id, f"training as of {as_of}")

    def night(self, night: date) -> NightRun:
        """Runs a night: score, monitor, and the training if the night requested one."""
        started = time.monotonic()
        land_night(self.project, night)
        score, monitor, train = (f"{self.model}.{verb}" for verb in ("score", "monitor", "train"))
        run_id = f"night__{night}"
        self.api.trigger(
            score, run_id, partition_key=str(night), run_after=cutoff(self.project.definition.schedule, night)
        )
        states = {score: self._wait(score, run_id, f"night {night}")}
        if states[score] == "success":
            states[monitor] = self._wait(monitor, self._monitor_run(monitor, night), f"night {night}")
            request = f"retrain__{night}"
            if states[monitor] == "success" and self.api.run(train, request) is not None:
                states[train] = self._wait(train, request, f"night {night}, retraining")
        return NightRun(night, states, time.monotonic() - started)

    def _monitor_run(self, dag_id: str, night: date, patience: float = 30) -> str:
        """The run that the night's asset event triggered; triggers one if no event has done so in time."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            runs = [run for run in self.api.runs(dag_id) if run["partition_key"] == str(night)]
            if runs:
                newest = max(runs, key=lambda run: run["queued_at"] or run["run_after"])
                if newest["state"] == "failed":
                    self.api.clear(dag_id, newest["dag_run_id"])
                return str(newest["dag_run_id"])
            self._pause()
        run_id = f"night__{night}"
        self.api.trigger(dag_id, run_id, partition_key=str(night))
        return run_id

    def _wait(self, dag_id: str, run_id: str, subject: str) -> str:
        """Waits for the end of a run, reports its running task meanwhile, and returns its final state."""
        while True:
            run = self.api.run(dag_id, run_id)
            if run is None:
                raise TransientError(f"Airflow has no run {run_id} of {dag_id} any more")
            if run["state"] in ENDED:
                return str(run["state"])
            self.say(f"{subject}: {dag_id.rpartition('.')[2]} {_stage(self.api.tasks(dag_id, run_id))}")
            self._pause()

    def _pause(self) -> None:
        self.servers.check()
        time.sleep(0.7)


def create_pools(api: AirflowApi) -> None:
    """Creates the pools that the DAGs' tasks run in; without them a task waits for ever."""
    for name, (slots, description) in POOLS.items():
        api.pool(name, slots, description)


def _stage(tasks: list[dict[str, Any]]) -> str:
    running = [task["task_id"] for task in tasks if task["state"] == "running"]
    ended = sum(task["state"] in {"success", "skipped"} for task in tasks)
    return f"{', '.join(running) or 'waiting'} ({ended} of {len(tasks)} tasks)"
