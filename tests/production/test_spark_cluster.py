"""Jobs on a standalone Spark cluster: one whose worker is killed, and one that nobody works for."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from spark_cluster import spark_cluster

from nightshift.compute.job import Job, run_job
from nightshift.errors import TransientError
from nightshift.lake.staging import load_staged, read_staged
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings, SparkSettings
from nightshift.stages.ingest import ingest_history
from nightshift.stages.publish import publish

pytestmark = [pytest.mark.production, pytest.mark.spark]

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 20)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Published raw data of some weeks."""
    folder = tmp_path_factory.mktemp("cluster")
    settings = Settings(home=PROJECT, var=folder / "var", models_folder=PROJECT / "tests" / "models")
    project = Project("tiny", settings)
    land(project, LAST)
    publish(project, ingest_history(project, FIRST, LAST))
    return project


def features(project: Project, master: str, attempt: str, **spark: Any) -> Any:
    """The features of all nights, sorted, as a job at a master stages them."""
    arguments = ("--model", "tiny", "--from", str(FIRST), "--to", str(LAST), "--attempt", attempt)
    conf = {"spark.executor.memory": "512m"}
    settings = project.settings.model_copy(update={"spark": SparkSettings(master=master, conf=conf, **spark)})
    *_, location = run_job(settings, Job("features", arguments), print).staged
    rows = read_staged(load_staged(location), features_table(project.definition))
    return rows.sort_by([(name, "ascending") for name in rows.column_names])


def test_a_job_whose_worker_is_killed_in_a_task_stages_what_one_machine_stages(
    project: Project, tmp_path: Path
) -> None:
    expected = features(project, "local[1]", "here")
    with spark_cluster(tmp_path) as cluster:
        cluster.add_workers(2)
        killed: list[int] = []

        def kill() -> None:
            cluster.wait(lambda: cluster.computing_worker() is not None)
            if worker := cluster.computing_worker():
                cluster.kill(worker)
                killed.append(worker.pid)

        watcher = threading.Thread(target=kill)
        watcher.start()
        rows = features(project, cluster.master, "there")
        watcher.join()
        assert len(killed) == 1
    assert rows.num_rows > 0 and rows.equals(expected)


def test_a_cluster_without_workers_is_one_clear_line_in_time(project: Project, tmp_path: Path) -> None:
    with spark_cluster(tmp_path) as cluster, pytest.raises(TransientError) as caught:
        features(project, cluster.master, "nobody", executors_within=5)
    assert str(caught.value).startswith(f"Spark master {cluster.master}: the cluster gave the job no executor for 5 s")
    assert "fix: start workers" in str(caught.value)
