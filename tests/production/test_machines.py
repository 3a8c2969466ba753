"""The tiny model's loop on many machines: tables equal those of one machine, whatever was lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import AWS_VARIABLES, wait_for

from nightshift.lake.files import list_files, read_bytes
from nightshift.lake.sql import run_sql
from nightshift.project import Project
from nightshift.replay.nights import NightRun
from production.conftest import BUCKET, NIGHT, Installation, learn

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
def night(installation: Installation) -> NightRun:
    """A night in which the machine that submits its first job is lost, and then a scheduler."""
    replay, machines = installation.replay, installation.machines
    learn(replay.project)
    workers = [machines["worker-1"], machines["worker-2"]]
    with ThreadPoolExecutor(1) as pool:
        running_night = pool.submit(replay.night, NIGHT)
        wait_for(lambda: [worker for worker in workers if worker.runs("features.py")], 300)[0].lose()
        wait_for(lambda: any(worker.runs("features.py") for worker in workers), 300)  # the other one tries again
        machines["scheduler"].lose()
        return running_night.result()


def test_the_night_succeeds(night: NightRun) -> None:
    assert night.states == {"tiny.score": "success", "tiny.monitor": "success"}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_that_of_one_machine(
    table: str, embedded: Project, installation: Installation, night: NightRun
) -> None:
    del night
    query = f"select {TABLES[table]} from {table} order by all"
    columns, rows = run_sql(embedded.lake, query)
    assert rows
    assert run_sql(installation.replay.project.lake, query) == (columns, rows)


def test_credentials_are_in_no_file(installation: Installation, night: NightRun) -> None:
    del night
    secret = AWS_VARIABLES["AWS_SECRET_ACCESS_KEY"].encode()
    folders = [installation.settings.var_path, installation.cluster.folder]
    folders += [machine.folder for machine in installation.machines.values()]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [file for file in files if secret in file.read_bytes()] == []
    objects = list_files(f"s3://{BUCKET}")
    assert len(objects) > 100
    assert [uri for uri in objects if secret in read_bytes(uri)] == []
