"""Jobs on EMR Serverless: a real one beside the same job by spark-submit, and how Airflow's operator waits for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from emr_serverless import EmrServerlessEndpoint, serving

from nightshift.compute.deployed_code import deploy
from nightshift.compute.job import Job, run_job
from nightshift.lake.staging import load_staged, read_staged
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, EmrSettings, Settings, SparkSettings
from nightshift.stages.ingest import ingest_history
from nightshift.stages.publish import publish
from nightshift.types import Staged

ROLE = "arn:aws:iam::123456789012:role/jobs"
FIRST, NIGHT = date(2024, 1, 1), date(2024, 1, 5)


def features(project: Project, settings: Settings, attempt: str) -> tuple[list[Staged], pa.Table]:
    """The sets that a job for the features of a night stages, and the features' rows."""
    arguments = ("--model", "tiny", "--from", str(NIGHT), "--attempt", attempt)
    result = run_job(settings, Job("features", arguments, attempt=attempt), print)
    staged = [load_staged(location) for location in result.staged]
    return staged, read_staged(staged[-1], features_table(project.definition))


@pytest.mark.spark
def test_a_job_stages_what_spark_submit_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs_in_this_process: None
) -> None:
    """The deployed program runs in another folder, with no variable but those of the request."""
    settings = Settings(home=PROJECT, var=tmp_path / "var", models_folder=PROJECT / "tests" / "models")
    project = Project("tiny", settings)
    land(project, NIGHT)
    publish(project, ingest_history(project, FIRST, NIGHT))
    here = features(project, settings, "here")
    spark = SparkSettings(master="emr-serverless://00app", code=str(tmp_path / "code"))
    emr = EmrSettings(role_arn=ROLE, packages="image", poll=0.2)
    elsewhere = settings.model_copy(update={"spark": spark, "emr": emr})
    deploy(elsewhere, print)
    endpoint = EmrServerlessEndpoint(tmp_path / "runs")
    for name, value in {"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    with serving(endpoint) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", address)
        there = features(project, elsewhere, "there")
    log = endpoint.runs["00run1"].log.read_text()
    assert "staged" in log and "AWS_SECRET" not in log
    assert described(there[0]) == described(here[0])
    assert described(here[0])[-1][:2] == ("features.tiny", here[1].num_rows) and here[1].num_rows > 0
    order = [(name, "ascending") for name in here[1].column_names]
    assert there[1].sort_by(order).equals(here[1].sort_by(order))


def described(staged: list[Staged]) -> list[tuple[Any, ...]]:
    return [(batch.table, batch.rows, batch.first, batch.last, batch.inputs, batch.split) for batch in staged]


