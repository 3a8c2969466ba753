"""An installation of many machines: PostgreSQL, S3, Glue, a Spark cluster, and Airflow with Celery."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import pytest
import yaml
from servers import aws_server, free_port, postgresql, redis
from spark_cluster import SparkCluster, spark_cluster
from sqlalchemy import create_engine, text

from nightshift.compute.job import SUBMITTERS
from nightshift.project import Project
from nightshift.replay.airflow_api import AirflowApi
from nightshift.replay.landing import land
from nightshift.replay.nights import Replay
from nightshift.replay.servers import MARK, Servers
from nightshift.settings import PROJECT, CatalogSettings, Settings, SparkSettings
from nightshift.stages.by_hand import monitor_night, score_night, train_and_register
from nightshift.stages.history import build_history

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKET = "lake"
DATABASES = ("airflow", "celery", "mlflow", "state", "mlflow_server", "mlflow_logins")
DATABASES += ("moved_catalog", "moved_mlflow", "moved_state")
FIRST, BUILT = date(2024, 1, 1), date(2024, 1, 30)
NIGHT = BUILT + timedelta(1)
RACING = {"postgresql": "racing_by_postgresql", "s3": "racing_by_s3"}  # models for tests of the registry


@dataclass
class Machine:
    """A machine of the installation: a folder of its own, which no other machine sees, and what runs there.

    Attributes:
        name: Its name.
        folder: Its folder.
        environment: The environment of its processes.
    """

    name: str
    folder: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> None:
        """Starts a component of Airflow."""
        with (self.folder / f"{command[-1]}.log").open("ab") as log:
            program = Path(sys.executable).parent / "airflow"
            process = subprocess.Popen(
                [program, *command],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)

    def runs(self, program: str) -> bool:
        """Whether a process runs there that has a word of its command line ending so."""
        return any(word.endswith(program) for process in self.descendants() for word in _words(process))

    def lose(self) -> None:
        """Kills whatever runs there, as when the machine loses its power."""
        for process in (*self.descendants(), *self.processes):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for component in self.processes:
            component.wait(30)

    def descendants(self) -> list[psutil.Process]:
        """The processes that its components have started, and those that these have."""
        started = [process.pid for process in self.processes if process.poll() is None]
        return [child for pid in started for child in psutil.Process(pid).children(recursive=True)]


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):  # it may end meanwhile
        return process.cmdline()
    return []


@dataclass
class Installation:
    """The installation and its parts.

    Attributes:
        settings: Its settings.
        cluster: The Spark cluster.
        replay: Drives the tiny model's nights through Airflow.
        machines: The machines beside the one of the API server, by name.
    """

    settings: Settings
    cluster: SparkCluster
    replay: Replay
    machines: dict[str, Machine]


@pytest.fixture(scope="session")
def aws() -> Iterator[dict[str, str]]:
    """Moto, with a bucket; the environment of this process leads to it."""
    with aws_server() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        region = {"LocationConstraint": variables["AWS_REGION"]}
        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
        yield variables


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """A PostgreSQL with a database for each that needs one; SQLAlchemy's URL without the name of the database."""
    with postgresql() as url:
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            for name in DATABASES:
                connection.execute(text(f"create database {name}"))
        yield url.rpartition("/")[0]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, which is scored and trained on its dates alone and not today."""
    models = tmp_path_factory.mktemp("models")
    for name in ("tiny", *RACING.values()):
        shutil.copytree(PROJECT / "tests" / "models" / "tiny", models / name)
        tree = yaml.safe_load((models / name / "model.yaml").read_text())
        tree["name"], tree["schedule"]["end"] = name, date(2024, 12, 31)
        (models / name / "model.yaml").write_text(yaml.safe_dump(tree))
    return models


@pytest.fixture(scope="session")
def settings(
    aws: dict[str, str], database: str, cluster: SparkCluster, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """What every machine is told, but for its own folder."""
    del aws
    return Settings(
        home=PROJECT,
        models_folder=models,
        var=tmp_path_factory.mktemp("main"),
        state=f"{database}/state",
        landing=f"s3://{BUCKET}/landing",
        warehouse=f"s3://{BUCKET}/warehouse",
        catalog=CatalogSettings(type="glue"),
        mlflow_uri=f"{database}/mlflow",
        mlflow_artifacts=f"s3://{BUCKET}/mlflow",
        quality_docs=f"s3://{BUCKET}/quality",
        spark=SparkSettings(master=cluster.master, driver_memory="1g", conf={"spark.executor.memory": "768m"}),
    )


@pytest.fixture(scope="session")
def cluster(aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """A Spark cluster of two workers, whose environment leads to S3."""
    del aws
    with pytest.MonkeyPatch.context() as patch, spark_cluster(tmp_path_factory.mktemp("cluster")) as started:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")  # of the drivers
        started.add_workers(2)
        yield started


@pytest.fixture(scope="session")
def installation(
    settings: Settings, database: str, cluster: SparkCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Airflow with two schedulers and two Celery workers, each on a machine of its own."""
    with redis() as broker, pytest.MonkeyPatch.context() as patch:
        variables = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"{database}/airflow",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}/celery",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        }
        for name, value in variables.items():
            patch.setenv(name, value)
        servers = Servers(settings, free_port(), None)
        machines = {}
        try:
            servers.start()
            servers.start_scheduling()
            for name in ("scheduler", "worker-1", "worker-2"):
                folder = tmp_path_factory.mktemp(name)
                own = {MARK: str(folder), "NIGHTSHIFT_VAR": str(folder), "AIRFLOW_HOME": str(folder)}
                own["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(folder / "logs")
                machines[name] = Machine(name, folder, servers.environment() | own)
            machines["scheduler"].start("scheduler", "--skip-serve-logs")
            for name in ("worker-1", "worker-2"):
                machines[name].start("celery", "worker", "--skip-serve-logs", "--celery-hostname", name)
            api = AirflowApi(servers.airflow_url, "admin", servers.password)
            replay = Replay(Project("tiny", settings), servers, api, lambda text: None)
            replay.prepare()
            yield Installation(settings, cluster, replay, machines)
        finally:
            for machine in machines.values():
                machine.lose()
            servers.stop()


@pytest.fixture(scope="session")
def embedded(
    aws: dict[str, str], models: Path, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession
) -> Project:
    """The same history and night on one machine, without any server."""
    del aws, spark  # Spark's workers have the environment of when it was started, and are used for moved files too
    project = Project("tiny", Settings(home=PROJECT, models_folder=models, var=tmp_path_factory.mktemp("embedded")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SUBMITTERS, "local", "shared_session:SharedSession")
        learn(project)
        score_night(project, NIGHT, "night", lambda text: None)
        monitor_night(project, NIGHT, "night", lambda text: None)
    return project


def learn(project: Project) -> None:
    """A month of history, and a first champion."""
    land(project, NIGHT)
    build_history(project, FIRST, BUILT, lambda text: None)
    train_and_register(project, BUILT, "first", "first", lambda text: None)
