"""The tiny model's loop on many machines: tables equal those of one machine, whatever was lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e.helpers import wait_for
from servers import AWS_VARIABLES

from nightshift.lake.files import list_files, read_bytes
from nightshift.lake.sql import run_sql
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.replay.nights import NightRun
from nightshift.stages.history import build_history
from production.conftest import BUCKET, BUILT, FIRST, NIGHTS, Installation

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]

# What names a run, a snapshot or an instant differs from one installation to the next.
TABLES = {
    "raw.plan": "*",
    "raw.failures": "*",
    "features.tiny": "*",
    "scores.tiny": "* exclude (features_snapshot)",
    "monitoring.tiny": "score_date, monitor, subject, statistic, value, threshold, verdict",
}


@pytest.fixture(scope="module")
def nights(installation: Installation) -> list[NightRun]:
    """Two nights: a worker is lost in the first, a scheduler in the second."""
    replay, machines = installation.replay, installation.machines
    land(replay.project, NIGHTS[-1])
    build_history(replay.project, FIRST, BUILT, lambda text: None)
    assert replay.train(BUILT, "first") == "success"
    workers = [machines["worker-1"], machines["worker-2"]]
    first, second = NIGHTS
    with ThreadPoolExecutor(1) as pool:
        running_night = pool.submit(replay.night, first)
        # The machine that submitted the job: the other one repeats the task.
        wait_for(lambda: [worker for worker in workers if worker.runs("features.py")])[0].lose()
        runs = [running_night.result()]
        running_night = pool.submit(replay.night, second)
        wait_for(lambda: any(worker.runs("features.py") for worker in workers))
        machines["scheduler"].lose()
        return [*runs, running_night.result()]


def test_every_night_succeeds(nights: list[NightRun]) -> None:
    assert [run.states for run in nights] == [{"tiny.score": "success", "tiny.monitor": "success"}] * 2


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_that_of_one_machine(
    table: str, embedded: Project, installation: Installation, nights: list[NightRun]
) -> None:
    del nights
    query = f"select {TABLES[table]} from {table} order by all"
    columns, rows = run_sql(embedded.lake, query)
    assert rows
    assert run_sql(installation.replay.project.lake, query) == (columns, rows)


def test_credentials_are_in_no_file(installation: Installation, nights: list[NightRun]) -> None:
    del nights
    secret = AWS_VARIABLES["AWS_SECRET_ACCESS_KEY"].encode()
    folders = [installation.settings.var_path, installation.cluster.folder]
    folders += [machine.folder for machine in installation.machines.values()]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [file for file in files if secret in file.read_bytes()] == []
    objects = list_files(f"s3://{BUCKET}")
    assert len(objects) > 100
    assert [uri for uri in objects if secret in read_bytes(uri)] == []