PROBE = """
import asyncio, importlib, json, sys, tempfile
from pathlib import Path

from airflow.sdk.exceptions import TaskDeferred
from emr_serverless import EmrServerlessEndpoint, serving
from nightshift.compute.deployed_code import deploy
from nightshift.settings import get_settings
from nightshift_airflow.operators import SparkJobOperator

OUTCOME = '''
import json, os, sys
os.makedirs(os.path.dirname(sys.argv[-1].removeprefix("file://")))
with open(sys.argv[-1].removeprefix("file://"), "w") as file:
    json.dump({"staged": ["file:///features"], "error": ERROR, "transient": False}, file)
'''
WELL, BROKEN = OUTCOME.replace("ERROR", "''"), OUTCOME.replace("ERROR", "'the model is gone'") + "sys.exit(2)"
LONG = "import time; time.sleep(600)"


class Store:
    '''The state that Airflow keeps for all tries of a task; it may be lost with its process on the second write.'''

    def __init__(self):
        self.values, self.writes, self.dies_at = {}, 0, None

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        self.writes += 1
        if self.writes == self.dies_at:
            raise SystemExit("killed")
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


class Task:
    '''A task that is tried and resumed as Airflow does it, each time in a new object.'''

    def __init__(self, endpoint):
        self.endpoint, self.store, self.operator = endpoint, Store(), None

    def attempt(self):
        '''The result of a try, its error, or the trigger that it waits for.'''
        self.operator = SparkJobOperator(
            task_id="features", job="features", arguments=["--model", "tiny"], night="2024-01-05"
        )
        return self.end(lambda: self.operator.execute(self.context))

    def resume(self, deferred):
        '''Waits for the trigger as the triggerer does, from its serialized form, and resumes the task.'''
        event = asyncio.run(anext(self.trigger(deferred).run())).payload
        operator = SparkJobOperator(task_id="features", job="features", arguments=[], night="2024-01-05")
        return self.end(lambda: getattr(operator, deferred.method_name)(self.context, event))

    def trigger(self, deferred):
        path, arguments = deferred.trigger.serialize()
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))

    @property
    def context(self):
        return {"task_state_store": self.store}

    def end(self, call):
        try:
            return call()
        except TaskDeferred as deferred:
            return deferred
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}: {error}"

    def summary(self, *ends):
        states = [run.state for run in self.endpoint.runs.values()]
        posts = self.endpoint.calls.count("POST")
        return {"ends": ["deferred" if isinstance(end, TaskDeferred) else end for end in ends], "states": states,
                "posts": posts, "stored": sorted(self.store.values)}


def runs(task):
    first = task.attempt()
    return task.summary(first, task.resume(first))

def worker_dies(task):
    first, second = task.attempt(), task.attempt()
    return task.summary(first, second, task.resume(second))

def worker_dies_before_it_knows_the_run(task):
    task.store.dies_at = 2
    first = task.attempt()
    task.store.dies_at = None
    second = task.attempt()
    return task.summary(first, second, task.resume(second))

def ends_while_nobody_looks(task):
    first = task.attempt()
    run = task.trigger(first).run()
    asyncio.run(anext(run))
    second = task.attempt()
    third = task.attempt()
    return task.summary(first, second, third)

def fails(task):
    task.endpoint.program = BROKEN
    first = task.attempt()
    failed = task.resume(first)
    task.endpoint.program = WELL
    second = task.attempt()
    return task.summary(first, failed, second, task.resume(second))

def cleared_while_it_waits(task):
    task.endpoint.program = LONG
    first = task.attempt()
    asyncio.run(task.trigger(first).on_kill())
    task.endpoint.program = WELL
    second = task.attempt()
    return task.summary(first, second, task.resume(second))

def killed_in_the_worker(task):
    task.endpoint.program = LONG
    first = task.attempt()
    task.operator.on_kill()
    return task.summary(first)

def triggerer_ends(task):
    task.endpoint.program = LONG
    first = task.attempt()

    async def shut_down():
        waiting = asyncio.ensure_future(anext(task.trigger(first).run()))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(shut_down())
    task.endpoint.program = WELL
    return task.summary(first)

def never_starts(task):
    first = task.attempt()
    task.endpoint.starts = False
    for run in task.endpoint.runs.values():
        run.created = 0
    return task.summary(first, task.resume(first))

def not_deployed(task):
    (Path(get_settings().spark.code) / "moved").mkdir()
    for folder in Path(get_settings().spark.code).glob("code-*"):
        folder.rename(folder.parent / "moved" / folder.name)
    return task.summary(task.attempt())


deploy(get_settings(), lambda line: None)
answers = {}
for case in (runs, worker_dies, worker_dies_before_it_knows_the_run, ends_while_nobody_looks, fails,
             cleared_while_it_waits, killed_in_the_worker, triggerer_ends, never_starts, not_deployed):
    import os
    with tempfile.TemporaryDirectory() as folder:
        endpoint = EmrServerlessEndpoint(Path(folder), program=WELL)
        with serving(endpoint) as address:
            os.environ["AWS_ENDPOINT_URL_EMR_SERVERLESS"] = address
            answers[case.__name__] = case(Task(endpoint))
print("RESULT" + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def tries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """How tries of a task end, for each case of the program above."""
    folder = tmp_path_factory.mktemp("tries")
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "NIGHTSHIFT_MODELS_FOLDER": str(PROJECT / "tests" / "models"),
        "NIGHTSHIFT_VAR": str(folder),
        "NIGHTSHIFT_SPARK": json.dumps({"master": "emr-serverless://00app", "code": str(folder / "code")}),
        "NIGHTSHIFT_EMR": json.dumps({"role_arn": ROLE, "packages": "image", "poll": 0.02}),
        "PYTHONPATH": str(PROJECT / "tests"),
    }  # fmt: skip
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stdout[-1000:] + done.stderr[-3000:]
    return dict(json.loads(lines[0].removeprefix("RESULT")))


STAGED = ["file:///features"]


def test_a_task_waits_in_the_triggerer_and_takes_the_result(tries: dict[str, dict[str, Any]]) -> None:
    assert tries["runs"] == {"ends": ["deferred", STAGED], "states": ["SUCCESS"], "posts": 1, "stored": []}


def test_a_task_whose_worker_died_finds_its_run(tries: dict[str, dict[str, Any]]) -> None:
    assert tries["worker_dies"] == {
        "ends": ["deferred", "deferred", STAGED], "states": ["SUCCESS"], "posts": 1, "stored": [],
    }  # fmt: skip
    assert tries["worker_dies_before_it_knows_the_run"] == {
        "ends": ["SystemExit: killed", "deferred", STAGED], "states": ["SUCCESS"], "posts": 2, "stored": [],
    }  # fmt: skip


def test_a_result_that_nobody_took_is_taken_once(tries: dict[str, dict[str, Any]]) -> None:
    """The third try is that of a task which was cleared after its success."""
    ended = tries["ends_while_nobody_looks"]
    assert ended["ends"] == ["deferred", STAGED, "deferred"] and len(ended["states"]) == 2


def test_a_failed_job_fails_its_task_and_is_submitted_anew_by_the_next_try(tries: dict[str, dict[str, Any]]) -> None:
    assert tries["fails"] == {
        "ends": ["deferred", "AirflowFailException: the model is gone", "deferred", STAGED],
        "states": ["FAILED", "SUCCESS"], "posts": 2, "stored": [],
    }  # fmt: skip


def test_a_job_is_cancelled_with_its_task_and_only_with_it(tries: dict[str, dict[str, Any]]) -> None:
    assert tries["cleared_while_it_waits"]["states"] == ["CANCELLED", "SUCCESS"]
    assert tries["cleared_while_it_waits"]["ends"] == ["deferred", "deferred", STAGED]
    assert tries["killed_in_the_worker"]["states"] == ["CANCELLED"]
    assert "CANCELLED" not in tries["triggerer_ends"]["states"]


def test_a_job_that_never_starts_fails_its_task_and_may_be_tried_again(tries: dict[str, dict[str, Any]]) -> None:
    [_, error] = tries["never_starts"]["ends"]
    assert error.startswith("AirflowException: EMR Serverless job run 00app/00run1: Spark job features did not start")
    assert tries["never_starts"]["states"] == ["CANCELLED"]


def test_a_job_whose_code_is_not_deployed_fails_its_task_at_once(tries: dict[str, dict[str, Any]]) -> None:
    [error] = tries["not_deployed"]["ends"]
    assert error.startswith("AirflowFailException: ") and error.endswith("not deployed; fix: nightshift deploy")
