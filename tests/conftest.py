"""What tests share: a workshop of small definitions and an installation of their own."""

from __future__ import annotations

import gc
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from databases import copy_mlflow, migrate_airflow
from prepared import PreparedInstallation
from xdist.scheduler import LoadScopeScheduling

from nightshift.compute.job import SUBMITTERS
from nightshift.compute.spark_submit import ONE_NIGHT
from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TESTS = Path(__file__).parent
TINY = TESTS / "models"
# Folders whose tests share a server or a JVM: each runs in one process, and first, since it takes longest.
SHARING = ("tests/e2e/", "tests/production/", "tests/integration/")
# The marker of a test by the fixtures that it uses: make check has no database, no JVM and no process of its own.
MARKERS = {
    "database": {"lake", "project", "empty_mlflow"},
    "slow": {"spark", "empty_airflow", "disk", "programs"},
}


def group_of(nodeid: str) -> str:
    """The tests that run in the same process as this one: those of its folder if they share a server, or its file's."""
    return next((folder for folder in SHARING if nodeid.startswith(folder)), nodeid.partition("::")[0])


class GroupScheduling(LoadScopeScheduling):
    """Gives each process whole groups of tests, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """Schedules by group, whatever `--dist` says."""
    return GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests by their fixtures, and puts the groups that take longest first."""
    for item in items:
        for marker, fixtures in MARKERS.items():
            if not fixtures.isdisjoint(getattr(item, "fixturenames", ())):
                item.add_marker(marker)
    order = {folder: number for number, folder in enumerate(SHARING)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid), len(SHARING)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Has the garbage collector leave alone what was imported for the tests: it would go through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Gives the garbage collector back what it has to take apart at the end of the process."""
    gc.unfreeze()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation in a folder of the test's own, with the tests' tiny model."""
    return Settings(home=PROJECT, var=tmp_path / "var", models_folder=TINY)


@pytest.fixture
def flight_delay() -> ModelDefinition:
    return load_definition(PROJECT / "include" / "models" / "flight_delay")


@pytest.fixture
def tiny() -> ModelDefinition:
    return load_definition(TINY / "tiny")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of definitions that a test may change: a copy of the tests' own."""
    return Path(shutil.copytree(TINY, tmp_path / "models"))


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as its migrations leave it, which takes seconds: tests copy it."""
    from mlflow.store.db import utils

    from nightshift.registry.store import Registry

    # Of every database that is opened, MLflow compares the revision with its newest one, which it reads from 60 files.
    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)
    settings = Settings(home=PROJECT, var=tmp_path_factory.mktemp("mlflow"))
    Registry(settings, "tiny")
    return settings.var_path / "mlflow" / "mlflow.db"


@pytest.fixture(scope="session")
def empty_airflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's database as its migrations leave it, which takes seconds: tests copy it."""
    return migrate_airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="session")
def prepared_installation(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> PreparedInstallation:
    """The installation that tests of this process use in turn, each from a state that was prepared once."""
    return PreparedInstallation(tmp_path_factory.mktemp("installation"), empty_mlflow)


@pytest.fixture
def project(settings: Settings, empty_mlflow: Path) -> Project:
    """The tiny model in an installation with MLflow's database, of which nothing was trained yet."""
    copy_mlflow(empty_mlflow, settings.var_path)
    return Project("tiny", settings)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session of all tests of a process, started like that of a night's job."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)  # the workers need what this process has
        patch.setenv("SPARK_SUBMIT_OPTS", ONE_NIGHT)
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.variable.substitute", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.adaptive.enabled", "false")
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.fixture(scope="module")
def jobs_in_this_process(spark: SparkSession) -> Iterator[None]:
    """Runs the jobs of a module's tests in the session that all tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SUBMITTERS, "local", "shared_session:SharedSession")
        yield
